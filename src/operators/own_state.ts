/**
 * Makes sure that nobody else holds a part of a key's state, so that a user's function may change
 * it in place.
 *
 * @module
 */
import { createCopier, isFlat, isObject, mayHold } from "../core/value_copy.ts";
import { refusePromise } from "../graph/results.ts";

/**
 * Copies what a step's state would share with others. Each step has its own instance. Steps first
 * test the type inline. They call these methods only for an object that is not the same state as
 * before. A call takes 4 ns of 90 an item, and comparing a state with a value 3 ns of 38.
 */
export interface OwnState {
  /**
   * Returns a state to begin with, or one that is the value itself. It copies, as others may hold
   * the original: `build` may return one object for all keys, and items are shared.
   */
  begin<S>(state: S): S;
  /**
   * Returns the state that a user's function (`what`, such as `the folder`) made from `value` and
   * the state `before`. It copies a state that is the value, or a key's first object if that is a
   * part of the value.
   *
   * @throws {TypeError} If it is a promise.
   */
  keep<S>(what: string, state: S, value: unknown, before: unknown): S;
  /** The same without the check for promises. */
  apart<S>(state: S, value: unknown, before: unknown): S;
  /** Returns a copy of something that its maker may still change. */
  copy<W>(out: W): W;
  /**
   * Returns what to emit while `state` is kept: a copy if it may share an object with the state.
   */
  give<W>(out: W, state: unknown): W;
}

/** Creates the instance of a step. */
export function createOwnState(): OwnState {
  const copyOf = createCopier();
  // An empty array, the usual case, needs no walk through it.
  const begin = <S>(state: S): S => isEmptyArray(state) ? [] as S : copyOf(state);
  const apart = <S>(state: S, value: unknown, before: unknown): S => {
    if (state as unknown === value) return begin(state);
    // Searching each new state would cost a tenth where a function makes one for every value.
    if (isObject(before) || !isObject(state) || !isObject(value)) return state;
    return mayHold(value, state) ? begin(state) : state;
  };
  return {
    begin,
    keep: (what, state, value, before) => {
      refusePromise(what, state);
      return apart(state, value, before);
    },
    apart,
    copy: copyOf,
    give: (out, state) => {
      if (!isObject(out) || !isObject(state)) return out;
      // Searching takes a fraction of the time of copying.
      if (isFlat(state) && !mayHold(out, state)) return out;
      return copyOf(out);
    },
  };
}

function isEmptyArray(state: unknown): boolean {
  return Array.isArray(state) && state.length === 0 && state.constructor === Array;
}
