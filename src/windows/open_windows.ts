/**
 * The open windows of one key.
 *
 * @module
 */
import { createCopier, isObject } from "../core/value_copy.ts";
import type { WindowFold } from "./window_fold.ts";
import type { Windower, WindowSpan } from "./windowers.ts";

/** A window with the accumulator of its values so far. */
export interface OpenWindow<A> {
  /** Never changed: emitted results may hold it. */
  span: WindowSpan;
  acc: A;
}

/**
 * Puts a value into the open windows that cover it. `windows` is sorted by end, then by beginning.
 */
export type Assign<V, A> = (
  windows: OpenWindow<A>[],
  value: V,
  time: number,
  watermark: number,
  /** Called with each window that holds the value now. */
  onAdded: ((window: OpenWindow<A>) => void) | null,
) => boolean;

/**
 * Returns a function that puts values into windows. It returns `true` for a value that is late, as
 * all its windows have closed.
 */
export function assignBy<V, A>(
  windower: Windower,
  fold: WindowFold<V, A, unknown>,
): Assign<V, A> {
  switch (windower.overlap) {
    case "never":
      return assignToOne(windower, fold);
    case "may":
      return assignToAll(windower, fold);
    case "merge":
      return assignToMerged(windower, fold);
  }
}

/** Windows that never overlap: the value usually belongs to the one that is open. */
function assignToOne<V, A>(
  windower: Windower,
  fold: WindowFold<V, A, unknown>,
): Assign<V, A> {
  return (windows, value, time, watermark, onAdded) => {
    let at = windows.length - 1;
    if (at >= 0 && time < windows[at].span.openAt) at = firstAfter(windows, time);
    if (at >= 0) {
      const window = windows[at];
      const { openAt, closeAt } = window.span;
      if (time < closeAt && openAt <= time) {
        window.acc = fold.add(window.acc, value, time);
        if (onAdded !== null) onAdded(window);
        return false;
      }
    }
    const span = spansAt(windower, time)[0];
    if (span.closeAt <= watermark) return true;
    const window = { span, acc: fold.first(value, time) };
    insert(windows, window);
    onAdded?.(window);
    return false;
  };
}

function assignToAll<V, A>(
  windower: Windower,
  fold: WindowFold<V, A, unknown>,
): Assign<V, A> {
  const copyOf = createCopier();
  return (windows, value, time, watermark, onAdded) => {
    const isCopied = fold.mayShare !== undefined && isObject(value);
    let copy: V & object | undefined; // a copy that no window holds
    let isLate = true;
    let at = -1;
    for (const span of spansAt(windower, time)) {
      const { openAt, closeAt } = span;
      if (closeAt <= watermark) continue;
      isLate = false;
      // Spans that end together may come in any order.
      if (at === -1 || !isBefore(windows[at - 1].span, span)) at = insertionIndex(windows, span);
      while (at < windows.length && isBefore(windows[at].span, span)) at++;
      let window = at < windows.length ? windows[at] : undefined;
      const isOpen = window?.span.openAt === openAt && window.span.closeAt === closeAt;
      let acc: A;
      if (isCopied && (isOpen || fold.begin !== undefined)) {
        const before = isOpen ? window!.acc : fold.begin!();
        if (isScalar(before)) {
          // The usual case, numbers and the like: the value needs no copy.
          acc = fold.add(before, value, time);
          if (isObject(acc)) acc = copyOf(acc);
        } else {
          acc = fold.add(before, copy ??= copyOf(value), time);
          if (fold.mayShare!(acc, before, copy)) copy = undefined;
        }
      } else acc = isOpen ? fold.add(window!.acc, value, time) : fold.first(value, time);
      if (isOpen) window!.acc = acc;
      else {
        window = { span, acc };
        if (at === windows.length) windows.push(window);
        else windows.splice(at, 0, window);
      }
      at++;
      onAdded?.(window!);
    }
    return isLate;
  };
}

function assignToMerged<V, A>(
  windower: Windower,
  fold: WindowFold<V, A, unknown>,
): Assign<V, A> {
  return (windows, value, time, watermark, onAdded) => {
    let { openAt, closeAt } = spansAt(windower, time)[0];
    // Open windows do not overlap here, so they are sorted by beginning as well.
    const from = firstAfter(windows, openAt);
    let to = from;
    while (to < windows.length && windows[to].span.openAt < closeAt) to++;
    if (to === from && closeAt <= watermark) return true;
    let acc: A | undefined;
    for (let at = from; at < to; at++) {
      const window = windows[at];
      openAt = Math.min(openAt, window.span.openAt);
      closeAt = Math.max(closeAt, window.span.closeAt);
      acc = at === from ? window.acc : fold.merge(acc!, window.acc);
    }
    if (to === from + 1) { // the usual case
      const window = windows[from];
      window.span = { openAt, closeAt };
      window.acc = fold.add(window.acc, value, time);
      onAdded?.(window);
      return false;
    }
    acc = to === from ? fold.first(value, time) : fold.add(acc!, value, time);
    const window = { span: { openAt, closeAt }, acc };
    windows.splice(from, to - from, window);
    onAdded?.(window);
    return false;
  };
}

/** Returns whether it is a number, a text or the like, which holds nothing else. */
function isScalar(acc: unknown): boolean {
  return typeof acc !== "object" && acc !== undefined;
}

/** Checks the result of a user's windower. */
function spansAt(windower: Windower, time: number): readonly WindowSpan[] {
  const spans = windower.windowsAt(time);
  let before: WindowSpan | null = null;
  for (let i = 0; i < spans?.length; i++) {
    if (!(spans[i]?.openAt <= time && time < spans[i].closeAt)) break;
    const { openAt, closeAt } = spans[i];
    if (before !== null && !(closeAt >= before.closeAt)) break;
    if (closeAt === before?.closeAt && openAt === before.openAt) break;
    before = spans[i];
    if (i === spans.length - 1 && (i === 0 || windower.overlap === "may")) return spans;
  }
  const must = windower.overlap === "may" ? "windows" : "the one window";
  throw new TypeError(
    `windowsAt(${time}) of a windower whose windows overlap "${windower.overlap}" must return ${must} ` +
      `with openAt <= time < closeAt, in the order of their ends and each once; got ${
        Deno.inspect(spans)
      }`,
  );
}

/** Returns the index of the first window that is not before one of this beginning and end. */
export function insertionIndex(windows: readonly OpenWindow<unknown>[], span: WindowSpan): number {
  let low = 0;
  let high = windows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBefore(windows[middle].span, span)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Returns the index of the first window that ends after `time`. */
export function firstAfter(windows: readonly OpenWindow<unknown>[], time: number): number {
  let low = 0;
  let high = windows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (windows[middle].span.closeAt <= time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Inserts a window where it belongs. */
export function insert<A>(windows: OpenWindow<A>[], window: OpenWindow<A>): void {
  let at = windows.length;
  while (at > 0 && !isBefore(windows[at - 1].span, window.span)) at--;
  if (at === windows.length) windows.push(window);
  else windows.splice(at, 0, window);
}

function isBefore(a: WindowSpan, b: WindowSpan): boolean {
  return a.closeAt < b.closeAt || (a.closeAt === b.closeAt && a.openAt < b.openAt);
}
