import { assertEquals } from "@std/assert";
import type { Keyed } from "../../mod.ts";
import { collect, failure, mistaken, pairs } from "../support/runtime/collect.ts";
import { Random } from "../support/values/random.ts";

Deno.test("statefulMap emits one output for each value, from the state of its key", async () => {
  const out = await collect(
    pairs(["a", 1], ["b", 5], ["a", 2], ["b", 1]),
    (s) => s.statefulMap("total", () => 0, (total, n) => [total + n, `${total}+${n}`]),
  );
  assertEquals(out, [["a", "0+1"], ["b", "0+5"], ["a", "1+2"], ["b", "5+1"]]);
});

Deno.test("statefulMap passes the key to build, once for each key", async () => {
  const built: string[] = [];
  const out = await collect(
    pairs(["a", 1], ["b", 1], ["a", 1]),
    (s) =>
      s.statefulMap("named", (key) => {
        built.push(key);
        return `state of ${key}`;
      }, (state) => [state, state]),
  );
  assertEquals(out.map(([, state]) => state), ["state of a", "state of b", "state of a"]);
  assertEquals(built.toSorted().join(""), "aaabbb");
});

Deno.test("statefulMap forgets a key when its state becomes null, also within a batch", async () => {
  const out = await collect(
    pairs(["a", 1], ["a", 2], ["a", 0], ["a", 3], ["b", 1], ["a", 4]),
    (s) =>
      s.statefulMap(
        "total",
        () => 100,
        (total, n) => n === 0 ? [null, -1] : [total + n, total + n],
      ),
  );
  assertEquals(out, [["a", 101], ["a", 103], ["a", -1], ["a", 103], ["b", 101], ["a", 107]]);
});

Deno.test("statefulMap lets the mapper change its state in place and return it", async () => {
  const out = await collect(
    pairs(["a", 1], ["a", 2]),
    (s) =>
      s.statefulMap("list", (): number[] => [], (list, n) => {
        list.push(n);
        return [list, list.join()];
      }),
  );
  assertEquals(out, [["a", "1"], ["a", "1,2"]]);
});

Deno.test("statefulMap keeps undefined as a state", async () => {
  const out = await collect(
    pairs(["a", 1], ["a", 2]),
    (s) =>
      s.statefulMap("state", (): string | undefined => "new", (state) => [undefined, `${state}`]),
  );
  assertEquals(out, [["a", "new"], ["a", "undefined"]]);
});

Deno.test("statefulMap refuses a mapper that does not return a pair, and shows what it returned", async () => {
  for (const given of [undefined, null, 1, [1], [1, 2, 3], { 0: 1, 1: 2, length: 2 }]) {
    const { stepId, item, error } = await failure(
      pairs(["a", 7]),
      (s) => s.statefulMap("total", () => 0, mistaken(() => given)),
    );
    assertEquals([stepId, item], ["total", `[ "a", 7 ]`]);
    assertEquals(
      error,
      `TypeError: statefulMap's mapper must return a pair [state, out]; got ${Deno.inspect(given)}`,
    );
  }
});

Deno.test("statefulMap points to mapAsync when mapper or build returns a promise", async () => {
  const why = "but stateful steps are synchronous: await in a mapAsync before this step";
  const mapper = await failure(
    pairs(["a", 7]),
    (s) => s.statefulMap("total", () => 0, mistaken(async () => await Promise.resolve([1, 2]))),
  );
  assertEquals(mapper.error, `TypeError: statefulMap's mapper returned a promise, ${why}`);
  const build = await failure(
    pairs(["a", 7]),
    (s) => s.statefulMap("total", async () => await Promise.resolve(0), (state) => [state, 1]),
  );
  assertEquals(build.error, `TypeError: build returned a promise, ${why}`);
});

Deno.test("a stateful step refuses items that are not pairs, or have no string key", async () => {
  const wrong: [unknown, string][] = [
    ["ab", `a stateful step needs [key, value] pairs; got "ab" (use keyOn or map to make pairs)`],
    [[1, 2], "a stateful step needs string keys; got the key 1 in [ 1, 2 ]"],
    [
      ["a"],
      `a stateful step needs [key, value] pairs; got [ "a" ] (use keyOn or map to make pairs)`,
    ],
  ];
  for (const [value, message] of wrong) {
    const { stepId, item, error } = await failure(
      [mistaken<Keyed<number>>(value)],
      (s) => s.statefulMap("total", () => 0, (total, n) => [total + n, n]),
    );
    assertEquals([stepId, item, error], ["total", Deno.inspect(value), `TypeError: ${message}`]);
  }
});

Deno.test("statefulMap agrees with a map of totals when keys and values are random", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const random = new Random(seed);
    const items = Array.from({ length: 500 }, (): Keyed<number> => [
      `key-${random.below(12)}`,
      random.below(20),
    ]);
    const totals = new Map<string, number>();
    const expected = items.map(([key, n]): Keyed<number> => {
      const total = (totals.get(key) ?? 0) + n;
      if (total % 7 === 0) totals.delete(key);
      else totals.set(key, total);
      return [key, total];
    });
    const out = await collect(items, (s) =>
      s.statefulMap("total", () => 0, (total, n) => {
        const sum = total + n;
        return [sum % 7 === 0 ? null : sum, sum];
      }));
    assertEquals(out, expected);
  }
});
