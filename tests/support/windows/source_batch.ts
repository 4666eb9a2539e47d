/**
 * What windows come to, reckoned from all events at once, and which of them may be late. It shares
 * no code with the engine.
 */
import { assert, assertEquals } from "@std/assert";

/** An item of a source. */
export interface Event {
  readonly id: string;
  readonly source: string;
  readonly key: string;
  readonly time: number;
  /** The side of a join that it is on. */
  readonly side: number;
}

/** How time is divided. */
export type Windows =
  | { readonly kind: "tumbling"; readonly length: number; readonly alignTo: number }
  | {
    readonly kind: "sliding";
    readonly length: number;
    readonly offset: number;
    readonly alignTo: number;
  }
  | { readonly kind: "session"; readonly gap: number };

/** A window of a key with its events, in no order. */
export interface Heap {
  readonly key: string;
  readonly openAt: number;
  readonly closeAt: number;
  readonly events: readonly Event[];
}

/** All windows other than sessions that cover a time. */
export function covering(windows: Exclude<Windows, { kind: "session" }>, time: number) {
  const { length, alignTo } = windows;
  const offset = windows.kind === "sliding" ? windows.offset : length;
  const spans: { openAt: number; closeAt: number }[] = [];
  let openAt = alignTo + Math.floor((time - alignTo) / offset) * offset;
  for (; openAt + length > time; openAt -= offset) spans.push({ openAt, closeAt: openAt + length });
  return spans;
}

/** The windows of all events, if none is late. */
export function batch(events: readonly Event[], windows: Windows): Heap[] {
  const keys = Map.groupBy(events, ({ key }) => key);
  return [...keys].flatMap(([key, own]): Heap[] => {
    if (windows.kind === "session") return sessions(key, own, windows.gap);
    const heaps = new Map<number, Heap & { events: Event[] }>();
    for (const event of own) {
      for (const { openAt, closeAt } of covering(windows, event.time)) {
        const heap = heaps.get(openAt) ?? { key, openAt, closeAt, events: [] };
        heap.events.push(event);
        heaps.set(openAt, heap);
      }
    }
    return [...heaps.values()];
  });
}

function sessions(key: string, events: readonly Event[], gap: number): Heap[] {
  const heaps: { key: string; openAt: number; closeAt: number; events: Event[] }[] = [];
  for (const event of events.toSorted((a, b) => a.time - b.time)) {
    const last = heaps.at(-1);
    if (last === undefined || event.time >= last.closeAt) {
      heaps.push({ key, openAt: event.time, closeAt: event.time + gap, events: [event] });
    } else {
      last.closeAt = event.time + gap;
      last.events.push(event);
    }
  }
  return heaps;
}

/**
 * For each event, the newest time of those before it in its own source. Less the wait, that is as
 * far as the source may have brought the watermark when the event comes.
 */
export function newestBefore(events: readonly Event[]): ReadonlyMap<Event, number> {
  const newest = new Map<string, number>();
  return new Map(events.map((event) => {
    const before = newest.get(event.source) ?? -Infinity;
    newest.set(event.source, Math.max(before, event.time));
    return [event, before];
  }));
}

/**
 * That results and late events are what the events come to, in whatever order sources were read. An
 * event may be left out of a window only if it is beyond the wait of its own source.
 *
 * @param events Those of each source in the order in which they come from it.
 * @param results With ids in place of events.
 */
export function assertOwnLateness(
  events: readonly Event[],
  windows: Windows,
  waitMs: number,
  results: readonly (Omit<Heap, "events"> & { readonly ids: readonly string[] })[],
  late: readonly string[],
): void {
  const byId = new Map(events.map((event) => [event.id, event]));
  assertEquals(byId.size, events.length, "ids are unique");
  const lateIds = new Set(late);
  assertEquals(lateIds.size, late.length, "an event is late once");
  const inTime = events.filter(({ id }) => !lateIds.has(id));
  assertEquals(events.length - inTime.length, late.length, "what is late is one of the events");
  const heaps = results.map(({ ids, ...span }): Heap => ({
    ...span,
    events: ids.map((id) => byId.get(id)!),
  }));
  for (const { key, events } of heaps) {
    assertEquals(new Set(events).size, events.length, "an event is in a window once");
    assert(events.every((event) => event?.key === key), "events are in windows of their own key");
  }
  const found = new Set(heaps.flatMap(({ events }) => events));
  assertEquals(found, new Set(inTime), "each event is late or in a window, and none is both");
  const before = newestBefore(events);
  const mayMiss = (event: Event, closeAt: number) => closeAt <= before.get(event)! - waitMs;
  const closes = ({ time }: Event) =>
    windows.kind === "session"
      ? [time + windows.gap]
      : covering(windows, time).map(({ closeAt }) => closeAt);
  const wronged = events.filter((event) =>
    lateIds.has(event.id) && !closes(event).every((closeAt) => mayMiss(event, closeAt))
  );
  assertEquals(wronged, [], "late, but within the wait of its source");
  if (windows.kind === "session") {
    const isOrdered = (event: Event) => event.time >= before.get(event)! - waitMs;
    assertSessions(heaps, inTime.filter(isOrdered), windows.gap);
  } else assertSpans(heaps, batch(events, windows), mayMiss);
}

/** That windows have all events, but for those that may have come after their end. */
function assertSpans(
  heaps: readonly Heap[],
  all: readonly Heap[],
  mayMiss: (event: Event, closeAt: number) => boolean,
): void {
  const nameOf = ({ key, openAt, closeAt }: Heap) => `${openAt}/${closeAt} of ${key}`;
  const found = new Map(heaps.map((heap) => [nameOf(heap), heap.events]));
  assertEquals(found.size, heaps.length, "a window closes once");
  const whole = new Map(all.map((heap) => [nameOf(heap), heap]));
  for (const [name, events] of found) {
    const others = events.filter((event) => !whole.get(name)?.events.includes(event));
    assertEquals(others, [], `in the window ${name}, which does not cover it`);
  }
  for (const [name, { events, closeAt }] of whole) {
    const missing = events.filter((event) => !found.get(name)?.includes(event));
    const wronged = missing.filter((event) => !mayMiss(event, closeAt));
    assertEquals(wronged, [], `not in the window ${name}, but within the wait of its source`);
  }
}

/**
 * That sessions are what their events come to. A session may have closed that an event beyond the
 * wait would have joined, so only those within the wait have to be together.
 */
function assertSessions(heaps: readonly Heap[], ordered: readonly Event[], gap: number): void {
  const heapOf = new Map<Event, Heap>();
  for (const heap of heaps) {
    const { key, openAt, closeAt, events } = heap;
    const own = sessions(key, events, gap).map(({ openAt, closeAt }) => [openAt, closeAt]);
    assertEquals(own, [[openAt, closeAt]], "a session has no gaps");
    for (const event of events) {
      assert(!heapOf.has(event), `${event.id} is in two sessions`);
      heapOf.set(event, heap);
    }
  }
  for (const { key, openAt, events } of batch(ordered, { kind: "session", gap })) {
    const found = new Set(events.map((event) => heapOf.get(event)));
    assertEquals(found.size, 1, `events of one session of ${key} from ${openAt} are together`);
  }
}
