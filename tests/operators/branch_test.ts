import { assertEquals } from "@std/assert";
import { collect, failure, mistaken } from "../support/runtime/collect.ts";
import { Dataflow, run, TestingInputConfig, TestingOutputConfig } from "../../mod.ts";

Deno.test("branch parts the items, and both sides keep their order", async () => {
  const items = [5, 2, 4, 1, 3];
  assertEquals(await collect(items, (s) => s.branch((n) => n % 2 === 0)[0]), [2, 4]);
  assertEquals(await collect(items, (s) => s.branch((n) => n % 2 === 0)[1]), [5, 1, 3]);
});

Deno.test("branch asks once for each item, however many streams hang on its sides", async () => {
  const asked: number[] = [];
  const [yes, no, again]: number[][] = [[], [], []];
  const flow = new Dataflow("branch").input("in", new TestingInputConfig([1, 2, 3]));
  const [even, odd] = flow.branch((n) => {
    asked.push(n);
    return n % 2 === 0;
  });
  even.capture(new TestingOutputConfig(yes));
  even.map((n) => n * 10).capture(new TestingOutputConfig(again));
  odd.capture(new TestingOutputConfig(no));
  await run(flow);
  assertEquals([asked, yes, no, again], [[1, 2, 3], [2], [1, 3], [20]]);
});

Deno.test("branch asks each item when only one side, or none, is used", async () => {
  const asked: number[] = [];
  await collect([1, 2], (s) => {
    s.branch((n) => {
      asked.push(n);
      return true;
    });
    return s;
  });
  assertEquals(asked.toSorted().join(""), "111222");
});

Deno.test("branch emits the items in their order when its sides are merged again", async () => {
  const out = await collect([5, 2, 4, 1, 3], (s) => {
    const [even, odd] = s.branch((n) => n % 2 === 0);
    return even.map((n) => n * 10).merge(odd);
  });
  assertEquals(out, [5, 20, 40, 1, 3]);
});

Deno.test("branch inside branch parts the parts", async () => {
  const out = await collect([1, 2, 3, 4, 5, 6], (s) => {
    const [even, odd] = s.branch((n) => n % 2 === 0);
    const [evenLow, evenHigh] = even.branch((n) => n < 4);
    const [oddLow, oddHigh] = odd.branch((n) => n < 4);
    return evenLow.map((n) => `el${n}`).merge(
      evenHigh.map((n) => `eh${n}`),
      oddLow.map((n) => `ol${n}`),
      oddHigh.map((n) => `oh${n}`),
    );
  });
  assertEquals(out, ["ol1", "el2", "ol3", "eh4", "oh5", "eh6"]);
});

Deno.test("branch refuses anything but true and false, and a promise", async () => {
  const { stepId, item, error } = await failure([5], (s) => s.branch(mistaken(() => 1))[0]);
  assertEquals([stepId, item], ["branch-1", "5"]);
  assertEquals(
    error,
    "TypeError: the predicate of branch must return true or false; got 1 " +
      "(write Boolean(…) or !! where truthiness is meant)",
  );
  const promised = await failure([5], (s) => s.branch(mistaken(() => Promise.resolve(true)))[1]);
  assertEquals(
    promised.error.startsWith("TypeError: the function of branch returned a promise"),
    true,
  );
});
