/** Several workers of one process, joined in memory. What crosses between them is encoded. */
import { assert, assertEquals, assertLessOrEqual, assertRejects } from "@std/assert";
import {
  Dataflow,
  type InputConfig,
  ManualInputConfig,
  type OutputConfig,
  StepError,
  TestingInputConfig,
} from "../../mod.ts";
import { keyGroupOf, ownersOf } from "../../src/core/key_groups.ts";
import { decodeFrame } from "../../src/runtime/exchange/frames.ts";
import type { SentFrame } from "../../src/runtime/run/memory_network.ts";
import { runWorkers } from "../support/runtime/workers.ts";
import { Random } from "../support/values/random.ts";

/** An output that notes what each worker writes, and may do something before. */
function noting<T>(
  noted: { worker: number; item: T }[],
  before: (worker: number) => void | Promise<void> = () => {},
): OutputConfig<T> {
  return {
    open: ({ workerIndex: worker }) =>
      Promise.resolve({
        write: async (batch: readonly T[]) => {
          await before(worker);
          for (const item of batch) noted.push({ worker, item });
        },
        prepare: () => Promise.resolve(new Map()),
        close: () => Promise.resolve(),
      }),
  };
}

/** Numbers that are this worker's alone: from `first`, `count` of them. */
function numbers(count: (worker: number) => number, batchSize = 100): InputConfig<number> {
  return {
    open: ({ workerIndex }) => {
      let next = 0;
      const end = count(workerIndex);
      return Promise.resolve({
        next: () => {
          if (next === end) return null;
          const from = next;
          next = Math.min(end, next + batchSize);
          return Array.from({ length: next - from }, (_, i) => workerIndex * 1e6 + from + i);
        },
        ready: () => Promise.resolve(),
        positions: () => new Map(),
        close: () => Promise.resolve(),
      });
    },
  };
}

/** Counting by key: each value changes workers, or only what they come to does. */
const counting = {
  "one by one": (pairs: Dataflow<[string, number]>) =>
    pairs.foldFinal("count", () => 0, (count: number) => count + 1),
  combined: (pairs: Dataflow<[string, number]>) => pairs.countFinal("count"),
  "combined by a merger": (pairs: Dataflow<[string, number]>) =>
    pairs.foldFinal("count", () => 0, (count: number) => count + 1, (a, b) => a + b),
};

for (
  const [how, workers] of Object.keys(counting).flatMap((how) =>
    [1, 2, 3, 5].map((n) => [how, n] as const)
  )
) {
  Deno.test(`keyed counts are exact, and each key is on one worker, with ${workers}, ${how}`, async () => {
    const noted: { worker: number; item: [string, number] }[] = [];
    const items = Array.from({ length: 10_000 }, (_, i) => i);
    const pairs = new Dataflow("counts")
      .input("in", new TestingInputConfig(items))
      .keyOn((n) => `key-${n % 97}`);
    const flow = counting[how as keyof typeof counting](pairs).capture(noting(noted));
    const { counts } = await runWorkers(flow, workers, { epochMs: 1 });
    const expected = Array.from({ length: 97 }, (_, k): [string, number] => [
      `key-${k}`,
      Math.ceil((10_000 - k) / 97),
    ]);
    const byKey = ([a]: [string, number], [b]: [string, number]) => a < b ? -1 : 1;
    assertEquals(noted.map(({ item }) => item).sort(byKey), expected.sort(byKey));
    const owners = ownersOf(workers);
    for (const { worker, item: [key] } of noted) assertEquals(worker, owners[keyGroupOf(key)]);
    const sum = (step: number, side: "in" | "out") =>
      counts.reduce((sum, steps) => sum + steps[step][side], 0);
    assertEquals([sum(0, "out"), sum(2, "in"), sum(2, "out"), sum(3, "in")], [
      10_000,
      10_000,
      97,
      97,
    ]);
    counts.forEach((steps, worker) => {
      if (how !== "one by one") {
        assertEquals(steps[2].in, steps[1].out, `what worker ${worker} combined`);
        return;
      }
      const keys = noted.filter((note) => note.worker === worker).map(({ item: [key] }) => key);
      const into = items.filter((n) => keys.includes(`key-${n % 97}`)).length;
      assertEquals(steps[2].in, into, `what came into the count on worker ${worker}`);
    });
  });
}

Deno.test("items of one key from one worker keep their order, through two exchanges", async () => {
  for (const workers of [2, 3, 5]) {
    const noted: { worker: number; item: [string, number] }[] = [];
    const flow = new Dataflow("order")
      .input("in", numbers(() => 3_000, 37))
      .keyOn((n) => `a${n % 7}`)
      .statefulMap("first", () => 0, (seen: number, n) => [seen + 1, n])
      .map(([, n]) => [`b${n % 5} from ${Math.floor(n / 1e6)} by a${n % 7}`, n])
      .statefulMap("second", () => 0, (seen: number, n) => [seen + 1, n])
      .capture(noting(noted));
    await runWorkers(flow, workers, { epochMs: 1 });
    assertEquals(noted.length, 3_000 * workers);
    for (const [key, notes] of Map.groupBy(noted, ({ item: [key] }) => key)) {
      const ns = notes!.map(({ item: [, n] }) => n);
      assertEquals(ns, ns.toSorted((a, b) => a - b), key);
    }
  }
});

Deno.test("redistribute spreads what one worker reads over all", async () => {
  const noted: { worker: number; item: number }[] = [];
  const flow = new Dataflow("spread")
    .input("in", numbers((worker) => worker === 1 ? 9_000 : 0))
    .redistribute()
    .map((n) => n + 1)
    .capture(noting(noted));
  await runWorkers(flow, 3);
  const shares = [0, 1, 2].map((worker) => noted.filter((note) => note.worker === worker).length);
  assertEquals(shares, [3_000, 3_000, 3_000]);
  assertEquals(
    noted.map(({ item }) => item).sort((a, b) => a - b),
    Array.from({ length: 9_000 }, (_, i) => 1e6 + i + 1),
  );
});

Deno.test("what stays with its key's owner is not sent: one stateful step after another", async () => {
  const sent: SentFrame[] = [];
  const flow = new Dataflow("chained")
    .input("in", numbers(() => 1_000))
    .keyOn((n) => `k${n % 10}`)
    .statefulMap("one", () => 0, (n: number) => [n + 1, n])
    .filter(([, n]) => n >= 0)
    .mapValue((n) => n + 1)
    .statefulMap("two", () => 0, (n: number) => [n + 1, n])
    .countFinal("three")
    .capture(noting([]));
  await runWorkers(flow, 2, { onFrame: (frame) => sent.push(frame) });
  const exchanges = new Set(sent.map(({ bytes }) => decodeFrame(bytes).exchange));
  assertEquals([...exchanges], [0]);
});

Deno.test("slow workers push back: what is on its way is bounded, and nothing stands still", async () => {
  // Every worker is slow towards every other: windows of one item, a merge, two exchanges in a row.
  for (const seed of [1, 2, 3]) {
    const random = new Random(seed);
    const noted: { worker: number; item: [string, number] }[] = [];
    const pause = () =>
      random.below(4) === 0 ? new Promise<void>((resolve) => setTimeout(resolve, 1)) : undefined;
    const source = new Dataflow("slow").input("in", numbers(() => 400, 3));
    const [even, odd] = source.branch((n) => n % 2 === 0);
    const flow = even.redistribute().merge(odd)
      .keyOn((n) => `x${n % 31}`)
      .statefulMap("running", () => 0, (sum: number, n) => [sum + n, n])
      .map(([, n]) => [`y${n % 17}`, n])
      .statefulFlatMap("again", () => 0, (sum: number, n) => [sum + 1, [n]])
      .capture(noting(noted, pause));
    const sent: SentFrame[] = [];
    let most = 0;
    await runWorkers(flow, 3, {
      epochMs: 5,
      window: { items: 1, bytes: 1 << 20 },
      onFrame: (frame) => sent.push(frame),
    });
    assertEquals(
      noted.map(({ item: [, n] }) => n).sort((a, b) => a - b),
      [0, 1, 2].flatMap((worker) => Array.from({ length: 400 }, (_, i) => worker * 1e6 + i)),
    );
    // With a window of one item, a channel never has more than one batch without credit.
    const open = new Map<string, number>();
    for (const { from, to, bytes } of sent) {
      const frame = decodeFrame(bytes);
      if (frame.kind === "batch") {
        const name = `${frame.exchange} ${from} ${to}`;
        open.set(name, (open.get(name) ?? 0) + 1);
        most = Math.max(most, open.get(name)!);
      } else if (frame.kind === "credit") {
        const name = `${frame.exchange} ${to} ${from}`;
        open.set(name, open.get(name)! - frame.batches);
      }
    }
    assertLessOrEqual(most, 1);
  }
});

Deno.test("a source stops reading when another worker does not keep up", async () => {
  let read = 0;
  const release = Promise.withResolvers<void>();
  const flow = new Dataflow("bounded")
    .input(
      "in",
      new ManualInputConfig<number>(function* (worker) {
        if (worker !== 0) return;
        for (let i = 0; i < 1_000_000; i++) {
          read++;
          yield [i, i];
        }
      }),
    )
    .redistribute()
    .capture(noting<number>([], (worker) => worker === 1 ? release.promise : undefined));
  const stop = Promise.withResolvers<void>();
  const running = runWorkers(flow, 2, {
    onRunning: (run) => void stop.promise.then(() => run.stop()),
  });
  for (let still = 0, before = -1; still < 200; before = read) {
    await new Promise((resolve) => setTimeout(resolve, 0)); // a turn of the event loop
    still = read === before ? still + 1 : 0;
  }
  // Nothing is known of how fast the other worker is: it gets a few items, and no windows full.
  assert(read > 0 && read < 1_000, `read ${read}`);
  stop.resolve();
  release.resolve();
  const { stopped } = await running;
  assertEquals(stopped, [true, true]);
});

Deno.test("an item that cannot be sent names the step it goes to, the item and what it is", async () => {
  class Order {
    total = 7;
  }
  const flow = new Dataflow("instances")
    .input("in", numbers(() => 10))
    .map((n) => [`k${n}`, { order: new Order() }])
    .reduceFinal("per-key", (_, newest) => newest)
    .capture(noting([]));
  const error = await assertRejects(() => runWorkers(flow, 2), StepError) as StepError;
  assertEquals(error.stepId, "per-key");
  assert(/Order/.test((error.cause as Error).message), String(error.cause));
  assert(/order: Order/.test(error.item!), error.item);
});

Deno.test("where values are combined they need not be sent; a partial result that cannot be is named", async () => {
  class Sum {
    total = 7;
  }
  const keyed = () =>
    new Dataflow("instances").input("in", numbers(() => 10))
      .map((n): [string, Sum] => [`k${n}`, new Sum()]);
  await runWorkers(keyed().countFinal("count").capture(noting([])), 2);
  const flow = keyed().foldFinal("sum", () => new Sum(), (sum) => sum, (sum) => sum)
    .capture(noting([]));
  const error = await assertRejects(() => runWorkers(flow, 2), StepError) as StepError;
  assertEquals(error.stepId, "sum");
  assert(/class instance Sum/.test((error.cause as Error).message), String(error.cause));
});

Deno.test("an error of a folder or merger names the step, whichever worker it is on", async () => {
  const keyed = () => new Dataflow("errors").input("in", numbers(() => 10)).keyOn(() => "one key");
  const fails = (n: number): number => {
    if (n % 1e6 === 7) throw new RangeError("seven is too many");
    return n;
  };
  const folding = keyed().foldFinal("sum", () => 0, (_, n) => fails(n), (a) => a)
    .capture(noting([]));
  const folded = await assertRejects(() => runWorkers(folding, 2), StepError) as StepError;
  assertEquals([folded.stepId, (folded.cause as Error).message], ["sum", "seven is too many"]);
  assert(/^\[ "one key", (100000)?7 \]$/.test(folded.item!), folded.item);
  const merging = keyed().foldFinal("merged", () => 0, (sum, n) => sum + n, () => fails(7))
    .capture(noting([]));
  const merged = await assertRejects(() => runWorkers(merging, 2), StepError) as StepError;
  assertEquals([merged.stepId, (merged.cause as Error).message], ["merged", "seven is too many"]);
  const promising = keyed().foldFinal(
    "promised",
    () => 0,
    (sum, n) => sum + n,
    (async () => await 1) as never,
  )
    .capture(noting([]));
  const promised = await assertRejects(() => runWorkers(promising, 2), StepError) as StepError;
  assert(/^the merger returned a promise/.test((promised.cause as Error).message));
});

Deno.test("an accumulator may be undefined, and a merger that gives nothing is an error", async () => {
  const items = Array.from({ length: 300 }, (_, i): [string, number] => [`k${i % 5}`, i]);
  /** The first values of a key until there have been three; nothing from then on. */
  const few = (
    merger?: (a: number[] | undefined, b: number[] | undefined) => number[] | undefined,
  ) => {
    const noted: { worker: number; item: [string, unknown] }[] = [];
    const flow = new Dataflow("few").input("in", numbers(() => items.length, 7))
      .map((n) => items[n % 1e6])
      .foldFinal(
        "few",
        (): number[] | undefined => [],
        (acc, n) => acc === undefined || acc.length > 2 ? undefined : [...acc, n],
        merger,
      )
      .capture(noting(noted));
    return { flow, results: () => new Map(noted.map(({ item }) => item)) };
  };
  const expected = new Map(["k0", "k1", "k2", "k3", "k4"].map((key) => [key, undefined]));
  const alone = few();
  await runWorkers(alone.flow, 1);
  assertEquals(alone.results(), expected);
  const apart = few();
  await runWorkers(apart.flow, 3);
  assertEquals(apart.results(), expected);
  const forgetful = few((a, b) => {
    a?.push(...b ?? []);
    return undefined;
  });
  const error = await assertRejects(() => runWorkers(forgetful.flow, 3), StepError) as StepError;
  assertEquals(error.stepId, "few");
  assertEquals(
    (error.cause as Error).message,
    "foldFinal's merger must return the accumulator of both; got undefined",
  );
});

Deno.test("a stop keeps state on all workers, also on those whose input had ended", async () => {
  const ended: string[] = [];
  const reached = Promise.withResolvers<void>();
  const flow = new Dataflow("stop")
    .input(
      "in",
      new ManualInputConfig<number>(async function* (worker) {
        for (let i = 0; worker === 1 || i < 10; i++) {
          if (worker === 1) await new Promise((resolve) => setTimeout(resolve, 0));
          if (i === 100) reached.resolve();
          yield [i, i];
        }
      }),
    )
    .keyOn((n) => `${n % 3}`)
    .stateful("keeps", () => ({
      onItem: () => {},
      onEnd: () => void ended.push("ended"),
      snapshot: () => 0,
    }))
    .capture(noting([]));
  const { stopped } = await runWorkers(flow, 2, {
    onRunning: (run) => void reached.promise.then(() => run.stop()),
  });
  assertEquals([stopped, ended], [[true, true], []]);
});
