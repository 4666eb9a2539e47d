/**
 * The windows that some values of a key make, combined before they come to the windows of the key.
 *
 * @module
 */
import {
  type Assign,
  assignBy,
  firstAfter,
  insert,
  insertionIndex,
  type OpenWindow,
} from "./open_windows.ts";
import type { WindowFold } from "./window_fold.ts";
import type { Windower } from "./windowers.ts";

/**
 * Partial windows as plain data: the newest time of their values, then each window's beginning, end
 * and accumulator. All times are in milliseconds since the Unix epoch.
 */
export type PartialWindows = [newest: number, ...windows: unknown[]];

/** Partial windows that grow. */
export class GrowingWindows<A> {
  readonly windows: OpenWindow<A>[] = [];
  newest = -Infinity;

  /** Returns them as plain data, which shares the accumulators. */
  take(): PartialWindows {
    const taken: PartialWindows = [this.newest];
    for (const { span, acc } of this.windows) taken.push(span.openAt, span.closeAt, acc);
    return taken;
  }
}

/** Returns a function that adds a value to partial windows. */
export function growBy<V, A>(
  windower: Windower,
  fold: WindowFold<V, A, unknown>,
): (partial: GrowingWindows<A>, value: V, time: number) => void {
  const assign: Assign<V, A> = assignBy(windower, fold);
  return (partial, value, time) => {
    assign(partial.windows, value, time, -Infinity, null);
    if (time > partial.newest) partial.newest = time;
  };
}

/**
 * Returns a function that merges partial windows into the open windows of their key. What arrived
 * first comes first in each merge.
 *
 * @throws {Error} If a window has closed: those who combine must not let that happen.
 */
export function mergeBy<A>(
  windower: Windower,
  { merge }: WindowFold<never, A, unknown>,
): (windows: OpenWindow<A>[], partial: PartialWindows, watermark: number) => void {
  const mergeOne = windower.overlap === "merge" ? mergeSession : mergeEqual;
  return (windows, partial, watermark) => {
    for (let i = 1; i + 2 < partial.length; i += 3) {
      const [openAt, closeAt, acc] = partial.slice(i, i + 3) as [number, number, A];
      const isOpen = mergeOne(windows, { span: { openAt, closeAt }, acc }, merge);
      if (!isOpen && closeAt <= watermark) {
        throw new Error(
          "values were combined for a window that has closed: this is a fault of Millrace",
        );
      }
    }
  };
}

type Merge<A> = (earlier: A, later: A) => A;

/** Returns whether the window was open. */
function mergeEqual<A>(
  windows: OpenWindow<A>[],
  partial: OpenWindow<A>,
  merge: Merge<A>,
): boolean {
  const { openAt, closeAt } = partial.span;
  const at = insertionIndex(windows, partial.span);
  const open = at < windows.length ? windows[at] : undefined;
  if (open?.span.openAt === openAt && open.span.closeAt === closeAt) {
    open.acc = merge(open.acc, partial.acc);
    return true;
  }
  insert(windows, partial);
  return false;
}

/** Returns whether it overlaps an open session. */
function mergeSession<A>(
  windows: OpenWindow<A>[],
  partial: OpenWindow<A>,
  merge: Merge<A>,
): boolean {
  let { openAt, closeAt } = partial.span;
  const from = firstAfter(windows, openAt);
  let to = from;
  while (to < windows.length && windows[to].span.openAt < closeAt) to++;
  if (to === from) {
    insert(windows, partial);
    return false;
  }
  let { acc } = windows[from];
  for (let at = from; at < to; at++) {
    const { span } = windows[at];
    openAt = Math.min(openAt, span.openAt);
    closeAt = Math.max(closeAt, span.closeAt);
    if (at > from) acc = merge(acc, windows[at].acc);
  }
  windows.splice(from, to - from, {
    span: { openAt, closeAt },
    acc: merge(acc, partial.acc),
  });
  return true;
}
