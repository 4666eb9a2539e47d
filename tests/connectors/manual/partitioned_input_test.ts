import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  createLog,
  Dataflow,
  type InputConfig,
  PartitionedInputConfig,
  type PartitionedInputOptions,
  run,
  StepError,
} from "../../../mod.ts";
import { eventually } from "../../support/eventually.ts";
import { RecordingOutput } from "../../support/recording_output.ts";

type Place = Parameters<InputConfig<string>["open"]>[0];

/** An input whose partitions have two items each, and what it was asked to build. */
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

/** All that one worker of several reads, and its last positions. */
async function readAll(
  input: PartitionedInputConfig<string, number>,
  workerIndex: number,
  workerCount: number,
  resume: ReadonlyMap<string, unknown> = new Map(),
) {
  const reader = await input.open({ workerIndex, workerCount } as Place, resume);
  const items: string[] = [];
  for (let batch = reader.next(); batch !== null; batch = reader.next()) items.push(...batch);
  await reader.close();
  return { items, positions: Object.fromEntries(reader.positions()) };
}

Deno.test("PartitionedInputConfig reads all partitions when there is one worker", async () => {
  const { input } = shelves(["b", "a"]);
  const output = new RecordingOutput<string>();
  await run(new Dataflow("shelves").input("in", input).capture(output));
  assertEquals(output.items.map(([, item]) => item).toSorted(), ["a1", "a2", "b1", "b2"]);
});

Deno.test("PartitionedInputConfig deals every partition to one worker, whatever the order of names", async () => {
  for (const names of [["a", "b", "c", "d", "e"], ["e", "c", "a", "d", "b"]]) {
    const shares = await Promise.all([0, 1, 2].map(async (worker) => {
      const { input, built } = shelves(names);
      await readAll(input, worker, 3);
      return built.map(([name]) => name);
    }));
    assertEquals(shares, [["a", "d"], ["b", "e"], ["c"]]);
  }
});

Deno.test("PartitionedInputConfig ends at once on a worker without partitions", async () => {
  const { input, built } = shelves(["a"]);
  assertEquals(await readAll(input, 1, 2), { items: [], positions: {} });
  assertEquals(built, []);
});

Deno.test("PartitionedInputConfig keeps a position for each of its partitions", async () => {
  const { input } = shelves(["a", "b", "c"]);
  assertEquals((await readAll(input, 0, 2)).positions, { a: 2, c: 2 });
});

Deno.test("PartitionedInputConfig resumes each partition from its own state, and null where there is none", async () => {
  const { input, built } = shelves(["a", "b"]);
  await readAll(input, 0, 1, new Map([["b", 7], ["another's", 8]]));
  assertEquals(built, [["a", null], ["b", 7]]);
});

Deno.test("PartitionedInputConfig keeps the positions of partitions that have nothing new", async () => {
  const input = new PartitionedInputConfig<string, number>({
    partitions: () => ["a", "b"],
    build: (partition) => partition === "a" ? [[1, "a1"]] : [],
  });
  const { positions } = await readAll(input, 0, 1, new Map([["a", 0], ["b", 7]]));
  assertEquals(positions, { a: 1, b: 7 });
});

Deno.test("PartitionedInputConfig waits for names that come as a promise", async () => {
  const input = new PartitionedInputConfig<string, number>({
    partitions: async () => await Promise.resolve(["a"]),
    build: () => [[1, "x"]],
  });
  assertEquals((await readAll(input, 0, 1)).items, ["x"]);
});

Deno.test("PartitionedInputConfig reads on from one partition while another waits", async () => {
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

Deno.test("PartitionedInputConfig refuses names that are no strings, or come twice", async () => {
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

Deno.test("PartitionedInputConfig refuses options that are no functions, where it is written", () => {
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
  const flow = new Dataflow("f").input("in", input).inspect(() => stop.abort())
    .capture(new RecordingOutput());
  const log = createLog((level, message) => lines.push(`${level}: ${message}`));
  await run(flow, { signal: stop.signal, log });
  assertEquals(closed, ["a", "b", "c"]);
  assertEquals(lines, [`warn: step "in" failed to close: Error: cannot close a`]);
});
