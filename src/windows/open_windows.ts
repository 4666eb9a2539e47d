/**
 * The open windows of one key.
 *
 * @module
 */
import type { WindowFold } from "./window_fold.ts";
import type { Windower, WindowSpan } from "./windowers.ts";

/** A window with what has come of its values so far. */
export interface OpenWindow<A> {
  /** Not to be changed: results that have gone out may hold it. */
  span: WindowSpan;
  acc: A;
}

/** How many windows a pool keeps at most: more than close within a batch are of no use. */
const POOLED = 1_024;

/**
 * Windows that have closed, to be used again. With many keys most of the time would go into collecting
 * them, as they live just long enough to be moved to where garbage is dear (measured with 100,000 keys
 * and a window for each item: a third of the time).
 */
export class WindowPool<A> {
  readonly #free: OpenWindow<A>[] = [];

  /** A window. */
  open(span: WindowSpan, acc: A): OpenWindow<A> {
    const window = this.#free.pop();
    if (window === undefined) return { span, acc };
    window.span = span;
    window.acc = acc;
    return window;
  }

  /** Takes a window back that nobody holds any more. */
  free(window: OpenWindow<A>): void {
    if (this.#free.length === POOLED) return;
    window.acc = undefined as A;
    this.#free.push(window);
  }
}

/** Puts a value into the open windows that it belongs to. `windows` is sorted by end, then by beginning. */
export type Assign<V, A> = (
  windows: OpenWindow<A>[],
  value: V,
  time: number,
  watermark: number,
  /** Told each window that has the value now. */
  onAdded: ((window: OpenWindow<A>) => void) | null,
) => boolean;

/**
 * How values get into windows: the function says whether a value was late for all of its windows, that
 * is, whether they have closed.
 */
export function assignBy<V, A>(
  windower: Windower,
  fold: WindowFold<V, A, unknown>,
  pool: WindowPool<A>,
): Assign<V, A> {
  switch (windower.overlap) {
    case "never":
      return assignToOne(windower, fold, pool);
    case "may":
      return assignToAll(windower, fold, pool);
    case "merge":
      return assignToMerged(windower, fold, pool);
  }
}

/** Windows that never overlap: most often the value belongs to the one that is open already. */
function assignToOne<V, A>(
  windower: Windower,
  fold: WindowFold<V, A, unknown>,
  pool: WindowPool<A>,
): Assign<V, A> {
  return (windows, value, time, watermark, onAdded) => {
    const last = windows.length - 1;
    let at = last;
    if (last >= 0 && time < windows[last].span.openAt) at = firstAfter(windows, time);
    if (at >= 0 && covers(windows[at].span, time)) {
      const window = windows[at];
      window.acc = fold.add(window.acc, value, time);
      onAdded?.(window);
      return false;
    }
    const span = spansAt(windower, time)[0];
    if (span.closeAt <= watermark) return true;
    const window = pool.open(span, fold.first(value, time));
    insert(windows, window);
    onAdded?.(window);
    return false;
  };
}

function assignToAll<V, A>(
  windower: Windower,
  fold: WindowFold<V, A, unknown>,
  pool: WindowPool<A>,
): Assign<V, A> {
  return (windows, value, time, watermark, onAdded) => {
    let isLate = true;
    let at = -1;
    for (const span of spansAt(windower, time)) {
      const { openAt, closeAt } = span;
      if (closeAt <= watermark) continue;
      isLate = false;
      // Of spans that end together, any may come first.
      if (at === -1 || !isBefore(windows[at - 1].span, span)) at = placeOf(windows, span);
      while (at < windows.length && isBefore(windows[at].span, span)) at++;
      let window = at < windows.length ? windows[at] : undefined;
      if (window?.span.openAt === openAt && window.span.closeAt === closeAt) {
        window.acc = fold.add(window.acc, value, time);
      } else {
        window = pool.open(span, fold.first(value, time));
        if (at === windows.length) windows.push(window);
        else windows.splice(at, 0, window);
      }
      at++;
      onAdded?.(window);
    }
    return isLate;
  };
}

function assignToMerged<V, A>(
  windower: Windower,
  fold: WindowFold<V, A, unknown>,
  pool: WindowPool<A>,
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
    if (to === from + 1) { // most often
      const window = windows[from];
      window.span = { openAt, closeAt };
      window.acc = fold.add(window.acc, value, time);
      onAdded?.(window);
      return false;
    }
    acc = to === from ? fold.first(value, time) : fold.add(acc!, value, time);
    const window = pool.open({ openAt, closeAt }, acc);
    windows.splice(from, to - from, window);
    onAdded?.(window);
    return false;
  };
}

/** Windows that a windower gave, once they are sure to be ones. */
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
    `windowsAt(${time}) of a windower whose windows overlap "${windower.overlap}" must give ${must} ` +
      `with openAt <= time < closeAt, in the order of their ends and each once; got ${
        Deno.inspect(spans)
      }`,
  );
}

/** The index of the first window that is not before one of that beginning and end. */
function placeOf(windows: readonly OpenWindow<unknown>[], span: WindowSpan): number {
  let low = 0;
  let high = windows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBefore(windows[middle].span, span)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The index of the first window that ends after `time`. */
function firstAfter(windows: readonly OpenWindow<unknown>[], time: number): number {
  let low = 0;
  let high = windows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (windows[middle].span.closeAt <= time) low = middle + 1;
    else high = middle;
  }
  return low;
}

function insert<A>(windows: OpenWindow<A>[], window: OpenWindow<A>): void {
  let at = windows.length;
  while (at > 0 && !isBefore(windows[at - 1].span, window.span)) at--;
  if (at === windows.length) windows.push(window);
  else windows.splice(at, 0, window);
}

function isBefore(a: WindowSpan, b: WindowSpan): boolean {
  return a.closeAt < b.closeAt || (a.closeAt === b.closeAt && a.openAt < b.openAt);
}

function covers({ openAt, closeAt }: WindowSpan, time: number): boolean {
  return openAt <= time && time < closeAt;
}
