/**
 * Window steps of whole runs: several keys and workers, and stops, failures and resumes anywhere.
 */
import { assert, assertEquals } from "@std/assert";
import {
  Dataflow,
  EventClockConfig,
  type InputConfig,
  type Keyed,
  type OutputConfig,
  run,
  type WindowMetadata,
} from "../../../mod.ts";
import { Random } from "../../support/values/random.ts";
import { ExactOutput, numbers } from "../../support/recovery/resumable.ts";
import { TestClock } from "../../support/clock/test_clock.ts";
import { WatchedRecovery } from "../../support/recovery/watched_recovery.ts";
import { randomTimes, WINDOWER_KINDS, type WindowerCase } from "../../support/windows/cases.ts";
import { modelFold, modelOf, type ModelOutput } from "../../support/windows/model.ts";
import { runWorkers } from "../../support/runtime/workers.ts";

const ALONE = 100;
const RESUMED = 50;

/** All items of a key are in one partition, as workers have no common order. */
const PARTS = 4;

/**
 * A first run takes the step's watermark beyond all windows of the items. So what is late depends
 * on the keys' own watermarks, and not on how far the partitions are read beside one another.
 */
const AHEAD: readonly Keyed<Value>[] = Array.from(
  { length: PARTS },
  (_, part) => ["ahead", { id: -1 - part, time: 290 }],
);

type Value = { readonly id: number; readonly time: number };

interface RunCase {
  readonly items: readonly Keyed<Value>[];
  readonly wait: number;
  readonly batchSize: number;
  readonly windower: WindowerCase;
}

function randomCase(random: Random, make: (random: Random) => WindowerCase): RunCase {
  const count = 20 + random.below(200);
  const own = 1 + random.below(3); // keys of a partition
  const times = Array.from(
    { length: PARTS * own },
    () => randomTimes(random, count),
  );
  const items = Array.from({ length: count }, (_, id): Keyed<Value> => {
    const key = id % PARTS + PARTS * random.below(own);
    return [`k${key}`, { id, time: times[key].shift()! }];
  });
  return {
    items,
    wait: random.pick([0, 1, 5, 20, 100]),
    batchSize: 1 + random.below(40),
    windower: make(random),
  };
}

type Outputs = Record<"collected" | "folded" | "late", ExactOutput<Keyed<unknown>>>;

const outputs = (): Outputs => ({
  collected: new ExactOutput(),
  folded: new ExactOutput(),
  late: new ExactOutput(),
});

function build(
  { wait, windower: { windower } }: RunCase,
  items: readonly Keyed<Value>[],
  input: InputConfig<number>,
  { collected, folded, late }: Outputs,
): Dataflow<unknown> {
  const clock = new EventClockConfig<Value>({ getTime: ({ time }) => time, wait });
  const keyed = new Dataflow("windows").input("in", input).map((n) => items[n]);
  const collect = keyed.collectWindow("collect", clock, windower);
  collect.windows.capture("collected", collected as OutputConfig<unknown>);
  collect.late.capture("late", late as OutputConfig<unknown>);
  const { build, folder, merger } = modelFold;
  return keyed
    .foldWindow("fold", clock, windower, build, (acc, { id }) => folder(acc, id), merger)
    .windows.capture("folded", folded as OutputConfig<unknown>);
}

/** The model's result for each key, in order. */
function expected({ items, wait, windower: { model } }: RunCase) {
  const keys = Map.groupBy(items, ([key]) => key);
  const all = [...keys].map(([key, own]) =>
    [key, modelOf(own.map(([, value]) => value), model, wait)] as const
  );
  const windows = (of: (window: Extract<ModelOutput, { fold: string }>) => unknown) =>
    all.flatMap(([key, outputs]) =>
      outputs.flatMap((output) =>
        "late" in output ? [] : [[key, output.openAt, output.closeAt, of(output)]]
      )
    );
  return {
    collected: windows(({ ids }) => ids),
    folded: windows(({ fold }) => fold),
    late: all.flatMap(([key, outputs]) =>
      outputs.flatMap((output) => "late" in output ? [[key, output.late]] : [])
    ),
  };
}

/** What came out, key by key in the order of the case's, and each key in the order it came. */
function found({ items }: RunCase, { collected, folded, late }: Outputs) {
  const order = [...new Set(items.map(([key]) => key))];
  const byKey = (outputs: ExactOutput<Keyed<unknown>>) =>
    order.flatMap((key) => outputs.items.filter((item) => item[0] === key));
  const windows = (outputs: ExactOutput<Keyed<unknown>>, of: (result: unknown) => unknown) =>
    byKey(outputs).map(([key, window]) => {
      const [{ id, openAt, closeAt }, result] = window as [WindowMetadata, unknown];
      assertEquals(id, `${openAt.toISOString()}/${closeAt.toISOString()}`);
      return [key, openAt.getTime(), closeAt.getTime(), of(result)];
    });
  return {
    collected: windows(collected, (values) => (values as Value[]).map(({ id }) => id)),
    folded: windows(folded, (fold) => fold),
    late: byKey(late).map(([key, value]) => [key, (value as Value).id]),
  };
}

/** The order between workers, and between runs with other workers, is not fixed. */
function unordered(results: Record<string, unknown[][]>) {
  return Object.fromEntries(
    Object.entries(results).map((
      [name, rows],
    ) => [name, rows.map((row) => JSON.stringify(row)).sort()]),
  );
}

const about = ({ windower: { name }, wait, batchSize, items }: RunCase, seed: number) =>
  `seed ${seed}: ${name}, wait ${wait}, batches of ${batchSize}, ${JSON.stringify(items)}`;

for (const [kind, make] of Object.entries(WINDOWER_KINDS)) {
  Deno.test(`${ALONE} random runs with ${kind} windows come to what windows mean`, async () => {
    for (let seed = 0; seed < ALONE; seed++) {
      const random = new Random(seed);
      const each = randomCase(random, make);
      const out = outputs();
      const clock = new TestClock(1_000_000); // stands still: no time is quiet
      const flow = build(each, each.items, numbers(each.items.length, each.batchSize), out);
      await run(flow, { clock });
      assertEquals(found(each, out), expected(each), about(each, seed));
    }
  });

  Deno.test(`${RESUMED} random runs with ${kind} windows that end and resume anywhere, on 1 to 3 workers, come to the same`, async () => {
    let resumes = 0;
    for (let seed = 0; seed < RESUMED; seed++) {
      const random = new Random(1_000_000 + seed);
      const each = randomCase(random, make);
      const out = outputs();
      const recovery = new WatchedRecovery();
      const clock = new TestClock(1_000_000);
      const items = [...AHEAD, ...each.items];
      const count = items.length;
      const counts: number[] = [];
      const first = numbers(PARTS, each.batchSize, { parts: PARTS });
      await runWorkers(build(each, items, first, out), 1 + random.below(3), { recovery, clock });
      for (let left = 1 + random.below(4); left >= 0; left--) {
        const workers = 1 + random.below(3);
        counts.push(workers);
        const fails = left > 0 && random.below(3) > 0;
        const failAfter = fails ? 1 + random.below(count) : Infinity;
        const stopAfter = random.below(6);
        await runWorkers(
          build(each, items, numbers(count, each.batchSize, { parts: PARTS, failAfter }), out),
          workers,
          {
            recovery,
            clock,
            epochMs: 0,
            onRunning: (run) => {
              if (left === 0 || fails) return;
              setTimeout(() => run.stop(), stopAfter);
            },
          },
        ).catch((error) => assertEquals(error.stepId, "in", about(each, seed)));
        clock.advance(3_600_000); // nor does the time between runs count
        if (left > 0 && recovery.epoch !== null && recovery.epoch >= 0) resumes++;
      }
      assertEquals(
        unordered(found(each, out)),
        unordered(expected(each)),
        `workers ${counts}, ${about(each, seed)}`,
      );
    }
    assert(resumes > RESUMED / 2, `only ${resumes} runs had a snapshot`);
  });
}
