/**
 * Joins the values of a window, side by side.
 *
 * @module
 */
import type { WindowFold } from "../../windows/window_fold.ts";
import { combine, requireStreams, type Sided, type SideValues } from "../join.ts";
import type { WindowClock } from "../../windows/clocks.ts";
import type { JoinMode } from "../join_options.ts";
import { requireClock } from "./window_logic.ts";

/** The clock of the values of all sides, once they have the numbers of their sides with them. */
export function sidedClock(name: string, clock: WindowClock<never>): WindowClock<Sided> {
  requireClock(name, clock);
  const { kind, waitMs, retentionMs } = clock;
  return { kind, waitMs, retentionMs, timeOf: ([, value]) => clock.timeOf(value as never) };
}

/** The fold of a join of `count` streams. */
export function joinFold(
  mode: JoinMode,
  count: number,
): WindowFold<Sided, SideValues, unknown[]> {
  // What the last value gave: it is asked for at once, and is no part of the accumulator.
  let rows: unknown[][] = [];
  const emit = (row: unknown[]) => void rows.push(row);
  const hasAll = (values: SideValues) => values.every((side) => side.length > 0);
  const newest = (values: SideValues) => values.map((side) => side.at(-1));

  const add = (values: SideValues, [side, value]: Sided): SideValues => {
    if (mode === "product") {
      const lists = values.with(side, [value]);
      if (hasAll(lists)) combine(lists, [], emit);
      values[side].push(value);
      return values;
    }
    values[side] = [value];
    if (mode === "running") emit(newest(values));
    if (mode !== "complete" || !hasAll(values)) return values;
    emit(newest(values));
    return values.map(() => []);
  };
  const merge = (earlier: SideValues, later: SideValues): SideValues => {
    if (mode !== "product") {
      return later.map((side, i) => side.length > 0 ? side : earlier[i]);
    }
    // Each combination once: those within one of the windows have gone out already.
    const choose = (lists: SideValues, from: SideValues[], side: number): void => {
      if (side < count) {
        for (const window of [earlier, later]) {
          choose([...lists, window[side]], [...from, window], side + 1);
        }
      } else if (from.includes(earlier) && from.includes(later) && hasAll(lists)) {
        combine(lists, [], emit);
      }
    };
    choose([], [], 0);
    return earlier.map((side, i) => [...side, ...later[i]]);
  };
  const fold = {
    first: (value: Sided) => add(Array.from({ length: count }, () => []), value),
    add,
    merge,
    check: (values: SideValues) => requireStreams(values, count),
  };
  if (mode === "final") return { ...fold, result: newest };
  return {
    ...fold,
    early: () => {
      const given = rows;
      rows = [];
      return given;
    },
  };
}
