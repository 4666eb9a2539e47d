/**
 * How the window steps combine the values of a window.
 *
 * @module
 */
import { isFlat, isObject, mayHold } from "../../core/value_copy.ts";
import type { WindowFold } from "../../windows/window_fold.ts";
import type { Windower } from "../../windows/windowers.ts";
import { type Compare, leadOf } from "../compare.ts";
import { createOwnState } from "../own_state.ts";
import { badResult, refusePromise } from "../../graph/results.ts";
import { requireFunction } from "../user_function.ts";

/**
 * Returns whether the accumulator may hold a value that was added to `before`, or the value may
 * hold the accumulator.
 */
function mayShare(acc: unknown, before: unknown, value: object): boolean {
  if (!isObject(acc)) return false;
  return !isFlat(acc) || (acc !== before && mayHold(value, acc));
}

/** Starts with the first value, or a copy of it; the last accumulator is the result. */
export function reduceFold<V>(reducer: (acc: V, value: V) => V): WindowFold<V, V, V> {
  requireFunction("reduceWindow's reducer", reducer);
  const own = createOwnState();
  return {
    first: own.begin,
    add: (acc, value) => {
      const reduced = reducer(acc, value);
      if (typeof reduced !== "object" || reduced === acc) return reduced;
      return own.keep("the reducer", reduced, value, acc);
    },
    merge: (earlier, later) => {
      const reduced = reducer(earlier, later);
      refusePromise("the reducer", reduced);
      return reduced;
    },
    mayShare,
    result: (acc) => acc,
  };
}

/** Folds from `build()`. */
export function customFold<V, A>(
  windower: Windower,
  build: () => A,
  folder: (acc: A, value: V) => A,
  merger?: (earlier: A, later: A) => A,
): WindowFold<V, A, A> {
  requireFunction("foldWindow's build", build);
  requireFunction("foldWindow's folder", folder);
  if (merger !== undefined) requireFunction("foldWindow's merger", merger);
  else if (windower?.overlap === "merge") {
    throw new TypeError(
      "foldWindow over sessions must be given a merger (earlier, later) => acc as its last argument: " +
        "two sessions become one when an item joins them",
    );
  }
  const own = createOwnState();
  const add = (acc: A, value: V): A => {
    const folded = folder(acc, value);
    if (typeof folded !== "object" || folded === acc) return folded;
    return own.keep("the folder", folded, value, acc);
  };
  const begin = () => own.begin(build());
  return {
    isPartible: merger !== undefined,
    begin,
    first: (value) => add(begin(), value),
    add,
    merge: (earlier, later) => {
      const merged = merger!(earlier, later);
      refusePromise("the merger", merged);
      // A merger that changes its first argument easily lacks a `return`.
      if (merged === undefined) badResult("foldWindow's merger", "the accumulator of both", merged);
      return merged;
    },
    mayShare,
    result: (acc) => acc,
  };
}

/** Counts values. */
export const countFold: WindowFold<unknown, number, number> = {
  isPartible: true,
  first: () => 1,
  add: (count) => count + 1,
  merge: (earlier, later) => earlier + later,
  result: (count) => count,
};

/** The best value of a window, and its time in milliseconds since the Unix epoch. */
interface Best<V> {
  /**
   * The name distinguishes it from a bare value, which snapshots of earlier versions held.
   */
  [AT]: number;
  value: V;
}

const AT = "millrace:at";

/**
 * Keeps the largest or smallest value, by the step's direction. Of equal values, the earliest
 * stays; of equal times, the first to arrive.
 */
export function extremeFold<V>(
  step: "maxWindow" | "minWindow",
  compare: Compare<V>,
): WindowFold<V, Best<V>, V> {
  const lead = leadOf(step, compare);
  return {
    isPartible: true,
    first: (value, time) => ({ [AT]: time, value }),
    add: (best, value, time) => {
      const ahead = lead(value, best.value);
      if (ahead > 0 || (ahead === 0 && time < best[AT])) {
        best.value = value;
        best[AT] = time;
      }
      return best;
    },
    merge: (earlier, later) => {
      const ahead = lead(later.value, earlier.value);
      return ahead > 0 || (ahead === 0 && later[AT] < earlier[AT]) ? later : earlier;
    },
    result: (best) => best.value,
    check: (best: Best<V> | null | undefined) => {
      if (typeof best === "object" && best !== null && typeof best[AT] === "number") return;
      throw new TypeError(
        `the snapshot of ${step} is of an earlier version, without the time of the best value: ` +
          `give the step another id to start over`,
      );
    },
  };
}

/** Values in their order of arrival, each with its time in milliseconds since the Unix epoch. */
interface Collected<V> {
  values: V[];
  times: number[];
}

/** Sorts all values by their time; values of equal times keep their order of arrival. */
export function collectFold<V>(): WindowFold<V, Collected<V>, V[]> {
  return {
    stateKind: "collected",
    first: (value, time) => ({ values: [value], times: [time] }),
    add: (acc, value, time) => {
      acc.values.push(value);
      acc.times.push(time);
      return acc;
    },
    merge: (earlier, later) => ({
      values: earlier.values.concat(later.values),
      times: earlier.times.concat(later.times),
    }),
    result: ({ values, times }) => {
      if (times.every((time, i) => i === 0 || times[i - 1] <= time)) return values;
      const order = Array.from(times.keys()).sort((a, b) => times[a] - times[b]);
      return order.map((i) => values[i]);
    },
  };
}
