/**
 * Shows the state of a key as people read it: times as dates, windows by their bounds.
 *
 * @module
 */
import { preview } from "../core/preview.ts";
import type { StateKind } from "../graph/nodes.ts";

/** A state as text. */
export interface StateText {
  /** On one line, shortened. */
  readonly line: string;
  /** The whole value. */
  readonly whole: unknown;
}

/** When the last value of a key with a ttl came: `operators/ttl.ts` wraps the state in it. */
const TOUCHED = "millrace:touched";

/** The time of the best value of a window: `operators/windows/window_folds.ts`. */
const AT = "millrace:at";

/**
 * Makes a state readable.
 *
 * @param kind The kind of state that the store has noted; `null` for a user's own state.
 */
export function stateText(kind: StateKind | null, state: unknown): StateText {
  if (isObject(state) && TOUCHED in state && "state" in state) {
    const { line, whole } = stateText(kind, state.state);
    const lastValue = timeOf(state[TOUCHED]);
    return { line: `${line} (last value ${shown(lastValue)})`, whole: { lastValue, state: whole } };
  }
  const readable = kind === null ? null : READERS[kind](state);
  return readable ?? { line: preview(state), whole: state };
}

/**
 * By kind. A reader returns `null` if a state does not have the expected form; it is then shown as
 * is.
 */
const READERS: Readonly<Record<StateKind, (state: unknown) => StateText | null>> = {
  windows: (state) => windowsText(state, bestOf),
  collected: (state) => windowsText(state, collectedOf),
  joined: (state) => windowsText(state, joinedOf),
  batch: (state) => {
    if (!isObject(state) || !Array.isArray(state.values)) return null;
    const { values } = state;
    const since = timeOf(state.since);
    return { line: `${preview(values)} since ${shown(since)}`, whole: { since, values } };
  },
  passed: (state) => {
    const passed = timeOf(state);
    return { line: `let through ${shown(passed)}`, whole: { letThrough: passed } };
  },
};

/** A key of a window step: see `operators/windows/window_logic.ts`. */
function windowsText(state: unknown, valueOf: (acc: unknown) => unknown): StateText | null {
  if (!Array.isArray(state) || (state.length % 3 !== 1 && state.length !== 2)) return null;
  const [mark, ...rest] = state as unknown[];
  const watermark = mark === null ? {} : { watermark: timeOf(mark) };
  const suffix = mark === null ? "" : ` (watermark ${shown(timeOf(mark))})`;
  if (state.length === 2) {
    const forgotten = timeOf(rest[0]);
    return {
      line: `no open window, forgotten ${shown(forgotten)}${suffix}`,
      whole: { ...watermark, windows: [], forgotten },
    };
  }
  const windows = [];
  for (let i = 0; i < rest.length; i += 3) {
    const [from, to] = [timeOf(rest[i]), timeOf(rest[i + 1])];
    windows.push({ from, to, value: valueOf(rest[i + 2]) });
  }
  const lines = windows.map(({ from, to, value }) =>
    `${shown(from)} to ${shown(to)}: ${preview(value)}`
  );
  return { line: lines.join("; ") + suffix, whole: { ...watermark, windows } };
}

function bestOf(acc: unknown): unknown {
  return isObject(acc) && AT in acc && "value" in acc
    ? { value: acc.value, time: timeOf(acc[AT]) }
    : acc;
}

function collectedOf(acc: unknown): unknown {
  if (!isObject(acc) || !Array.isArray(acc.values) || !Array.isArray(acc.times)) return acc;
  const { times } = acc;
  return acc.values.map((value, i) => ({ time: timeOf(times[i]), value }));
}

function joinedOf(acc: unknown): unknown {
  if (!isObject(acc) || !Array.isArray(acc.sides) || !Array.isArray(acc.newest)) return acc;
  const { newest } = acc;
  return acc.sides.map((values, i) => ({ values, newest: timeOf(newest[i]) }));
}

/**
 * Returns the time of a step on a worker in words. It is a time, or how far event time has come,
 * and the source that is last.
 */
export function stepTimeText(stored: unknown): string {
  const { seen, least } = (stored ?? {}) as { seen?: unknown; least?: unknown };
  if (!Array.isArray(seen)) return preview(timeOf(stored));
  const time = `event time ${shown(timeOf(least))}`;
  if (seen.length === 0) return time;
  const [name, at] = (seen as [string, number][]).reduce((a, b) => b[1] < a[1] ? b : a);
  const sources = `${seen.length} source${seen.length === 1 ? "" : "s"}`;
  return `${time}; of ${sources}, ${name} is last, at ${shown(timeOf(at))}`;
}

/**
 * Returns milliseconds since the Unix epoch as a date, or as they are if that is outside its range.
 */
export function timeOf(ms: unknown): unknown {
  if (typeof ms !== "number") return ms;
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? ms : date;
}

function shown(time: unknown): string {
  return time instanceof Date ? time.toISOString() : preview(time);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
