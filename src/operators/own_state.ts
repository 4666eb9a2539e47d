/**
 * Keeps the state of a key apart from what the step takes and gives out, so that a user's function
 * may change it in place.
 *
 * @module
 */
import { createCopier, isFlat, isObject, mayHold } from "../core/value_copy.ts";
import { requireSync } from "./results.ts";

/**
 * What a step does so that nobody else has a part of its states. Each step has its own. For each
 * value, steps look in line at the type first, and call these only for an object that is not the
 * state as it was: a call takes 4 ns of 90, and a comparison of a state with a value, whatever those
 * are, 3 ns of 38.
 */
export interface OwnState {
  /**
   * A state to begin with, or one that is the value itself. What it is made from may be others'
   * too: one object for all keys, an item.
   */
  begin<S>(state: S): S;
  /**
   * A state that a user's function (`what`, such as `the folder`) returned for `value` and the state
   * `before`. It is a copy where it is the value, or where a key's first object is a part of the
   * value.
   *
   * @throws {TypeError} If it is a promise.
   */
  keep<S>(what: string, state: S, value: unknown, before: unknown): S;
  /** The same without the check for promises. */
  apart<S>(state: S, value: unknown, before: unknown): S;
  /** A copy of something that its maker may go on changing. */
  copy<W>(out: W): W;
  /** What to give out while `state` is kept: a copy where it may share an object with the state. */
  give<W>(out: W, state: unknown): W;
}

/** Makes that of a step. */
export function createOwnState(): OwnState {
  const copyOf = createCopier();
  // No copy of an empty array, the usual case: that is not worth a walk.
  const begin = <S>(state: S): S => isEmptyArray(state) ? [] as S : copyOf(state);
  const apart = <S>(state: S, value: unknown, before: unknown): S => {
    if (state as unknown === value) return begin(state);
    // A search for each new state would cost a function that makes one for each value over a tenth.
    if (isObject(before) || !isObject(state) || !isObject(value)) return state;
    return mayHold(value, state) ? begin(state) : state;
  };
  return {
    begin,
    keep: (what, state, value, before) => {
      requireSync(what, state);
      return apart(state, value, before);
    },
    apart,
    copy: copyOf,
    give: (out, state) => {
      if (!isObject(out) || !isObject(state)) return out;
      // Looking takes a fraction of the time that copying does.
      if (isFlat(state) && !mayHold(out, state)) return out;
      return copyOf(out);
    },
  };
}

function isEmptyArray(state: unknown): boolean {
  return Array.isArray(state) && state.length === 0 && state.constructor === Array;
}
