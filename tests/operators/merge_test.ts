import { assertEquals } from "@std/assert";
import { collect } from "../support/runtime/collect.ts";
import { Dataflow, run, TestingInputConfig, TestingOutputConfig } from "../../mod.ts";

Deno.test("merge emits the items of all its streams", async () => {
  const out = await collect(
    [1, 2],
    (s) => s.merge(s.map((n) => n * 10), s.filter((n) => n > 1).map((n) => n * 100)),
  );
  assertEquals(out.toSorted((a, b) => a - b), [1, 2, 10, 20, 200]);
});

Deno.test("merge of nothing else is the stream itself", async () => {
  assertEquals(await collect([1, 2], (s) => s.merge()), [1, 2]);
});

Deno.test("merge emits each item twice when a stream is merged with itself", async () => {
  assertEquals(await collect([1, 2], (s) => s.merge(s)), [1, 1, 2, 2]);
});

Deno.test("merge keeps each stream's order when one is ahead of the other", async () => {
  const items = Array.from({ length: 3_000 }, (_, i) => i);
  const out = await collect(items, (s) => {
    const [even, odd] = s.branch((n) => n % 2 === 0);
    return even.mapAsync(async (n) => await Promise.resolve(n)).merge(odd).keyOn((n) => `${n % 2}`)
      .foldFinal("list", (): number[] => [], (list, n) => [...list, n]);
  });
  assertEquals(
    Object.fromEntries(out),
    { 0: items.filter((n) => n % 2 === 0), 1: items.filter((n) => n % 2 === 1) },
  );
});

Deno.test("merge emits all items of a diamond through a stateful step and past it", async () => {
  const out = await collect([1, 2, 3], (s) => {
    const sum = s.keyOn(() => "sum").reduceFinal("sum", (a, b) => a + b).map(([, n]) => n * 100);
    return s.merge(sum);
  });
  assertEquals(out.toSorted((a, b) => a - b), [1, 2, 3, 600]);
});

Deno.test("merge of merges emits the items of all of them", async () => {
  for (const batchSize of [1, 2, 1024]) {
    const out: string[] = [];
    const flow = new Dataflow("merges");
    const [a, b, c, d] = ["a", "b", "c", "d"].map((name) =>
      flow.input(name, new TestingInputConfig([`${name}1`, `${name}2`], { batchSize }))
    );
    a.merge(b).merge(c.merge(d), a).capture(new TestingOutputConfig(out));
    await run(flow);
    assertEquals(out.toSorted(), ["a1", "a1", "a2", "a2", "b1", "b2", "c1", "c2", "d1", "d2"]);
  }
});
