/**
 * The meaning of windows, as slow and plain as possible. All events of a key are in one list, and
 * every answer is found by searching all of it. It shares no code with the engine.
 */

/** What happens to a key: an item with its event time, or some time with nothing to read. */
export type ModelEvent =
  | { readonly id: number; readonly time: number }
  | { readonly quiet: number };

/** A window. */
export interface ModelSpan {
  readonly openAt: number;
  readonly closeAt: number;
}

/** How time is divided: by a list of all windows, or into sessions. */
export type ModelWindower = { readonly all: readonly ModelSpan[] } | { readonly gap: number };

/** An output, and the event that causes it; the number of events stands for the input's end. */
export type ModelOutput =
  | { readonly after: number; readonly late: number }
  | {
    readonly after: number;
    readonly openAt: number;
    readonly closeAt: number;
    /** The ids, by time. */
    readonly ids: readonly number[];
    /** {@linkcode modelFold} of the ids, in the order they came. */
    readonly fold: string;
  };

/** A fold whose result shows every order, and every way to combine pieces. */
export const modelFold = {
  build: () => "<",
  folder: (acc: string, id: number) => `${acc}${id},`,
  merger: (earlier: string, later: string) => `(${earlier}+${later})`,
};

type Item = { readonly at: number; readonly id: number; readonly time: number };

/** The output of one key, in order. */
export function modelOf(
  events: readonly ModelEvent[],
  windower: ModelWindower,
  waitMs: number,
): ModelOutput[] {
  const items = events.flatMap((event, at): Item[] => "id" in event ? [{ at, ...event }] : []);
  const quietUpTo = (at: number) =>
    events.slice(0, at + 1).reduce((sum, event) => sum + ("quiet" in event ? event.quiet : 0), 0);
  const watermarkAt = (at: number) =>
    at >= events.length ? Infinity : Math.max(
      ...items.filter((item) => item.at <= at).map((item) =>
        item.time - waitMs + (quietUpTo(at) - quietUpTo(item.at))
      ),
    );
  const watermarks = [...events.keys(), events.length].map(watermarkAt);
  return "gap" in windower
    ? sessions(items, windower.gap, watermarks)
    : spans(items, windower.all, watermarks);
}

function spans(
  items: readonly Item[],
  all: readonly ModelSpan[],
  watermarks: readonly number[],
): ModelOutput[] {
  const covers = ({ openAt, closeAt }: ModelSpan, { time }: Item) =>
    openAt <= time && time < closeAt;
  const isOpenFor = ({ closeAt }: ModelSpan, { at }: Item) => closeAt > watermarks[at];
  const outputs: ModelOutput[] = [];
  for (const span of all) {
    const inside = items.filter((item) => covers(span, item) && isOpenFor(span, item));
    if (inside.length === 0) continue;
    const after = watermarks.findIndex((watermark) => span.closeAt <= watermark);
    outputs.push(result(span, inside, foldOf(inside), after));
  }
  for (const item of items) {
    if (all.some((span) => covers(span, item) && isOpenFor(span, item))) continue;
    outputs.push({ after: item.at, late: item.id });
  }
  return outputs.sort(inOrder);
}

interface Session {
  items: Item[];
  fold: string;
}

function sessions(
  items: readonly Item[],
  gap: number,
  watermarks: readonly number[],
): ModelOutput[] {
  const spanOf = ({ items }: Session): ModelSpan => ({
    openAt: Math.min(...items.map(({ time }) => time)),
    closeAt: Math.max(...items.map(({ time }) => time)) + gap,
  });
  const outputs: ModelOutput[] = [];
  let open: Session[] = [];
  for (const [at, watermark] of watermarks.entries()) {
    for (const session of open) {
      if (spanOf(session).closeAt > watermark) continue;
      outputs.push(result(spanOf(session), session.items, session.fold, at));
    }
    open = open.filter((session) => spanOf(session).closeAt > watermark);
    const item = items.find((item) => item.at === at);
    if (item === undefined) continue;
    const overlaps = (session: Session) => {
      const { openAt, closeAt } = spanOf(session);
      return openAt < item.time + gap && item.time < closeAt;
    };
    const joined = open.filter(overlaps)
      .sort((a, b) => spanOf(a).openAt - spanOf(b).openAt);
    if (joined.length === 0 && item.time + gap <= watermark) {
      outputs.push({ after: at, late: item.id });
      continue;
    }
    const merged = joined.length === 0
      ? modelFold.build()
      : joined.map(({ fold }) => fold).reduce(modelFold.merger);
    open = open.filter((session) => !overlaps(session));
    const all = [...joined.flatMap(({ items }) => items), item].sort((a, b) => a.at - b.at);
    open.push({ items: all, fold: modelFold.folder(merged, item.id) });
  }
  return outputs.sort(inOrder);
}

function foldOf(items: readonly Item[]): string {
  return items.map(({ id }) => id).reduce(modelFold.folder, modelFold.build());
}

function result(
  { openAt, closeAt }: ModelSpan,
  items: readonly Item[],
  fold: string,
  after: number,
): ModelOutput {
  const ids = items.toSorted((a, b) => a.time - b.time || a.at - b.at).map(({ id }) => id);
  return { after, openAt, closeAt, ids, fold };
}

/** Windows close before the item that closes them is processed: by end, then by beginning. */
function inOrder(a: ModelOutput, b: ModelOutput): number {
  if (a.after !== b.after) return a.after - b.after;
  if ("late" in a || "late" in b) return ("late" in a ? 1 : 0) - ("late" in b ? 1 : 0);
  return a.closeAt - b.closeAt || a.openAt - b.openAt;
}
