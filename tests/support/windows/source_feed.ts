/** Sources that come by their events at random speeds, on a clock of the test. */
import { assertEquals } from "@std/assert";
import { TestClock } from "../clock/test_clock.ts";
import type { Random } from "../values/random.ts";
import type { Event } from "./source_batch.ts";
import type { SourceLog } from "./source_logs.ts";

/**
 * How much newer than the clock's time the events of live sources are. Until they are read, time
 * goes on by the clock.
 */
const AHEAD_MS = 50;

/** Gaps of a source that is `brief` are within a second, together with all delays. */
const BRIEF_MS = 700;

/** An event before it has a time. */
export interface Draft extends Omit<Event, "time"> {
  /** How much newer it is than the one before. */
  readonly on: number;
  /** By how much it is out of order. */
  readonly back: number;
}

/** After this, a source that has something to read is no longer current. */
const FADES_MS = 1_100;

/** How a source comes by its events. */
export interface Script {
  readonly log: SourceLog<Event>;
  /**
   * - `backlog`: all is there from the beginning.
   * - `behind`: it comes bit by bit, and in the gaps the source is behind.
   * - `brief`: likewise, but in the gaps it is current, for less than a second.
   * - `live`: likewise for longer. What comes next is newer than all that there was.
   */
  readonly kind: "backlog" | "behind" | "brief" | "live";
  /** When it begins. */
  readonly from: number;
  readonly drafts: readonly Draft[];
  /** How many turns pass before the first event. */
  readonly delay: number;
  /** After that, one turn in this many brings events. */
  readonly rarity: number;
  /** Whether it ends after its last event, and not when all sources do. */
  readonly endsEarly: boolean;
}

type Bring = (hasCome: () => boolean, mostTries: number) => Promise<"has come" | "waits">;

interface Source extends Script {
  given: number;
  delay: number;
  endsEarly: boolean;
  /** The newest time that is in order. */
  front: number;
}

/** Feeds sources, turn by turn. */
export class Feed {
  readonly clock = new TestClock(1_000_000);
  /** Ids of what has come to the windows. Their clock notes it. */
  readonly arrived = new Set<string>();
  readonly #sources: readonly Source[];
  #brief: readonly Source[]; // those of which more may come
  readonly #idsOf: (event: Event) => readonly string[];
  readonly #random: Random;
  #newest = -Infinity;
  #newestAt = 0; // on the clock
  #began = 0; // the run, on the clock

  /**
   * Begins with what is there from the beginning.
   *
   * @param idsOf The ids under which an event comes to the windows.
   */
  constructor(
    scripts: readonly Script[],
    idsOf: (event: Event) => readonly string[],
    random: Random,
  ) {
    this.#idsOf = idsOf;
    this.#sources = scripts.map((script) => ({ ...script, given: 0, front: script.from }));
    this.#random = random;
    this.#brief = this.#sources.filter(({ kind }) => kind === "brief");
    const gaps = { backlog: "behind", behind: "behind", brief: "behind at first", live: "current" };
    for (const source of this.#sources) {
      source.log.whenRead = gaps[source.kind] as SourceLog<Event>["whenRead"];
      if (source.kind === "backlog") this.#give(source, Infinity);
    }
    if (scripts.some(({ kind }) => kind === "brief")) {
      this.#sources.forEach((each) => this.#show(each));
    }
    this.#close();
  }

  /** Whether all events are there, and all sources have ended. */
  get isOver(): boolean {
    return this.#sources.every(({ log }) => log.isClosed);
  }

  /** A run begins. */
  begin(): void {
    this.#began = this.clock.at;
  }

  /**
   * Lets some time pass, and gives some sources events.
   *
   * @param bring Has the flow process what there is until a condition holds. Something may wait
   * for other sources that are far behind, so there is a number of tries. Ten take a millisecond.
   */
  async turn(bring: Bring): Promise<void> {
    const random = this.#random;
    const ms = random.pick([0, 1, 5, 20]);
    if (this.clock.at + ms > this.#began + BRIEF_MS) await this.#bringBrief(bring);
    this.clock.advance(ms);
    for (const source of this.#sources) {
      if (random.below(10) === 0) source.log.speed = random.pick([1, 1, 10, 1_000]);
      if (source.delay-- > 0 || !this.#has(source) || random.below(source.rarity) > 0) continue;
      this.#give(source, 1 + random.below(4));
      // The others get nothing newer before these have come to the windows.
      if (source.kind !== "live") continue;
      if (await bring(() => this.#hasCome(source), 150) === "waits") this.clock.advance(FADES_MS);
    }
    if (!this.#brief.some((each) => this.#has(each))) await this.#bringBrief(bring);
    this.#close();
  }

  /** From now on, time may pass before the events of brief sources come to the windows. */
  async #bringBrief(bring: Bring): Promise<void> {
    const brief = this.#brief;
    this.#brief = [];
    for (const source of brief) this.#give(source, Infinity);
    const state = await bring(() => brief.every((each) => this.#hasCome(each)), 2_000);
    assertEquals(state, "has come", "all of the brief sources");
  }

  #has({ given, drafts }: Source): boolean {
    return given < drafts.length;
  }

  /**
   * Has something of each source come to the windows. No source is read on before all others have
   * come there that are behind, and brief ones must not wait for long. One of which nothing comes
   * ends.
   */
  #show(source: Source): void {
    const { log } = source;
    while (!log.items.some((event) => this.#idsOf(event).length > 0)) {
      if (!this.#has(source)) {
        source.endsEarly = true;
        return;
      }
      this.#give(source, 1);
    }
  }

  #hasCome({ log: { read, items } }: Source): boolean {
    return read === items.length &&
      items.every((event) => this.#idsOf(event).every((id) => this.arrived.has(id)));
  }

  #give(source: Source, most: number): void {
    const { log, drafts, kind } = source;
    for (const { on, back, ...event } of drafts.slice(source.given, source.given + most)) {
      // Time may also go on by the clock, while there is nothing to read.
      const now = this.#newest + (this.clock.at - this.#newestAt);
      source.front = Math.max(source.front + on, kind === "live" ? now + AHEAD_MS : -Infinity);
      log.items.push({ ...event, time: source.front - back });
      if (source.front > now) [this.#newest, this.#newestAt] = [source.front, this.clock.at];
      source.given++;
    }
  }

  #close(): void {
    const all = this.#sources.every((source) => !this.#has(source));
    for (const source of this.#sources) {
      if (all || (source.endsEarly && !this.#has(source))) source.log.isClosed = true;
    }
  }
}
