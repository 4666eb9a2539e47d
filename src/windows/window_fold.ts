/**
 * What a window makes of its values.
 *
 * @module
 */

/**
 * Combines the values of one window.
 *
 * @typeParam V The values.
 * @typeParam A The accumulator: plain data, which goes into snapshots. It may be changed in place.
 * @typeParam R The result.
 */
export interface WindowFold<V, A, R> {
  /** What the accumulator has beside values, where a store's contents are shown: their times. */
  readonly stateKind?: "collected" | "joined";
  /** The accumulator of a window's first value; `time` is in milliseconds since the Unix epoch. */
  first(value: V, time: number): A;
  /** Takes one more value. */
  add(acc: A, value: V, time: number): A;
  /** The accumulator of two windows that become one, the earlier one first. */
  merge(earlier: A, later: A): A;
  /**
   * The accumulator of a window without values, where there is one: `first` is this and `add`.
   * Without it, the first accumulator must share nothing with the value where `mayShare` is there.
   */
  begin?(): A;
  /**
   * Whether an accumulator, returned for a value and the accumulator `before`, may share an object
   * with the value, where a user's function may change it. Where this is there, each of the windows
   * that overlap gets a copy of its own. Without it, values are only read.
   */
  mayShare?(acc: A, before: A, value: V & object): boolean;
  /** What comes of the window when it closes. Without it, nothing does. */
  result?(acc: A): R;
  /** Throws where an accumulator in a snapshot cannot be gone on with. Without it, all can. */
  check?(acc: A): void;
  /** Asked after each value, where it is there: results that need not wait until the window closes. */
  early?(acc: A): readonly R[];
}
