import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  createLog,
  Dataflow,
  PartitionedInputConfig,
  type PartitionedInputOptions,
  run,
  StepError,
  TestingOutputConfig,
} from "../../../mod.ts";
import { eventually, idle } from "../../support/eventually.ts";
import { openOnAll } from "../../support/runtime/open_input.ts";
import { testPlace } from "../../support/runtime/test_place.ts";
import { RecordingOutput } from "../../support/runtime/recording_output.ts";

/** An input whose partitions have two items each, and a list of what it was asked to build. */
function shelves(names: readonly string[]) {
  const built: [string, number | null][] = [];
  const input = new PartitionedInputConfig<string, number>({
    partitions: () => names,
    build(partition, resume) {
      built.push([partition, resume]);
      return [[1, `${partition}1`], [2, `${partition}2`]];
    },
  });
  return { input, built };
}

/** Returns everything that each of several workers reads, and its last positions. */
async function readAll(
  input: PartitionedInputConfig<string, number>,
  workerCount: number,
  resume: ReadonlyMap<string, unknown> = new Map(),
  place = testPlace(),
) {
  const readers = await openOnAll(input, workerCount, resume, place);
  return await Promise.all(readers.map(async (reader) => {
    const items: string[] = [];
    for (let batch = reader.next(); batch !== null; batch = reader.next()) items.push(...batch);
    await reader.close();
    return { items, positions: Object.fromEntries(reader.positions()) };
  }));
}

Deno.test("PartitionedInputConfig reads all partitions when there is one worker", async () => {
  const { input } = shelves(["b", "a"]);
  const output = new RecordingOutput<string>();
  await run(new Dataflow("shelves").input("in", input).capture(output));
  assertEquals(output.items.map(([, item]) => item).toSorted(), ["a1", "a2", "b1", "b2"]);
});

Deno.test("PartitionedInputConfig deals the partitions out evenly, whatever the order of names", async () => {
  for (const names of [["a", "b", "c", "d", "e"], ["e", "c", "a", "d", "b"]]) {
    const shares = await readAll(shelves(names).input, 3);
    assertEquals(shares.map(({ items }) => items.toSorted()), [
      ["a1", "a2", "d1", "d2"],
      ["b1", "b2", "e1", "e2"],
      ["c1", "c2"],
    ]);
  }
});

Deno.test("PartitionedInputConfig asks for the names once, however many workers there are", async () => {
  let asked = 0;
  const input = new PartitionedInputConfig<string, number>({
    partitions: () => ++asked === 1 ? ["a", "b"] : ["b", "c"],
    build: (partition) => [[1, partition]],
  });
  const shares = await readAll(input, 3);
  assertEquals(shares.map(({ items }) => items), [["a"], ["b"], []]);
  assertEquals(asked, 1);
});

Deno.test("PartitionedInputConfig ends at once on a worker without partitions", async () => {
  const { input, built } = shelves(["a"]);
  const shares = await readAll(input, 2);
  assertEquals(shares[1], { items: [], positions: {} });
  assertEquals(built, [["a", null]]);
});

Deno.test("PartitionedInputConfig keeps a position for each of its partitions", async () => {
  const shares = await readAll(shelves(["a", "b", "c"]).input, 2);
  assertEquals(shares.map(({ positions }) => positions), [{ a: 2, c: 2 }, { b: 2 }]);
});

Deno.test("PartitionedInputConfig resumes each partition from its own state, or from null if there is none", async () => {
  const { input, built } = shelves(["a", "b"]);
  await readAll(input, 1, new Map([["b", 7], ["another's", 8]]));
  assertEquals(built, [["a", null], ["b", 7]]);
});

Deno.test("PartitionedInputConfig moves states with their partitions when the number of workers changes", async () => {
  const counting = () =>
    new PartitionedInputConfig<string, number>({
      partitions: () => ["a", "b", "c", "d", "e"],
      *build(partition, resume) {
        for (let i = (resume ?? 0) + 1; i <= 4; i++) yield [i, `${partition}${i}`];
      },
    });
  const items: string[] = [];
  let resume = new Map<string, unknown>();
  for (const workerCount of [2, 5, 3]) {
    const readers = await openOnAll(counting(), workerCount, resume);
    for (const reader of readers) items.push(...reader.next() ?? []); // an item of each partition
    resume = new Map(readers.flatMap((reader) => [...reader.positions()]));
    for (const reader of readers) await reader.close();
  }
  for (const { items: rest } of await readAll(counting(), 1, resume)) items.push(...rest);
  const all = ["a", "b", "c", "d", "e"].flatMap((name) => [1, 2, 3, 4].map((i) => name + i));
  assertEquals(resume, new Map(["a", "d", "b", "e", "c"].map((name) => [name, 3])));
  assertEquals(items.toSorted(), all);
});

Deno.test("PartitionedInputConfig keeps the positions of partitions that have nothing new", async () => {
  const input = new PartitionedInputConfig<string, number>({
    partitions: () => ["a", "b"],
    build: (partition) => partition === "a" ? [[1, "a1"]] : [],
  });
  const [{ positions }] = await readAll(input, 1, new Map([["a", 0], ["b", 7]]));
  assertEquals(positions, { a: 1, b: 7 });
});

Deno.test("PartitionedInputConfig waits for names that come as a promise", async () => {
  const input = new PartitionedInputConfig<string, number>({
    partitions: async () => await Promise.resolve(["a"]),
    build: () => [[1, "x"]],
  });
  assertEquals((await readAll(input, 1))[0].items, ["x"]);
});

Deno.test("PartitionedInputConfig continues with one partition while another waits", async () => {
  const waiting = Promise.withResolvers<void>();
  const output = new RecordingOutput<string>();
  const input = new PartitionedInputConfig<string>({
    partitions: () => ["quick", "slow"],
    async *build(partition) {
      if (partition === "slow") await waiting.promise;
      for (const n of [1, 2, 3]) yield [n, `${partition}${n}`];
    },
  });
  const running = run(new Dataflow("shelves").input("in", input).capture(output));
  await eventually(() => output.items.length === 3, "the quick partition is out");
  waiting.resolve();
  await running;
  assertEquals(output.items.map(([, item]) => item), [
    "quick1",
    "quick2",
    "quick3",
    "slow1",
    "slow2",
    "slow3",
  ]);
});

Deno.test("PartitionedInputConfig refuses names that are not strings, or come twice", async () => {
  const refused: [unknown, string][] = [
    [undefined, "partitions() must return an array of strings; got undefined"],
    ["ab", `partitions() must return an array of strings; got "ab"`],
    [["a", 1], `partitions() must return an array of strings; got [ "a", 1 ]`],
    [["a", "b", "a"], `partitions() must return each name once; got "a" twice`],
  ];
  for (const [names, message] of refused) {
    const { input } = shelves(names as string[]);
    const flow = new Dataflow("f").input("in", input).capture(new RecordingOutput());
    const error = await assertRejects(() => run(flow), StepError) as StepError;
    assertEquals([error.stepId, (error.cause as Error).message], ["in", message]);
  }
});

Deno.test("PartitionedInputConfig refuses options that are not functions, where it is written", () => {
  const f = () => [];
  for (
    const options of [undefined, null, {}, { partitions: f }, { build: f }, {
      partitions: [],
      build: f,
    }]
  ) {
    assertThrows(
      () =>
        new PartitionedInputConfig(options as unknown as PartitionedInputOptions<string, number>),
      TypeError,
      "PartitionedInputConfig needs { partitions, build }, both functions",
    );
  }
});

Deno.test("PartitionedInputConfig refuses an idleAfter that is not a duration, where it is written", () => {
  assertThrows(
    () => new PartitionedInputConfig({ partitions: () => [], build: () => [], idleAfter: NaN }),
    RangeError,
    "idleAfter of PartitionedInputConfig must be zero or more and finite; got NaN ms",
  );
});

Deno.test("PartitionedInputConfig names the partition whose build returns nothing to iterate", async () => {
  const input = new PartitionedInputConfig<string>({
    partitions: () => ["a"],
    build: () => undefined as unknown as [],
  });
  const flow = new Dataflow("f").input("in", input).capture(new RecordingOutput());
  const { cause } = await assertRejects(() => run(flow), StepError) as StepError;
  assertEquals((cause as Error).message.startsWith(`build("a") must return an iterable`), true);
});

Deno.test("PartitionedInputConfig closes every partition when one of them fails to close", async () => {
  const closed: string[] = [];
  const lines: string[] = [];
  const stop = new AbortController();
  const input = new PartitionedInputConfig<string>({
    partitions: () => ["a", "b", "c"],
    *build(partition) {
      try {
        for (;;) yield [null, partition];
      } finally {
        closed.push(partition);
        // deno-lint-ignore no-unsafe-finally -- a user's mistake
        if (partition === "a") throw new Error("cannot close a");
      }
    },
  });
  const read = new Set<string>();
  const flow = new Dataflow("f").input("in", input).inspect((partition) => {
    if (read.add(partition).size === 3) stop.abort();
  }).capture(new RecordingOutput());
  const log = createLog((level, message) => lines.push(`${level}: ${message}`));
  await run(flow, { signal: stop.signal, log });
  assertEquals(closed, ["a", "b", "c"]);
  assertEquals(lines, [`warn: step "in" failed to close: Error: cannot close a`]);
});

Deno.test("PartitionedInputConfig waits until every partition has closed, also when one fails to", async () => {
  const slow = Promise.withResolvers<void>();
  const calls: string[] = [];
  const input = new PartitionedInputConfig<string>({
    partitions: () => ["a", "b"],
    build: (partition) => ({
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.resolve({ done: false as const, value: [null, partition] as const }),
        return: async () => {
          if (partition === "a") throw new Error("cannot close a");
          await slow.promise;
          calls.push("b has closed");
          return { done: true as const, value: undefined };
        },
      }),
    }),
  });
  const [reader] = await openOnAll(input, 1);
  const closing = assertRejects(() => reader.close(), Error, "cannot close a")
    .then(() => calls.push("the input has closed"));
  await idle();
  slow.resolve();
  await closing;
  assertEquals(calls, ["b has closed", "the input has closed"]);
});

for (const names of [["bad", "good"], ["good", "bad"]]) {
  Deno.test(`PartitionedInputConfig hands out what others have yielded before one fails: ${names}`, async () => {
    const failed = Promise.withResolvers<void>();
    let yielded = 0;
    const input = new PartitionedInputConfig<number, number>({
      partitions: () => names,
      async *build(partition) {
        if (partition === "bad") {
          await failed.promise;
          throw new Error("no such shelf");
        }
        for (let n = 1;; n++) {
          yield [n, n];
          yielded = n; // it has been asked for the next one
        }
      },
    });
    const [reader] = await openOnAll(input, 1);
    const items: number[] = [];
    items.push(...reader.next(8)!);
    await eventually(() => yielded > 2, "items wait");
    failed.resolve();
    await idle();
    const read = () => {
      for (let batch = reader.next(2); batch !== null; batch = reader.next(2)) items.push(...batch);
    };
    assertThrows(read, Error, "no such shelf");
    assert(items.length >= yielded, `${yielded} were yielded, ${items.length} handed out`);
    assertEquals(items, items.map((_, i) => i + 1));
    assertEquals(Object.fromEntries(reader.positions()), { good: items.length });
    await reader.close();
  });
}

Deno.test("PartitionedInputConfig works off what all partitions have yielded, then fails", async () => {
  for (const broken of ["throws", "yields no pair"]) {
    const out: number[] = [];
    let yielded = 0;
    const input = new PartitionedInputConfig<number, number>({
      partitions: () => ["bad", "good"],
      async *build(partition) {
        for (let n = 1;; n++) {
          await idle();
          if (partition === "good") {
            yield [n, n];
            yielded = n;
          } else if (n === 5) {
            if (broken === "throws") throw new Error("no such shelf");
            yield 5 as never;
          }
        }
      },
    });
    const output = new TestingOutputConfig(out);
    const flow = new Dataflow("shelves").input("in", input).capture(output);
    await assertRejects(() => run(flow), StepError, 'step "in"');
    assert(yielded > 0 && out.length >= yielded, `${yielded} were yielded, ${out.length} written`);
  }
});

for (const workerCount of [1, 2]) {
  Deno.test(`PartitionedInputConfig keeps states of partitions that are not listed: ${workerCount} workers`, async () => {
    const together = (shares: { positions: Record<string, unknown> }[]) =>
      shares.flatMap(({ positions }) => Object.entries(positions)).sort();
    const first = together(await readAll(shelves(["a", "b", "c"]).input, workerCount));
    assertEquals(first, [["a", 2], ["b", 2], ["c", 2]]);
    const place = testPlace({ stepId: "in" });
    const { input } = shelves(["b"]);
    const second = together(await readAll(input, workerCount, new Map(first), place));
    assertEquals(second, first);
    assertEquals(place.logged, [
      'warn: the store has states of partitions that step "in" does not list now: they are kept, ' +
      'such as that of "a"',
    ]);
    const { input: all, built } = shelves(["a", "b", "c"]);
    const quiet = testPlace();
    const third = await readAll(all, 3 - workerCount, new Map(second), quiet);
    assertEquals(together(third), first);
    assertEquals(built.toSorted(), [["a", 2], ["b", 2], ["c", 2]]);
    assertEquals(quiet.logged, []);
  });
}
