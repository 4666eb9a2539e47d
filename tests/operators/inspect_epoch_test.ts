import { assertEquals } from "@std/assert";
import { collect, failure } from "../support/runtime/collect.ts";

Deno.test("inspectEpoch sees the epoch and each item, and sends the item on", async () => {
  const seen: [number, string][] = [];
  const out = await collect(
    ["a", "b"],
    (s) => s.inspectEpoch((epoch, item) => seen.push([epoch, item])),
  );
  assertEquals(out, ["a", "b"]);
  assertEquals(seen.slice(0, 2).map(([epoch]) => epoch), [0, 0]);
  assertEquals(seen.map(([, item]) => item).toSorted().join(""), "aaabbb");
});

Deno.test("inspectEpoch points to mapAsync when its function returns a promise", async () => {
  const { stepId, item, error } = await failure(
    [1],
    (s) => s.inspectEpoch(() => Promise.resolve()),
  );
  assertEquals([stepId, item], ["inspectEpoch-1", "1"]);
  assertEquals(
    error.startsWith("TypeError: the function of inspectEpoch returned a promise"),
    true,
  );
});
