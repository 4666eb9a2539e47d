import { assertEquals, assertThrows } from "@std/assert";
import { type InputConfig, TestingInputConfig } from "../../../mod.ts";

type Place = Parameters<InputConfig<number>["open"]>[0];

/** Returns the batches that one of several workers reads. */
async function batches(
  input: TestingInputConfig<number>,
  workerIndex = 0,
  workerCount = 1,
  resume: ReadonlyMap<string, unknown> = new Map(),
) {
  const reader = await input.open({ workerIndex, workerCount } as Place, resume);
  const read: number[][] = [];
  for (let batch = reader.next(); batch !== null; batch = reader.next()) read.push(batch);
  await reader.close();
  return { read, positions: reader.positions(), progress: reader.progress?.() };
}

Deno.test("TestingInputConfig returns its items in batches of the requested size", async () => {
  const items = [1, 2, 3, 4, 5];
  assertEquals((await batches(new TestingInputConfig(items, { batchSize: 2 }))).read, [
    [1, 2],
    [3, 4],
    [5],
  ]);
  assertEquals((await batches(new TestingInputConfig(items))).read, [items]);
});

Deno.test("TestingInputConfig reads the array when it is opened, not when it is passed", async () => {
  const items = [1];
  const input = new TestingInputConfig(items);
  items.push(2);
  assertEquals((await batches(input)).read, [[1, 2]]);
});

Deno.test("TestingInputConfig returns arrays of its own", async () => {
  const items = [1, 2];
  const { read } = await batches(new TestingInputConfig(items));
  read[0].length = 0;
  assertEquals(items, [1, 2]);
});

Deno.test("TestingInputConfig shares items out evenly over the workers", async () => {
  const input = new TestingInputConfig([0, 1, 2, 3, 4]);
  const shares = await Promise.all(
    [0, 1].map(async (worker) => (await batches(input, worker, 2)).read),
  );
  assertEquals(shares, [[[0, 2, 4]], [[1, 3]]]);
});

Deno.test("TestingInputConfig continues after its position", async () => {
  const input = new TestingInputConfig([1, 2, 3, 4], { batchSize: 3 });
  const reader = await input.open({ workerIndex: 0, workerCount: 1 } as Place, new Map());
  reader.next();
  assertEquals((await batches(input, 0, 1, reader.positions())).read, [[4]]);
});

Deno.test("TestingInputConfig reports its progress", async () => {
  const input = new TestingInputConfig([1, 2, 3], { batchSize: 2 });
  const reader = await input.open({ workerIndex: 0, workerCount: 1 } as Place, new Map());
  assertEquals(reader.progress!(), { done: 0, total: 3, unit: "items" });
  reader.next();
  assertEquals(reader.progress!(), { done: 2, total: 3, unit: "items" });
});

Deno.test("TestingInputConfig refuses anything but an array, and a batch size that is not a positive integer", () => {
  for (const items of [undefined, "ab", new Set([1]), { length: 1 }]) {
    assertThrows(
      () => new TestingInputConfig(items as unknown as number[]),
      TypeError,
      "TestingInputConfig needs an array; got ",
    );
  }
  for (const batchSize of [0, -1, 1.5, NaN]) {
    assertThrows(
      () => new TestingInputConfig([1], { batchSize }),
      RangeError,
      `batchSize must be a positive integer; got ${batchSize}`,
    );
  }
});
