/**
 * Joins the values of a window.
 *
 * @module
 */
import type { WindowFold } from "../../windows/window_fold.ts";
import { combine, requireStreams, type Sided, type SideValues } from "../join.ts";
import type { WindowClock } from "../../windows/clocks.ts";
import type { JoinMode } from "../join_options.ts";
import { requireClock } from "./window_logic.ts";

/** Returns the clock for values that carry the number of their side. */
export function sidedClock(name: string, clock: WindowClock<never>): WindowClock<Sided> {
  requireClock(name, clock);
  const { kind, waitMs, watermark, driftMs, retentionMs } = clock;
  return {
    kind,
    waitMs,
    watermark,
    driftMs,
    retentionMs,
    timeOf: ([, value]) => clock.timeOf(value as never),
  };
}

/**
 * The values of a window's sides that are still needed. Every mode can resume from the state of
 * another.
 */
interface TimedValues {
  /**
   * The newest of a side comes last. In a product others precede it, in no certain order.
   */
  readonly sides: SideValues;
  /**
   * The time of the newest of each side, in milliseconds since the Unix epoch; -Infinity without
   * one.
   */
  readonly newest: number[];
}

/** Returns the fold of a join of `count` streams. */
export function joinFold(
  mode: JoinMode,
  count: number,
): WindowFold<Sided, TimedValues, unknown[]> {
  // The rows of the last value: read at once, and not a part of the accumulator.
  let rows: unknown[][] = [];
  const emit = (row: unknown[]) => void rows.push(row);
  const hasAll = (sides: SideValues) => sides.every((side) => side.length > 0);
  const newestOf = ({ sides }: TimedValues) => sides.map((side) => side.at(-1));
  const none = (): TimedValues => ({
    sides: Array.from({ length: count }, () => []),
    newest: new Array(count).fill(-Infinity),
  });

  const add = (values: TimedValues, [side, value]: Sided, time: number): TimedValues => {
    const { sides, newest } = values;
    // Of equal times, the value that arrived later is the newer one.
    const isNewest = time >= newest[side];
    if (isNewest) newest[side] = time;
    if (mode === "product") {
      const lists = sides.with(side, [value]);
      if (hasAll(lists)) combine(lists, [], emit);
      if (isNewest) sides[side].push(value);
      else sides[side].splice(-1, 0, value);
      return values;
    }
    if (isNewest) sides[side] = [value];
    if (mode === "running") emit(newestOf(values));
    if (mode !== "complete" || !hasAll(sides)) return values;
    emit(newestOf(values));
    return none();
  };
  const merge = (earlier: TimedValues, later: TimedValues): TimedValues => {
    const isNewer = later.newest.map((time, side) => time >= earlier.newest[side]);
    const newest = isNewer.map((is, side) => is ? later.newest[side] : earlier.newest[side]);
    if (mode !== "product") {
      const sides = isNewer.map((is, side) => is ? later.sides[side] : earlier.sides[side]);
      return { sides, newest };
    }
    // Emits each combination once: those within one of the windows went out earlier.
    const choose = (lists: SideValues, from: TimedValues[]): void => {
      if (lists.length < count) {
        for (const window of [earlier, later]) {
          choose([...lists, window.sides[lists.length]], [...from, window]);
        }
      } else if (from.includes(earlier) && from.includes(later) && hasAll(lists)) {
        combine(lists, [], emit);
      }
    };
    choose([], []);
    const sides = isNewer.map((is, side) => {
      const [older, newer] = is ? [earlier, later] : [later, earlier];
      return [...older.sides[side], ...newer.sides[side]];
    });
    return { sides, newest };
  };
  const check = (values: TimedValues | SideValues) => {
    requireStreams(Array.isArray(values) ? values : values.sides, count);
    if (!Array.isArray(values)) return;
    throw new TypeError(
      "the snapshot of joinWindow is of an earlier version, without the times of values: " +
        "give the step another id to start over",
    );
  };
  const fold = {
    stateKind: "joined" as const,
    first: (value: Sided, time: number) => add(none(), value, time),
    add,
    merge,
    check,
  };
  if (mode === "final") return { ...fold, result: newestOf };
  return {
    ...fold,
    early: () => {
      const given = rows;
      rows = [];
      return given;
    },
  };
}
