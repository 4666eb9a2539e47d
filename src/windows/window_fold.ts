/**
 * How a window combines its values.
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
  /** What the accumulator holds besides values, for tools that show a store: their times. */
  readonly stateKind?: "collected" | "joined";
  /**
   * Returns the accumulator of a window's first value; `time` is in milliseconds since the Unix
   * epoch.
   */
  first(value: V, time: number): A;
  /** Adds one more value. */
  add(acc: A, value: V, time: number): A;
  /**
   * Whether values may be combined in parts, and the parts merged: the result is that of all values
   * in the order of the parts.
   */
  readonly isPartible?: boolean;
  /** Merges the accumulators of two windows, the earlier one first. */
  merge(earlier: A, later: A): A;
  /**
   * Returns the accumulator of an empty window; then `first` equals this and `add`. Without it, and
   * with `mayShare`, the first accumulator must share nothing with the value.
   */
  begin?(): A;
  /**
   * Returns whether an accumulator, made from a value and the accumulator `before`, may share an
   * object with the value. Needed where a user's function may change that object: overlapping
   * windows then get copies of their own. Without it, values are only read.
   */
  mayShare?(acc: A, before: A, value: V & object): boolean;
  /** Returns the result when the window closes. Without it, the window emits nothing then. */
  result?(acc: A): R;
  /** Throws if an accumulator from a snapshot cannot be resumed. Without it, all can. */
  check?(acc: A): void;
  /** Returns early results; called after each value, if present. */
  early?(acc: A): readonly R[];
}
