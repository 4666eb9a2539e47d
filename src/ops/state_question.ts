/**
 * Questions about the state of keys while a flow runs, and their answers.
 *
 * @module
 */
import type { StepId } from "../core/ids.ts";

/** What can be asked. */
export type StateQuestion =
  /** How many keys each step has. */
  | { readonly kind: "steps" }
  /** The state of a key. */
  | { readonly kind: "key"; readonly step: StepId; readonly key: string }
  /** Some keys of a step with their states, in the order in which they came. */
  | {
    readonly kind: "keys";
    readonly step: StepId;
    /** How many to leave out first. */
    readonly from: number;
    readonly count: number;
  };

/** The answer: what was asked for, as far as it is there. */
export interface StateAnswer {
  readonly steps: readonly { readonly step: StepId; readonly keys: number }[];
  readonly states: readonly KeyState[];
  /** Whether the answer would have been too large, and has fewer keys than there are. */
  readonly isCut?: boolean;
}

/** The state of a key. */
export type KeyState = {
  readonly key: string;
  /** As `core/value_codec.ts` writes it. */
  readonly state: Uint8Array;
} | {
  readonly key: string;
  /** Why its state cannot be shown. */
  readonly error: string;
};
