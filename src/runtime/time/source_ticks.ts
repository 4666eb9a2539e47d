import type { PartitionName, StepId, WorkerIndex } from "../../core/ids.ts";
import type { InputReader } from "../../graph/contracts.ts";
import { EndingSources } from "../../graph/ending_sources.ts";
import {
  type From,
  type OriginName,
  originName,
  type SourceName,
  type SourceState,
  type Tick,
} from "./controls.ts";
import { SourceNames } from "./source_names.ts";

/** How long items may wait for the tick that lets their time count, in milliseconds. */
const TICK_MS = 10;

/**
 * How long a source counts as current after it was, in milliseconds. So one that gets items now and
 * then keeps its state.
 */
const STAYS_CURRENT_MS = 1_000;

/**
 * How often to look at sources that are behind while nothing is read, in milliseconds. An input
 * need not say when one has become current, such as by waiting in vain.
 */
const LOOK_AT_BEHIND_MS = 100;

/** Tells those downstream where an input's items come from, and what has passed. */
export class SourceTicks {
  readonly #origin: OriginName;
  readonly #names: SourceNames;
  readonly #reader: InputReader<unknown>;
  readonly #told = new Map<SourceName, SourceState>();
  readonly #currentAt = new Map<SourceName, number>(); // when it was last
  #number = 0;
  #from: SourceName | null = null; // of the items that were sent last
  #fromTick = -1;
  #hasSent = false; // since the last tick
  #lookAt = -Infinity;
  #isFading = false; // whether a source is behind that still counts as current
  #behindAt = Infinity; // when to look again at those that are behind
  #ended = -1; // how many of `EndingSources` have been told to have ended; below zero before that
  #idleSince: number | null = null; // as the last tick through a log has said it

  /** Nothing has been said yet. */
  constructor(stepId: StepId, worker: WorkerIndex, reader: InputReader<unknown>) {
    this.#names = new SourceNames(stepId, worker);
    this.#reader = reader;
    this.#origin = originName(stepId, worker);
  }

  /** Continues from the number of the last tick that an earlier run has told. */
  resume(number: number): void {
    this.#number = number;
  }

  /** The number of the last tick. */
  get number(): number {
    return this.#number;
  }

  /** The input has returned items. Returns what to say before them, if anything. */
  onBatch(): From | null {
    const source = this.source;
    this.#hasSent = true;
    this.#idleSince = null;
    if (source === this.#from && this.#number === this.#fromTick) return null;
    this.#from = source;
    this.#fromTick = this.#number;
    return { kind: "from", source, origin: this.#origin, tick: this.#number };
  }

  /** The source of the items that the input has returned last. */
  get source(): SourceName {
    return this.#names.of(this.#reader.source?.());
  }

  /**
   * Returns the tick that is due, if any.
   *
   * @param isIdle Whether the whole input is.
   * @param now Of a clock that nobody sets, in milliseconds.
   * @param isDue Whether it is due if there is anything to say. Else it is so now and then.
   */
  tick(isIdle: boolean, now: number, isDue: boolean): Tick | null {
    if (!isDue && now < this.#lookAt) return null;
    const states = this.#changes(isIdle, now);
    const isNews = this.#number === 0 || this.#hasSent || states.length > 0;
    return isNews ? this.#tick(states) : null;
  }

  /** Returns a tick for items that have been read, if any. It does not look at the sources. */
  tickItems(): Tick | null {
    return this.#number > 0 && this.#hasSent ? this.#tick([]) : null;
  }

  /** When a look is due though nothing is read; infinity for never. */
  get lookAt(): number {
    return this.#isFading ? this.#lookAt : this.#behindAt;
  }

  /** Returns a tick in any case, such as before a barrier. */
  tickNow(isIdle: boolean, now: number): Tick {
    return this.#tick(this.#changes(isIdle, now));
  }

  /** There was something to read, or something may have been. */
  onActive(): void {
    this.#idleSince = null;
  }

  /**
   * Returns a tick for the log of a group, which has all sources.
   *
   * @param isIdle Whether the whole input is.
   * @param at Now, in milliseconds since the Unix epoch.
   */
  fullTick(isIdle: boolean, at: number): Tick {
    if (!isIdle) this.#idleSince = null;
    else this.#idleSince ??= at;
    const states = [...this.#sources(isIdle)].map(([name, state]) =>
      [this.#names.of(name), state] as const
    );
    return { ...this.#tick(states), logged: { at, idleSince: this.#idleSince } };
  }

  /** Returns the last tick: all sources have ended. */
  end(): Tick {
    return this.#tick([...this.#told.keys()].map((source) => [source, "ended"]));
  }

  #tick(states: Tick["states"]): Tick {
    for (const [source, state] of states) {
      if (state === "ended") {
        this.#told.delete(source);
        this.#currentAt.delete(source);
      } else this.#told.set(source, state);
    }
    this.#hasSent = false;
    return { kind: "tick", origin: this.#origin, number: ++this.#number, states };
  }

  /** The sources that have not ended: by itself, the whole input is one. */
  #sources(isIdle: boolean): Iterable<readonly [PartitionName | undefined, "behind" | "current"]> {
    return this.#reader.sources?.() ?? [[undefined, isIdle ? "current" : "behind"]];
  }

  #changes(isIdle: boolean, now: number): (readonly [SourceName, SourceState])[] {
    this.#lookAt = now + TICK_MS;
    this.#isFading = false;
    this.#behindAt = Infinity;
    const sources = this.#sources(isIdle);
    if (sources instanceof EndingSources) {
      if (sources.size > 0) this.#behindAt = now + LOOK_AT_BEHIND_MS;
      return this.#endings(sources);
    }
    const states = new Map<SourceName, SourceState>();
    for (const [partition, state] of sources) {
      const name = this.#names.of(partition);
      if (state === "current") this.#currentAt.set(name, now);
      const wasAt = this.#currentAt.get(name) ?? -Infinity;
      const isCurrent = now - wasAt < STAYS_CURRENT_MS;
      states.set(name, isCurrent ? "current" : "behind");
      if (isCurrent && state !== "current") this.#isFading = true;
      if (partition !== undefined && state === "behind") this.#behindAt = now + LOOK_AT_BEHIND_MS;
    }
    for (const name of this.#told.keys()) if (!states.has(name)) states.set(name, "ended");
    return [...states].filter(([source, state]) => this.#told.get(source) !== state);
  }

  /** The same of sources that only end: to go through all of them each time takes long. */
  #endings(sources: EndingSources): (readonly [SourceName, SourceState])[] {
    const { ended } = sources;
    const from = this.#ended;
    this.#ended = ended.length;
    if (from < 0) return Array.from(sources, ([name, state]) => [this.#names.of(name), state]);
    return ended.slice(from).map((name) => [this.#names.of(name), "ended"]);
  }
}
