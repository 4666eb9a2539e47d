import type { InputConfig, InputReader, Place, Positions } from "../../../src/graph/contracts.ts";
import { testPlace } from "./test_place.ts";

/**
 * Opens an input on all workers as the engine does. It is planned once, and each worker gets the
 * plan as JSON.
 */
export async function openOnAll<T>(
  input: InputConfig<T>,
  workerCount: number,
  resume: Positions = new Map(),
  at: Place = testPlace(),
): Promise<InputReader<T>[]> {
  const plan = await input.plan?.({ ...at, workerCount }, resume);
  const sent = plan === undefined ? undefined : JSON.stringify(plan);
  return await Promise.all(Array.from({ length: workerCount }, (_, workerIndex) => {
    const own = sent === undefined ? undefined : JSON.parse(sent);
    return input.open({ ...at, workerIndex, workerCount, plan: own }, resume);
  }));
}

/** Opens an input on its only worker, as the engine does. */
export async function openAlone<T>(
  input: InputConfig<T>,
  resume: Positions = new Map(),
  at: Place = testPlace(),
): Promise<InputReader<T>> {
  const [reader] = await openOnAll(input, 1, resume, at);
  return reader;
}
