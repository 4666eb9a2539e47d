import { assertEquals } from "@std/assert";
import { collect, failure, mistaken } from "../support/runtime/collect.ts";

Deno.test("flatMap sends each item of the iterable on, in order", async () => {
  assertEquals(await collect([2, 0, 3], (s) => s.flatMap((n) => new Array(n).fill(n))), [
    2,
    2,
    3,
    3,
    3,
  ]);
});

Deno.test("flatMap accepts any iterable: generators, sets, maps", async () => {
  assertEquals(
    await collect([1, 2], (s) =>
      s.flatMap(function* (n) {
        yield n;
        yield -n;
      })),
    [1, -1, 2, -2],
  );
  assertEquals(await collect([1], (s) => s.flatMap((n) => new Set([n, n, 2]))), [1, 2]);
  assertEquals(await collect([1], (s) => s.flatMap((n) => new Map([["k", n]]))), [["k", 1]]);
});

Deno.test("flatMap sends null and undefined on", async () => {
  assertEquals(await collect([1], (s) => s.flatMap(() => [null, undefined])), [null, undefined]);
});

Deno.test("flatMap inside flatMap keeps the order", async () => {
  const out = await collect(
    [1, 2],
    (s) => s.flatMap((n) => [n, n + 10]).flatMap((n) => [n, -n]).filter((n) => n !== -1),
  );
  assertEquals(out, [1, 11, -11, 2, -2, 12, -12]);
});

Deno.test("flatMap asks a generator for an item only when the last has gone through", async () => {
  const seen: string[] = [];
  await collect([1], (s) =>
    s.flatMap(function* () {
      for (const n of [1, 2]) {
        seen.push(`made ${n}`);
        yield n;
      }
    }).inspect((n) => seen.push(`took ${n}`)));
  assertEquals(seen.slice(0, 4), ["made 1", "took 1", "made 2", "took 2"]);
});

Deno.test("flatMap refuses a string, which would fall apart into characters", async () => {
  const { stepId, item, error } = await failure(
    ["to be"],
    (s) => s.flatMap(mistaken((line: string) => line)),
  );
  assertEquals([stepId, item], ["flatMap-1", `"to be"`]);
  assertEquals(
    error,
    `TypeError: the function of flatMap must return an iterable; got "to be": a string would ` +
      `fall apart into characters, so write [text], or [...text] if you mean it`,
  );
});

Deno.test("flatMap refuses what cannot be iterated, and shows it", async () => {
  const gives = [undefined, null, 1, { a: 1 }, async function* () {}(), new WeakSet(), () => []];
  for (const given of gives) {
    const { stepId, item, error } = await failure([5], (s) => s.flatMap(mistaken(() => given)));
    assertEquals([stepId, item], ["flatMap-1", "5"]);
    assertEquals(
      error.startsWith("TypeError: the function of flatMap must return an iterable; got "),
      true,
    );
    assertEquals(error.endsWith("return an array or another iterable, empty for nothing"), true);
  }
});

Deno.test("flatMap points to mapAsync when its function returns a promise", async () => {
  const { error } = await failure([5], (s) => s.flatMap(mistaken(() => Promise.resolve([1]))));
  assertEquals(
    error,
    "TypeError: the function of flatMap returned a promise, but flatMap is synchronous: " +
      "use mapAsync for what must be awaited",
  );
});

Deno.test("flatMap is named when its generator throws half-way, and not the step after it", async () => {
  const { stepId, item, error } = await failure([1, 2], (s) =>
    s.flatMap(function* parts(n) {
      yield n;
      if (n === 2) throw new Error("half-way");
      yield n;
    }).map(function after(n) {
      return n;
    }));
  assertEquals([stepId, item, error], ["parts", "2", "Error: half-way"]);
});

Deno.test("the step after a flatMap is named when it throws, with its own item", async () => {
  const { stepId, item } = await failure(
    [1, 2],
    (s) =>
      s.flatMap((n) => [n, n * 10]).map(function after(n) {
        if (n === 20) throw new Error("twenty");
        return n;
      }),
  );
  assertEquals([stepId, item], ["after", "20"]);
});
