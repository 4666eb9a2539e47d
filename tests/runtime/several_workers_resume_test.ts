/** Runs on several workers of one process end anywhere, and go on with other numbers of workers. */
import { assert, assertEquals } from "@std/assert";
import { Dataflow, type InputConfig, type OutputConfig, run } from "../../mod.ts";
import { keyGroupOf, ownersOf } from "../../src/core/key_groups.ts";
import { Random } from "../support/values/random.ts";
import { ExactOutput, numbers } from "../support/recovery/resumable.ts";
import { WatchedRecovery } from "../support/recovery/watched_recovery.ts";
import { runWorkers } from "../support/runtime/workers.ts";

/** Keyed state, two exchanges, a merge and mapAsync: no result depends on the order of workers. */
function build(input: InputConfig<number>, output: OutputConfig<unknown>): Dataflow<unknown> {
  const source = new Dataflow("resumed").input("in", input);
  const [even, odd] = source.branch((n) => n % 2 === 0);
  const later = even.mapAsync(async (n) => {
    await Promise.resolve();
    return n;
  }, { concurrency: 3 });
  return later.redistribute().merge(odd)
    .keyOn((n) => `a${n % 13}`)
    .statefulMap("seen", () => 0, (seen: number, n) => n % 11 === 10 ? [null, n] : [seen + 1, n])
    .map(([, n]) => [`b${n % 7}`, n])
    .reduceFinal("sums", (a, b) => a + b)
    .capture("out", output);
}

const sorted = (items: unknown[]) => items.map((item) => JSON.stringify(item)).sort();

Deno.test("a run with 1, 3, 2 and 1 workers, each of which fails, comes to the same end", async () => {
  let resumes = 0;
  for (let seed = 0; seed < 20; seed++) {
    const random = new Random(seed);
    const count = 300 + random.below(1_500);
    const batchSize = 1 + random.below(40);
    const expected = new ExactOutput<unknown>();
    await run(build(numbers(count, batchSize), expected));
    const recovery = new WatchedRecovery();
    const output = new ExactOutput<unknown>();
    const parts = 5;
    for (const workers of [1, 3, 2, 1]) {
      const failAfter = 1 + random.below(count / 3);
      const flow = build(numbers(count, batchSize, { parts, failAfter }), output);
      await runWorkers(flow, workers, { recovery, epochMs: 0 }).catch((error) =>
        assertEquals(error.stepId, "in")
      );
      if (recovery.epoch !== null) resumes++;
    }
    await runWorkers(build(numbers(count, batchSize, { parts }), output), 2, { recovery });
    assertEquals(sorted(output.items), sorted(expected.items), `seed ${seed}`);
  }
  assert(resumes > 40, `only ${resumes} runs had a snapshot`);
});

Deno.test("state comes back to the worker that owns its key", async () => {
  const recovery = new WatchedRecovery();
  const flow = (count: number, output: OutputConfig<unknown>) =>
    new Dataflow("owners").input("in", numbers(count, 10, { parts: 4 }))
      .keyOn((n) => `k${n % 50}`)
      .statefulMap("count", () => 0, (seen: number) => [seen + 1, seen + 1])
      .capture("out", output);
  await runWorkers(flow(100, new ExactOutput()), 2, { recovery });
  const written: [worker: number, key: string, count: number][] = [];
  const output: OutputConfig<unknown> = {
    open: ({ workerIndex }) =>
      Promise.resolve({
        write: (batch) => {
          for (const [key, count] of batch as [string, number][]) {
            written.push([workerIndex, key, count]);
          }
        },
        prepare: () => Promise.resolve(new Map()),
        close: () => Promise.resolve(),
      }),
  };
  await runWorkers(flow(150, output), 3, { recovery });
  const owners = ownersOf(3);
  assertEquals(written.length, 50);
  for (const [worker, key, count] of written) {
    assertEquals([worker, count], [owners[keyGroupOf(key)], 3]);
  }
});
