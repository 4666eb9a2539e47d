import { assertEquals } from "@std/assert";
import { stepTimeText } from "../../src/ops/state_text.ts";

const least = Date.UTC(2026, 0, 1, 10, 4);
const seen = [["p-0 of in", least + 60_000], ["p-1 of in", least + 1_000]];

Deno.test("the stored event time of a step is shown with the source that is least far", () => {
  assertEquals(
    stepTimeText({ seen, least }),
    "event time 2026-01-01T10:04:00.000Z; of 2 sources, p-1 of in is last, " +
      "at 2026-01-01T10:04:01.000Z",
  );
});

Deno.test("a stored event time that has not begun, or has no sources, is shown too", () => {
  assertEquals(
    stepTimeText({ seen: seen.slice(0, 1), least: -Infinity }),
    "event time -Infinity; of 1 source, p-0 of in is last, at 2026-01-01T10:05:00.000Z",
  );
  assertEquals(stepTimeText({ seen: [], least }), "event time 2026-01-01T10:04:00.000Z");
});
