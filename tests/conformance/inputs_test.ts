/** Our inputs under the suite of inputs. Kafka's is in `tests/e2e/kafka_conformance_test.ts`. */
import { gzipSync } from "node:zlib";
import {
  FileInputConfig,
  ManualInputConfig,
  type ManualSource,
  PartitionedInputConfig,
  TestingInputConfig,
} from "../../mod.ts";
import { tempFolder } from "../support/files/temp_folder.ts";
import { type InputSubject, testInput } from "./input.ts";
import { testSources } from "./input_sources.ts";

const ONE_A_WORKER = "each worker has one partition, whose name is the worker's number";
const OTHER_WORKERS = "it needs as many workers as the run before, and says so";

/** Numbered items of a partition, all of the same length. */
function itemsOf(partition: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${partition} ${String(i).padStart(2, "0")}`);
}

/** Nothing to free. */
const nothingHeld = { [Symbol.asyncDispose]: () => Promise.resolve() };

type Source = ManualSource<string, number>;

/** How a list is iterated. */
type Iterate = (items: readonly string[], from: number, error?: Error) => Source;

/** Yields the items from an index on, each with its own index; then fails, if there is an error. */
function* iterate(items: readonly string[], from: number, error?: Error) {
  for (let i = from; i < items.length; i++) yield [i, items[i]] as const;
  if (error !== undefined) throw error;
}

/** The same, but some items have to be waited for. */
async function* iterateSlowly(items: readonly string[], from: number, error?: Error) {
  for (const pair of iterate(items, from, error)) {
    if (pair[0] % 4 === 1) await new Promise((resolve) => setTimeout(resolve, 0));
    yield pair;
  }
}

/** An iterable that waits until it is closed. */
function waitsForEver(): Source {
  const closed = Promise.withResolvers<IteratorResult<never>>();
  const end = { done: true, value: undefined } as const;
  return {
    [Symbol.asyncIterator]: () => ({
      next: () => closed.promise,
      return: () => {
        closed.resolve(end);
        return Promise.resolve(end);
      },
    }),
  };
}

function manual(iterate: Iterate): InputSubject<string> {
  const items = itemsOf("one", 30);
  const error = new Error("the source has failed");
  return {
    config: () =>
      new ManualInputConfig((workerIndex, workerCount, resume: number | null) => {
        const share = items.filter((_, i) => i % workerCount === workerIndex);
        return iterate(share, resume === null ? 0 : resume + 1);
      }),
    items: [items],
    waiting: () => new ManualInputConfig(waitsForEver),
    failing: () => ({
      config: new ManualInputConfig(() => iterate(items, 0, error)),
      items,
      message: error.message,
    }),
    ...nothingHeld,
  };
}

const manualSkips = {
  "a run continues with another number of workers": OTHER_WORKERS,
  "a partition that is away for a run continues after it": ONE_A_WORKER,
};

const syncSkips = {
  "an input that waits can be stopped and closed": "an iterable always has its next item",
};

testInput("a manual input of an iterable", () => manual(iterate), { ...manualSkips, ...syncSkips });
testInput("a manual input of an async iterable", () => manual(iterateSlowly), manualSkips);

function partitioned(iterate: Iterate): InputSubject<string> {
  const lists = new Map(["a", "b", "c"].map((name) => [name, itemsOf(name, 10)]));
  const error = new Error("the source has failed");
  const configOf = (names: readonly string[], options: { error?: Error; waits?: boolean } = {}) =>
    new PartitionedInputConfig<string, number>({
      partitions: () => names,
      build: (name, resume) => {
        const from = resume === null ? 0 : resume + 1;
        return options.waits ? waitsForEver() : iterate(lists.get(name)!, from, options.error);
      },
    });
  return {
    config: () => configOf(["a", "b", "c"]),
    items: [...lists.values()],
    fewer: () => configOf(["b", "a"]),
    waiting: () => configOf(["a", "b"], { waits: true }),
    failing: () => ({
      config: configOf(["a"], { error }),
      items: lists.get("a")!,
      message: error.message,
    }),
    ...nothingHeld,
  };
}

testInput("a partitioned input of iterables", () => partitioned(iterate), syncSkips);
testInput("a partitioned input of async iterables", () => partitioned(iterateSlowly));
testSources("a partitioned input of iterables", () => partitioned(iterate));
testSources("a partitioned input of async iterables", () => partitioned(iterateSlowly));

testInput(
  "a testing input",
  () => ({
    config: () => new TestingInputConfig(itemsOf("one", 30), { batchSize: 4 }),
    items: [itemsOf("one", 30)],
    ...nothingHeld,
  }),
  {
    "a run continues with another number of workers": OTHER_WORKERS,
    "a partition that is away for a run continues after it": ONE_A_WORKER,
    "an input that waits can be stopped and closed": "its items are there from the beginning",
    "the items before an error come first, then the error": "nothing in an array can fail",
  },
);

async function files(
  suffix: string,
  pack: (content: Uint8Array) => Uint8Array,
): Promise<InputSubject<string>> {
  const folder = await tempFolder();
  const encoder = new TextEncoder();
  const items = ["a", "b", "c"].map((name) => itemsOf(name, 10));
  for (const lines of items) {
    const name = lines[0][0];
    await folder.write(`${name}.${suffix}`, pack(encoder.encode(`${lines.join("\n")}\n`)));
  }
  const notText = [...encoder.encode(`${items[0].join("\n")}\nbad `), 255, 10];
  await folder.write(`bad.${suffix}`, pack(new Uint8Array(notText)));
  return {
    config: () => new FileInputConfig({ path: folder.at(`[a-c].${suffix}`) }),
    items,
    fewer: () => new FileInputConfig({ path: folder.at(`[ab].${suffix}`) }),
    failing: () => ({
      config: new FileInputConfig({ path: folder.at(`bad.${suffix}`) }),
      items: items[0],
      message: "UTF-8",
    }),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

const fileSkips = {
  "an input that waits can be stopped and closed": "what it reads is there from the beginning",
};

testInput("a file input", () => files("txt", (content) => content), fileSkips);
testInput("a file input of gzip", () => files("gz", gzipSync), fileSkips);
testSources("a file input", () => files("txt", (content) => content));
testSources("a file input of gzip", () => files("gz", gzipSync));
