/**
 * Keeps the state of a key apart from what the step takes and gives out, so that a user's function
 * may change it in place.
 *
 * @module
 */
import { createCopier, isFlat, isObject, mayHold } from "../core/value_copy.ts";

/** What a step does so that nobody else has a part of its states. Each step has its own. */
export interface OwnState {
  /**
   * A state to begin with. What it is made from may be others' too: one object for all keys, an
   * item.
   */
  begin<S>(state: S): S;
  /** The state after a value: a copy where it is the value itself, which is others' too. */
  keep<S>(state: S, value: unknown): S;
  /** What to give out while `state` is kept: a copy where it may share an object with the state. */
  give<W>(out: W, state: unknown): W;
}

/** Makes that of a step. */
export function createOwnState(): OwnState {
  const copyOf = createCopier();
  return {
    begin: copyOf,
    keep: (state, value) =>
      typeof state === "object" && state as unknown === value ? copyOf(state) : state,
    give: (out, state) => {
      if (!isObject(out) || !isObject(state)) return out;
      // Looking takes a fraction of the time that copying does.
      if (isFlat(state) && !mayHold(out, state)) return out;
      return copyOf(out);
    },
  };
}
