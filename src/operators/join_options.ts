/**
 * What a join is given: its sides, its mode, and the rows that come of them.
 *
 * @module
 */
import { requireOptions } from "../core/options.ts";
import { preview } from "../core/preview.ts";
import { type FLOW_BRAND, type KeyedBrand, positionOf } from "../graph/graph.ts";
import type { StateOptions } from "./ttl.ts";

/**
 * When a join gives rows, and which.
 *
 * - `"complete"`: one row once every side has a value, with the newest of each; then the key is forgotten.
 * - `"final"`: one row a key when the input ends, with the newest value of each side; `undefined` where a
 *   side has none.
 * - `"running"`: a row at every value, with the newest of each side so far; `undefined` where a side has
 *   none.
 * - `"product"`: every combination of values once, at the last value that it needs. Each key keeps all its
 *   values.
 */
export type JoinMode = "complete" | "final" | "running" | "product";

/** How a join works. */
export interface JoinOptions<M extends JoinMode = JoinMode> extends StateOptions {
  /**
   * When there are rows, and which.
   *
   * @default {"complete"}
   */
  readonly mode?: M;
}

/** How a join within windows works. */
export interface JoinWindowOptions<M extends JoinMode = JoinMode> {
  /**
   * When there are rows, and which; what goes for a key there, goes for a window here. `"final"`
   * rows come when the window closes, others as soon as they can. After a `"complete"` row the
   * window begins anew. The newest value of a side is that of the latest time, by the clock; of
   * equal times, the last that came.
   *
   * @default {"final"}
   */
  readonly mode?: M;
}

/** The type of the values of a join's sides. */
export type JoinSideValue<S extends JoinSides> = S extends JoinSide<infer A> ? A
  : S extends readonly JoinSide<infer A>[] ? A
  : never;

/** A keyed stream, as a side of a join: any handle on one. */
export interface JoinSide<out V = unknown> {
  /** Marks the handle. */
  readonly [FLOW_BRAND]: KeyedBrand<V>;
}

/**
 * What a stream is joined with: one other stream, or several. The compiler takes a stream that is no
 * side for a list, so a list asks the same of a brand: then its error says what to do, too.
 */
export type JoinSides =
  | JoinSide
  | (
    & { readonly [FLOW_BRAND]?: KeyedBrand<unknown> }
    & (readonly [JoinSide, ...JoinSide[]] | readonly JoinSide[])
  );

/** A value in a row of a join: where a side may have none, it may be `undefined`. */
export type JoinValue<V, M extends JoinMode> = M extends "complete" | "product" ? V : V | undefined;

/** The values of a join's sides in a row, in a tuple. */
export type JoinValues<S extends JoinSides, M extends JoinMode> = S extends JoinSide<infer A>
  ? [JoinValue<A, M>]
  : S extends readonly JoinSide[]
    ? { -readonly [I in keyof S]: S[I] extends JoinSide<infer A> ? JoinValue<A, M> : never }
  : never;

/** A row of a join: the value of the stream that it was called on, and one of each side. */
export type JoinRow<V, S extends JoinSides, M extends JoinMode> = [
  JoinValue<V, M>,
  ...JoinValues<S, M>,
];

const MODES: readonly JoinMode[] = ["complete", "final", "running", "product"];

/** What a join is called by. */
export type JoinMethod = "join" | "joinWindow";

/**
 * The streams that a join is given, as a list.
 *
 * @throws {TypeError} If there are none, or if one is no stream.
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
 * The mode that the options give, or else the `usual` one.
 *
 * @throws {TypeError} If they are no options of a join, or have others than those `known`.
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
