/**
 * The options of joins: sides, mode, and the type of their rows.
 *
 * @module
 */
import { requireOptions } from "../core/options.ts";
import { preview } from "../core/preview.ts";
import { type FLOW_BRAND, type KeyedBrand, positionOf } from "../graph/graph.ts";
import type { StateOptions } from "./ttl.ts";

/**
 * When a join emits rows, and which.
 *
 * - `"complete"`: one row once every side has a value, with the newest of each. The key is then
 *   forgotten.
 * - `"final"`: one row a key when the input ends, with the newest value of each side, `undefined`
 *   for a side without one.
 * - `"running"`: a row at every value, with the newest of each side so far, `undefined` for a side
 *   without one.
 * - `"product"`: every combination of values once, when its last value arrives. Each key keeps all
 *   its values.
 */
export type JoinMode = "complete" | "final" | "running" | "product";

/** Options of `join`. */
export interface JoinOptions<M extends JoinMode = JoinMode> extends StateOptions {
  /**
   * When rows are emitted, and which.
   *
   * @default {"complete"}
   */
  readonly mode?: M;
}

/** Options of `joinWindow`. */
export interface JoinWindowOptions<M extends JoinMode = JoinMode> {
  /**
   * When rows are emitted, and which. Each mode does for a window what it does for a key in `join`.
   * `"final"` rows come when the window closes, others as soon as they can. After a `"complete"`
   * row the window starts over. The newest value of a side is the one with the latest time; of
   * equal times, the last to arrive.
   *
   * @default {"final"}
   */
  readonly mode?: M;
}

/** The type of the values of a join's sides. */
export type JoinSideValue<S extends JoinSides> = S extends JoinSide<infer A> ? A
  : S extends readonly JoinSide<infer A>[] ? A
  : never;

/** A side of a join: any handle on a keyed stream. */
export interface JoinSide<out V = unknown> {
  /** Marks the handle. */
  readonly [FLOW_BRAND]: KeyedBrand<V>;
}

/**
 * What a stream is joined with: one other stream, or several. The compiler takes an unkeyed stream
 * for a list. So the list has the brand too: then the error names the cure.
 */
export type JoinSides =
  | JoinSide
  | (
    & { readonly [FLOW_BRAND]?: KeyedBrand<unknown> }
    & (readonly [JoinSide, ...JoinSide[]] | readonly JoinSide[])
  );

/** A value in a row of a join: `undefined` is possible if a side may have none. */
export type JoinValue<V, M extends JoinMode> = M extends "complete" | "product" ? V : V | undefined;

/** The values of a join's sides in a row, as a tuple. */
export type JoinValues<S extends JoinSides, M extends JoinMode> = S extends JoinSide<infer A>
  ? [JoinValue<A, M>]
  : S extends readonly JoinSide[]
    ? { -readonly [I in keyof S]: S[I] extends JoinSide<infer A> ? JoinValue<A, M> : never }
  : never;

/** A row of a join: the value of the stream that `join` was called on, then one for each side. */
export type JoinRow<V, S extends JoinSides, M extends JoinMode> = [
  JoinValue<V, M>,
  ...JoinValues<S, M>,
];

const MODES: readonly JoinMode[] = ["complete", "final", "running", "product"];

/** The method that a join was called with. */
export type JoinMethod = "join" | "joinWindow";

/**
 * Returns the sides of a join as a list.
 *
 * @throws {TypeError} If the list is empty, or a side is not a stream.
 */
export function joinSides(
  method: JoinMethod,
  stepId: string,
  sides: JoinSides,
): readonly JoinSide[] {
  const list: readonly JoinSide[] = Array.isArray(sides) ? sides : [sides];
  const step = `${method} "${stepId}"`;
  const before = method === "join" ? "" : "clock, windower, ";
  const example = `such as orders.${method}("${stepId}", ${before}[payments, refunds])`;
  if (list.length === 0) {
    throw new TypeError(`${step} needs a keyed stream to join with, ${example}`);
  }
  for (const side of list) {
    if (positionOf(side) === null) {
      throw new TypeError(
        `${step} needs a keyed stream, or an array of them, ${example}; got ${preview(side)}`,
      );
    }
  }
  return list;
}

/**
 * Returns the mode from the options, or else the `usual` one.
 *
 * @throws {TypeError} If they are not options of a join, or have names other than those `known`.
 */
export function joinMode(
  step: string,
  options: JoinOptions,
  usual: JoinMode,
  known: readonly string[],
): JoinMode {
  requireOptions(step, options, known);
  const { mode = usual } = options;
  if (!MODES.includes(mode)) {
    throw new TypeError(
      `mode of ${step} must be one of ${MODES.map((each) => `"${each}"`).join(", ")}; ` +
        `got ${preview(mode)}`,
    );
  }
  return mode;
}
