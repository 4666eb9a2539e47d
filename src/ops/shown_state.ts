/**
 * Answers about the state of keys.
 *
 * @module
 */
import type { StepId, WorkerIndex } from "../core/ids.ts";

/** A key with its state. */
export interface ShownKey {
  readonly key: string;
  readonly worker: WorkerIndex;
  /** The state in one line, shortened. */
  readonly text: string;
  /** The state as JSON; `null` if it cannot be shown. */
  readonly value: unknown;
  /** Why it cannot be shown; absent if it is. */
  readonly error?: string;
}

/** A page of a step's keys. */
export interface KeyPage {
  readonly step: StepId;
  readonly keys: readonly ShownKey[];
  /** Where the next page begins; `null` if this was the last. */
  readonly next: string | null;
}
