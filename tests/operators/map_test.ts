import { assertEquals, assertThrows } from "@std/assert";
import { Dataflow, TestingInputConfig } from "../../mod.ts";
import { collect, failure, mistaken } from "../support/runtime/collect.ts";

Deno.test("map emits one item for each, in order", async () => {
  assertEquals(await collect([3, 1, 2], (s) => s.map((n) => `<${n}>`)), ["<3>", "<1>", "<2>"]);
});

Deno.test("map passes null, undefined and functions on like any other item", async () => {
  const f = () => 1;
  assertEquals(
    await collect([1, 2, 3, 4], (s) => s.map((n) => [null, undefined, f, NaN][n - 1])),
    [null, undefined, f, NaN],
  );
});

Deno.test("map passes on an object with a property called then that is not a function", async () => {
  assertEquals(await collect([1], (s) => s.map((n) => ({ then: n }))), [{ then: 1 }]);
});

Deno.test("map emits nothing without items", async () => {
  assertEquals(await collect([], (s) => s.map((n) => n)), []);
});

Deno.test("map names the step and the item when its function throws", async () => {
  const { stepId, item, error } = await failure(
    [{ id: 1 }, { id: 2 }],
    (s) =>
      s.map(function half({ id }) {
        if (id === 2) throw new RangeError("no twos");
        return id / 2;
      }),
  );
  assertEquals([stepId, item, error], ["half", "{ id: 2 }", "RangeError: no twos"]);
});

Deno.test("map points to mapAsync when its function returns a promise", async () => {
  const { stepId, item, error } = await failure([7], (s) => s.map((n) => Promise.resolve(n)));
  assertEquals([stepId, item], ["map-1", "7"]);
  assertEquals(
    error,
    "TypeError: the function of map returned a promise, but map is synchronous: " +
      "use mapAsync for what must be awaited",
  );
});

Deno.test("every synchronous step refuses an async function where it is written", () => {
  const numbers = new Dataflow("f").input("in", new TestingInputConfig([1]));
  const pairs = numbers.keyOn(String);
  const later = mistaken<never>(async () => await Promise.resolve(true));
  const calls: Record<string, () => unknown> = {
    map: () => numbers.map(later),
    flatMap: () => numbers.flatMap(later),
    filter: () => numbers.filter(later),
    filterMap: () => numbers.filterMap(later),
    inspect: () => numbers.inspect(later),
    inspectEpoch: () => numbers.inspectEpoch(later),
    keyOn: () => numbers.keyOn(later),
    branch: () => numbers.branch(later),
    mapValue: () => pairs.mapValue(later),
    flatMapValue: () => pairs.flatMapValue(later),
  };
  for (const [step, call] of Object.entries(calls)) {
    assertThrows(
      call,
      TypeError,
      `${step} is synchronous but was given an async function: use mapAsync`,
    );
  }
});

Deno.test("every step refuses what is not a function where it is written, and shows it", () => {
  const numbers = new Dataflow("f").input("in", new TestingInputConfig([1]));
  const pairs = numbers.keyOn(String);
  const no = mistaken<never>({ a: 1 });
  const f = mistaken<never>(() => {});
  const calls: Record<string, () => unknown> = {
    map: () => numbers.map(no),
    flatMap: () => numbers.flatMap(no),
    filter: () => numbers.filter(no),
    filterMap: () => numbers.filterMap(no),
    inspect: () => numbers.inspect(no),
    inspectEpoch: () => numbers.inspectEpoch(no),
    mapAsync: () => numbers.mapAsync(no),
    keyOn: () => numbers.keyOn(no),
    branch: () => numbers.branch(no),
    mapValue: () => pairs.mapValue(no),
    flatMapValue: () => pairs.flatMapValue(no),
    'stateful step "s"': () => pairs.stateful("s", no),
    "reduce's reducer": () => pairs.reduce("s", no, f),
    "reduce's isComplete": () => pairs.reduce("s", f, no),
    "statefulMap's build": () => pairs.statefulMap("s", no, f),
    "statefulMap's mapper": () => pairs.statefulMap("s", f, no),
    "statefulFlatMap's build": () => pairs.statefulFlatMap("s", no, f),
    "statefulFlatMap's mapper": () => pairs.statefulFlatMap("s", f, no),
    "reduceFinal's reducer": () => pairs.reduceFinal("s", no),
    "foldFinal's build": () => pairs.foldFinal("s", no, f),
    "foldFinal's folder": () => pairs.foldFinal("s", f, no),
    "maxFinal's compare": () => pairs.maxFinal("s", no),
    "minFinal's compare": () => pairs.minFinal("s", no),
  };
  for (const [what, call] of Object.entries(calls)) {
    assertThrows(call, TypeError, `${what} must be given a function; got { a: 1 }`);
  }
});
