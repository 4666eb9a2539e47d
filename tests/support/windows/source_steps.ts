/** Random steps between an input and its windows, each with what it comes to in plain code. */
import { setImmediate } from "node:timers";
import type { Dataflow, Keyed } from "../../../mod.ts";
import type { Random } from "../values/random.ts";
import type { Event } from "./source_batch.ts";

/** A step. It changes no order within a source, but may let some events overtake others. */
export interface Step {
  readonly name: string;
  readonly build: (events: Dataflow<Event>) => Dataflow<Event>;
  readonly apply: (events: readonly Event[]) => Event[];
}

/** By how much steps may change times. */
export interface Shifts {
  /** All events alike. */
  readonly all: number;
  /** Some of the events of a source, against the others. */
  readonly some: number;
}

/** Some steps. `id` differs from that of other calls for the same flow. */
export function randomSteps(random: Random, id: string, most: number, shifts: Shifts): Step[] {
  const own = { ...shifts, some: Math.floor(shifts.some / most) };
  return Array.from(
    { length: random.below(most + 1) },
    (_, at) => random.pick(KINDS)(random, `${id}-${at}`, own),
  );
}

/** Builds all of some steps. */
export function build(steps: readonly Step[], events: Dataflow<Event>): Dataflow<Event> {
  return steps.reduce((events, { build }) => build(events), events);
}

/** What the steps make of events. */
export function apply(steps: readonly Step[], events: readonly Event[]): Event[] {
  return steps.reduce((events, { apply }) => apply(events), [...events]);
}

const same = (events: readonly Event[]) => [...events];

/** A number of an event that has nothing to do with its time. */
function hash({ id }: Event): number {
  let hash = 7;
  for (const char of id) hash = (hash * 31 + char.charCodeAt(0)) % 1_000_003;
  return hash;
}

async function pause(rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

/** Events take different times, so those of all sources come out in any order. */
function awaited(events: Dataflow<Event>, ordered: boolean, concurrency: number) {
  return events.mapAsync(async (event) => {
    await pause(hash(event) % 5 === 0 ? 60 : hash(event) % 4);
    return event;
  }, { ordered, concurrency });
}

const KINDS: readonly ((random: Random, id: string, shifts: Shifts) => Step)[] = [
  (random, _id, { all }) => {
    const by = random.below(2 * all + 1) - all;
    const shift = (event: Event) => ({ ...event, time: event.time + by });
    return {
      name: `map by ${by}`,
      build: (events) => events.map(shift),
      apply: (events) => events.map(shift),
    };
  },
  (random) => {
    const part = 2 + random.below(5);
    const keep = (event: Event) => hash(event) % part !== 0;
    return {
      name: `filter 1 of ${part}`,
      build: (events) => events.filter(keep),
      apply: (events) => events.filter(keep),
    };
  },
  (random) => {
    const dropped = `s${random.below(8)}`; // all of a source, if there are as many
    const keep = ({ source }: Event) => source !== dropped;
    return {
      name: `filter ${dropped}`,
      build: (events) => events.filter(keep),
      apply: (events) => events.filter(keep),
    };
  },
  (random) => {
    const most = 1 + random.below(3);
    const copies = (event: Event) =>
      Array.from(
        { length: hash(event) % (most + 1) },
        (_, n) => ({ ...event, id: `${event.id}.${n}` }),
      );
    return {
      name: `flatMap to ${most}`,
      build: (events) => events.flatMap(copies),
      apply: (events) => events.flatMap(copies),
    };
  },
  (random, _id, { some }) => {
    const by = random.below(some + 1);
    const isFirst = (event: Event) => hash(event) % 3 === 0;
    const shift = (event: Event) => ({ ...event, time: event.time + by });
    const ordered = random.below(2) === 0;
    const way = random.pick<(events: Dataflow<Event>) => Dataflow<Event>>([
      (events) => events,
      (events) => awaited(events, ordered, 3),
      (events) => events.redistribute(),
    ]);
    return {
      name: `branch, map by ${by}, merge`,
      build: (events) => {
        const [first, others] = events.branch(isFirst);
        return way(first.map(shift)).merge(others);
      },
      apply: (events) => events.map((event) => isFirst(event) ? shift(event) : event),
    };
  },
  (random) => {
    const ordered = random.below(2) === 0;
    const concurrency = 1 + random.below(6);
    return {
      name: `mapAsync of ${concurrency}${ordered ? "" : " without order"}`,
      build: (events) => awaited(events, ordered, concurrency),
      apply: same,
    };
  },
  () => ({ name: "redistribute", build: (events) => events.redistribute(), apply: same }),
  (random, id) => {
    const keys = 1 + random.below(5);
    return {
      name: `statefulMap of ${keys} keys`,
      build: (events) =>
        events.keyOn((event) => `k${hash(event) % keys}`)
          .statefulMap(
            `seen-${id}`,
            () => 0,
            (count: number, event): [number, Event] => [count + 1, event],
          )
          .map(([, event]) => event),
      apply: same,
    };
  },
  (_random, id) => ({
    name: "stateful",
    build: (events) =>
      events.keyOn((event) => `k${hash(event) % 3}`)
        .stateful<Event, Event, number>(`passing-${id}`, (count = 0) => ({
          onItem: (event, emit) => {
            count++;
            emit(event);
          },
          snapshot: () => count,
        }))
        .map(([, event]) => event),
    apply: same,
  }),
  () => ({
    name: "keyOn",
    build: (events) => events.keyOn(({ source }) => source).map(([, event]: Keyed<Event>) => event),
    apply: same,
  }),
];
