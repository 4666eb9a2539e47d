/**
 * Errors of steps, with what is known about them.
 *
 * @module
 */
import { isItemError, StepError } from "../core/errors.ts";
import type { StepId, WorkerIndex } from "../core/ids.ts";
import { preview } from "../core/preview.ts";

/** The error of a step out of what it threw. An `ItemError` gives its item and cause. */
export function stepError(
  { stepId }: { stepId: StepId },
  { workerIndex: worker }: { workerIndex: WorkerIndex },
  thrown: unknown,
): StepError {
  if (thrown instanceof StepError) return thrown;
  if (isItemError(thrown)) {
    return new StepError({ stepId, worker, item: preview(thrown.item) }, thrown.cause);
  }
  return new StepError({ stepId, worker }, thrown);
}
