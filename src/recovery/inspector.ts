/**
 * A look into a store: the contract of what shows one.
 *
 * @module
 */
import type { Epoch, StepId } from "../core/ids.ts";
import type { StoredKey, StoredPosition, StoredStep } from "./store.ts";

/** Whose states will be asked for, of one step: only these are kept where a store is read whole. */
export type WantedStates =
  | { readonly step: StepId; readonly keys: readonly string[] }
  /** The first keys by UTF-16 code units. */
  | { readonly step: StepId; readonly first: number };

/** Shows what a store holds. It never changes anything, and holds up no run. */
export interface StoreInspector extends Disposable {
  /** The flow that the store belongs to. */
  readonly flow: string;
  /** The last committed epoch; `null` where nothing has been committed. */
  readonly epoch: Epoch | null;
  /** When it was committed. */
  readonly committedAt: Date | null;
  /** The steps that have keyed state. */
  steps(): readonly StoredStep[];
  /** How far inputs and outputs have come, and notes. */
  positions(): readonly StoredPosition[];
  /** Keys of a step and their states: the first ones by UTF-16 code units, of those that are wanted. */
  keys(step: StepId, limit: number): readonly StoredKey[];
  /** The state of a key that is wanted, if it has one. */
  get(step: StepId, key: string): Uint8Array | undefined;
}

/** The first keys by UTF-16 code units. */
export function firstKeys(keys: readonly StoredKey[], limit: number): readonly StoredKey[] {
  return keys.toSorted((a, b) => a.key < b.key ? -1 : 1).slice(0, limit);
}
