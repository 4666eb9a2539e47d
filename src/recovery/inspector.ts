/**
 * The contract of what shows the contents of a store.
 *
 * @module
 */
import type { Epoch, StepId } from "../core/ids.ts";
import type { StoredKey, StoredPosition, StoredStep } from "./store.ts";

/**
 * The step and the keys whose states will be asked for. A store that is read as a whole keeps only
 * these.
 */
export type WantedStates =
  | { readonly step: StepId; readonly keys: readonly string[] }
  /** The first keys by UTF-16 code units. */
  | { readonly step: StepId; readonly first: number };

/** Shows what a store holds. It never changes anything, and never delays a run. */
export interface StoreInspector extends Disposable {
  /** The flow that the store belongs to. */
  readonly flow: string;
  /** The last committed epoch; `null` if nothing has been committed. */
  readonly epoch: Epoch | null;
  /** When it was committed. */
  readonly committedAt: Date | null;
  /** The steps that have keyed state. */
  steps(): readonly StoredStep[];
  /** The positions of inputs and outputs, and notes. */
  positions(): readonly StoredPosition[];
  /** Returns wanted keys of a step and their states: the first ones by UTF-16 code units. */
  keys(step: StepId, limit: number): readonly StoredKey[];
  /** Returns the state of a wanted key; `undefined` if it has none. */
  get(step: StepId, key: string): Uint8Array | undefined;
}

/** Returns the first keys by UTF-16 code units. */
export function firstKeys(keys: readonly StoredKey[], limit: number): readonly StoredKey[] {
  return keys.toSorted((a, b) => a.key < b.key ? -1 : 1).slice(0, limit);
}
