import type { WorkerIndex } from "../../core/ids.ts";

/** The steps of a flow as a worker has loaded it. */
export interface LoadedSteps {
  readonly worker: WorkerIndex;
  /** Each step with what is upstream of it, as text. */
  readonly steps: readonly string[];
}

/**
 * Makes sure that all workers have loaded the same flow.
 *
 * @throws {Error} If one differs from the first: it says where.
 */
export function requireSameFlow([first, ...others]: readonly LoadedSteps[]): void {
  for (const { worker, steps } of others) {
    const difference = differenceOf(first.steps, steps);
    if (difference === null) continue;
    throw new Error(
      `worker ${worker} has another flow than worker ${first.worker}: ${difference}. The flow must ` +
        `be the same on every worker, so it must not depend on time, chance, or the worker`,
    );
  }
}

/** The first step that differs, in words; `null` where none does. */
function differenceOf(first: readonly string[], other: readonly string[]): string | null {
  for (let i = 0; i < Math.max(first.length, other.length); i++) {
    if (first[i] !== other[i]) {
      return `it has ${other[i] ?? "no step"} in place of ${first[i] ?? "none"}`;
    }
  }
  return null;
}
