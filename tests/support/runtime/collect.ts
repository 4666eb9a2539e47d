import { assertEquals, assertRejects } from "@std/assert";
import {
  Dataflow,
  type Keyed,
  run,
  StepError,
  TestingInputConfig,
  TestingOutputConfig,
} from "../../../mod.ts";

/** Batch sizes that show what depends on batches. */
export const BATCH_SIZES: readonly number[] = [1, 2, 1024];

/** The output of `steps` for `items`, which must be the same with batches of any size. */
export async function collect<T, U>(
  items: readonly T[],
  steps: (items: Dataflow<T>) => Dataflow<U>,
): Promise<U[]> {
  const results = await Promise.all(BATCH_SIZES.map(async (batchSize) => {
    const out: U[] = [];
    await run(
      steps(new Dataflow("collect").input("in", new TestingInputConfig(items, { batchSize })))
        .capture(new TestingOutputConfig(out)),
    );
    return out;
  }));
  for (const result of results.slice(1)) assertEquals(result, results[0]);
  return results[0];
}

/** The error of `steps` for `items`, with batches of any size. */
export async function failure<T, U>(
  items: readonly T[],
  steps: (items: Dataflow<T>) => Dataflow<U>,
): Promise<Failure> {
  const failures = await Promise.all(BATCH_SIZES.map(async (batchSize) => {
    const flow = steps(
      new Dataflow("failure").input("in", new TestingInputConfig(items, { batchSize })),
    ).capture(new TestingOutputConfig<U>([]));
    const { stepId, item, cause } = await assertRejects(() => run(flow), StepError) as StepError;
    const { name, message } = cause as Error;
    return { stepId, item, error: `${name}: ${message}` };
  }));
  for (const other of failures.slice(1)) assertEquals(other, failures[0]);
  return failures[0];
}

/** The text of a failure. */
export interface Failure {
  readonly stepId: string;
  readonly item: string | undefined;
  readonly error: string;
}

/** Pairs, for steps that need a key. */
export function pairs<V>(...items: Keyed<V>[]): Keyed<V>[] {
  return items;
}

/** A function with the wrong type, as a user's mistake. */
export function mistaken<F>(f: unknown): F {
  return f as F;
}
