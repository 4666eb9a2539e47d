/**
 * How far event time has come at a window step on one worker, by source.
 *
 * A source is what has an order of its own: a partition, a file, a worker's share of an input. How
 * fast one source is read beside another must not make anything late. So the step's watermark
 * follows the source that is least far, and not the values that happen to come first. Flink does
 * the same in its sources (FLIP-27, `CombinedWatermarkStatus`). Here the time of a value may be
 * known only at the step, after other steps, exchanges and other workers. So the stream says where
 * its items come from, and *ticks* say what has been passed:
 *
 * ```text
 *   reader ── from(p0, 7) items ── from(p1, 7) items ── tick(8) ── from(p0, 8) items ── tick(9) ─▶
 *                     │
 *        exchange: a tick goes to all workers; merge: it waits for all channels that can bring it
 *                     ▼
 *   step on each worker:  newest time by source and tick ──▶ report(tick 8: p0 → 12:03, p1 → 11:58)
 *                     ▼
 *   all workers have reported tick 8: no item from before it is under way, so these times count
 * ```
 *
 * So items that overtake others count only once those that they have overtaken are there. They do
 * that on a faster branch, on the way over another worker, and after `mapAsync` without order.
 * Where nothing can overtake, an item counts at once: then what is late depends on the data alone.
 *
 * @module
 */

import { EventTime } from "../../graph/event_time.ts";
import { LOOK_EVERY_MS, QuietTime } from "../activity/quiet_time.ts";
import type { StepId } from "../../core/ids.ts";
import {
  type LoggedTick,
  type Newest,
  NO_SOURCE,
  type OriginName,
  partsOfOrigin,
  type SourceName,
  type SourceState,
  type Tick,
  type TickReport,
} from "./controls.ts";
import { LoggedTime, type SaidInLog } from "./logged_time.ts";

/**
 * How long a source that is current holds time back after its last item, in milliseconds. Items of
 * different sources that are read as they arise may come in any order, but soon after each other.
 */
export const CURRENT_HOLDS_MS = 1_000;

/** What is known of a source. */
interface Source {
  readonly name: SourceName;
  state: SourceState;
  /** The newest time that counts, in milliseconds since the Unix epoch. */
  newest: number;
  /** The newest time on this worker, whether it counts or not. */
  seen: number;
  /** What reads it; `null` until that has named it. */
  origin: OriginName | null;
  /** When its last item came, in the time that the step counts, or that of its origin's ticks. */
  cameAt: number;
  /** The last tick that has said that it is behind; it may not have passed on all workers yet. */
  behindFrom: number;
  /** The last tick that has closed items of it which came to this worker. */
  passed: number;
}

/** The newest time of a source's items that a tick closes. */
interface Bucket {
  readonly source: Source;
  readonly origin: OriginName;
  /** The number of the tick that closes it. */
  readonly tick: number;
  newest: number;
}

/** What counts once all workers have passed a tick: times, or states. */
interface Waiting {
  readonly what: "times" | "states";
  readonly tick: number;
  readonly apply: () => void;
}

/** What is known of an origin. */
interface Origin {
  /** The last tick that all workers have reported. */
  through: number;
  /** By worker: the last tick that it has reported. */
  readonly reported: number[];
  /** By worker: up to where windows may have closed there when it reported. */
  readonly closedTo: number[];
  /** What counts once `through` has come so far. */
  waiting: Waiting[];
}

/** What the sources of a step are, and how they come to it. */
export interface SourcesOfStep {
  /** All origins that can send something to the step, on all workers. */
  readonly origins: Iterable<OriginName>;
  /**
   * Those of them that are window steps, with the step of each. They tell themselves how far they
   * have come. Their results do not, as those of different keys are out of order.
   */
  readonly steps?: ReadonlyMap<OriginName, StepId>;
  /** This worker's index. */
  readonly worker: number;
  /** How many workers report, this one included. */
  readonly workers: number;
  /** Whether the items of a source come here in the order in which they were read. */
  readonly isInOrder: boolean;
  /**
   * Whether all of it comes through the log of a group. There may be more origins than are known
   * here, as partitions are added. `workers` is 1 then: ticks say what others would report.
   */
  readonly isLogged?: boolean;
}

/** What a snapshot has of the sources of a step in a group. */
export interface LoggedSources {
  /** All that can send something to the step. */
  readonly origins: readonly OriginName[];
  /** Whether each of them had named its sources. */
  readonly isComplete: boolean;
  /** Those that had, where not all of them had. */
  readonly named?: readonly OriginName[];
  /** The newest time of each source that counts, when its last item came, and its state. */
  readonly sources: readonly (readonly [
    SourceName,
    OriginName,
    newest: number,
    cameAt: number,
    state: SourceState,
  ])[];
  /** The newest time of items that do not count yet, and the tick that closes them. */
  readonly open: readonly (readonly [SourceName, OriginName, tick: number, newest: number])[];
  /** What the origins have said. */
  readonly said: SaidInLog;
}

/** What a step has been delivered of its sources. */
export interface KnownSources {
  /** The origins that have named their sources. */
  readonly named: Iterable<OriginName>;
  readonly sources: Iterable<readonly [SourceName, OriginName, newest: number, SourceState]>;
}

/** The event time of one step on one worker. */
export class SourceTimes {
  readonly #worker: number;
  readonly #workers: number;
  readonly #isInOrder: boolean;
  readonly #steps: Map<OriginName, StepId>;
  readonly #origins: Map<OriginName, Origin>;
  #logged: LoggedTime | null;
  readonly #sources = new Map<SourceName, Source>();
  /** What was seen before a restart, of sources that no origin has named yet. */
  readonly #resumed = new Map<SourceName, number>();
  readonly #running = new QuietTime();
  /** How far event time has come: over all sources that hold it back, the least of their times. */
  readonly event: EventTime = new EventTime(-Infinity, () => this.#advance());
  #buckets: Bucket[] = [];
  #current: Bucket | null = null;
  /** Of the sources that are behind: the one that is least far, and the time of the next. */
  #behind: { first: Source | null; second: number } = { first: null, second: Infinity };
  #newestEnded = -Infinity;
  /** A step on the way may still send what it has kept of these. That counts for none. */
  readonly #ended = new Set<SourceName>();
  #newest = -Infinity; // of all sources
  /** Whether all origins have named their sources. */
  #isComplete = false;
  /** The source that is least far, and the time up to which that stays so. */
  #first: Source | null = null;
  #firstUntil = -Infinity;
  /** When a source that is current stops to hold, in the time that the step counts. */
  #releaseAt = Infinity;

  /** Begins before all time. */
  constructor(
    { origins, steps = new Map(), worker, workers, isInOrder, isLogged = false }: SourcesOfStep,
  ) {
    this.#steps = new Map(steps);
    this.#logged = isLogged ? new LoggedTime() : null;
    this.#worker = worker;
    this.#workers = workers;
    this.#isInOrder = isInOrder;
    this.#origins = new Map();
    for (const origin of origins) this.#addOrigin(origin);
  }

  #addOrigin(name: OriginName): Origin {
    const origin = {
      through: 0,
      reported: new Array(this.#workers).fill(0),
      closedTo: new Array(this.#workers).fill(Infinity),
      waiting: [],
    };
    this.#origins.set(name, origin);
    return origin;
  }

  /** Whether all of it comes through the log of a group. */
  get isLogged(): boolean {
    return this.#logged !== null;
  }

  /**
   * What all origins together have said, in a group. It is at negative infinity until each of them
   * has said something.
   */
  get together(): LoggedTick {
    return this.#logged!.together(this.#origins.keys());
  }

  /** Returns the quiet time since the last call, in milliseconds; 0 without a group. */
  takeQuiet(): number {
    return this.#logged?.takeQuiet() ?? 0;
  }

  /** Whether other workers have a part of the step, and have to answer. */
  get isShared(): boolean {
    return this.#workers > 1;
  }

  /** Whether all origins have named their sources. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /**
   * Returns the least of the newest times over all sources but one that are behind. It is in
   * milliseconds since the Unix epoch, and may go back. Infinity if there are none.
   */
  leastBeside(source: SourceName): number {
    const { first, second } = this.#behind;
    return first?.name === source ? second : first?.newest ?? Infinity;
  }

  /** The source that holds time back; `null` if none does. */
  get holding(): SourceName | null {
    return this.#first?.name ?? null;
  }

  /** The same, if it is behind, this origin reads it, and another source has come further. */
  heldUpBy(isOwn: (origin: OriginName) => boolean): SourceName | null {
    const first = this.#first;
    if (first === null || first.state !== "behind" || this.#newest <= first.newest) return null;
    return first.origin !== null && isOwn(first.origin) ? first.name : null;
  }

  /** Returns the newest time of a source that counts; negative infinity if there is none. */
  newestOf(source: SourceName): number {
    return this.#sources.get(source)?.newest ?? -Infinity;
  }

  /**
   * How far quiet time may go: as far as the window steps that are sources have come. Infinity if
   * there are none, or none has had values.
   */
  get quietUpTo(): number {
    let least = Infinity;
    for (const step of this.#steps.keys()) {
      const newest = this.newestOf(step);
      if (newest > -Infinity && newest < least) least = newest;
    }
    return least;
  }

  /** Returns the last tick of an origin that has passed on all workers. */
  through(origin: OriginName): number {
    return this.#originOf(origin).through;
  }

  /**
   * Returns up to where windows may have closed on any worker, in milliseconds since the Unix
   * epoch. It is what the workers said when they reported their last tick of an origin.
   */
  closedTo(origin: OriginName): number {
    return Math.max(...this.#originOf(origin).closedTo);
  }

  /**
   * Returns the last tick of an origin up to which it is known here how far a source has come. If
   * its items come in order, that is so once some have come here, and other workers are not asked.
   */
  known(origin: OriginName, source: SourceName): number {
    const { through } = this.#originOf(origin);
    const passed = this.#isInOrder ? this.#sources.get(source)?.passed ?? 0 : 0;
    return Math.max(through, passed);
  }

  /**
   * Counts time, so that a source stops to hold. Returns whether one did.
   *
   * @param now Of a clock that nobody sets, in milliseconds.
   * @param isBusy Whether the worker has not slept since the last look.
   */
  look(now: number, isBusy: boolean): boolean {
    this.#running.start(now);
    this.#running.look(now, isBusy);
    if (this.#running.ms < this.#releaseAt) return false;
    this.#advance();
    return true;
  }

  /** In how many milliseconds a look is due; infinity if none is. */
  get untilLook(): number {
    return Math.min(LOOK_EVERY_MS, this.#releaseAt - this.#running.ms);
  }

  /** Whether time has to be counted. */
  get isCounting(): boolean {
    return this.#releaseAt < Infinity;
  }

  /** The items that follow are of `source`, and were read after `tick` of `origin`. */
  from(source: SourceName, origin: OriginName, tick: number): void {
    this.#keepNewest();
    if (this.#logged !== null && source !== NO_SOURCE) this.#originOf(origin);
    if (this.#steps.has(origin) || source === NO_SOURCE) {
      this.#current = null;
      this.#aim();
      return;
    }
    const closes = tick + 1;
    const bucket = this.#buckets.find((each) =>
      each.tick === closes && each.source.name === source
    );
    this.#current = bucket ?? this.#addBucket(this.#sourceOf(source), origin, closes);
    this.#aim();
  }

  /** Partial results have come, in which the newest value has this time. */
  onNewest({ source: name, origin, tick, time }: Newest): void {
    this.#keepNewest();
    const closes = tick + 1;
    const bucket =
      this.#buckets.find((each) => each.tick === closes && each.source.name === name) ??
        this.#addBucket(this.#sourceOf(name), origin, closes);
    if (time > bucket.newest) bucket.newest = time;
    if (this.#isInOrder && time > bucket.source.newest) bucket.source.newest = time;
    this.#aim();
    this.#advance();
  }

  /** Items have come, from the source that was named last. */
  onItems(): void {
    if (this.#current !== null && this.#logged === null) this.#came(this.#current.source);
  }

  /** A tick has come on every way to this worker. Returns what to tell the other workers. */
  tick({ origin, number, states, reached, logged }: Tick): TickReport {
    this.#keepNewest();
    const isClosed = (bucket: Bucket) => bucket.origin === origin && bucket.tick <= number;
    const newest = new Map<SourceName, number>();
    for (const bucket of this.#buckets) {
      if (!isClosed(bucket) || bucket.newest === -Infinity) continue;
      const { source } = bucket;
      newest.set(source.name, Math.max(bucket.newest, newest.get(source.name) ?? -Infinity));
      source.passed = number;
      if (logged !== undefined) source.cameAt = logged.at;
      seeIn(bucket);
    }
    this.#buckets = this.#buckets.filter((bucket) => !isClosed(bucket));
    if (this.#current !== null && isClosed(this.#current)) {
      this.#current = this.#addBucket(this.#current.source, origin, number + 1);
    }
    this.#aim();
    this.#holdBack(number, states);
    this.#wait("states", origin, number, () => {
      for (const [name, state] of states) {
        const source = this.#sourceOf(name);
        source.origin = origin;
        if (source.behindFrom <= number) this.#setState(source, state, reached);
      }
      if (logged !== undefined) this.#onLogged(origin, states, logged);
    });
    const closedTo = this.event.closedTo();
    const report = { kind: "report", origin, number, newest: [...newest], closedTo } as const;
    this.report(this.#worker, report);
    return report;
  }

  /** A tick through the log has all sources of its origin, and says when that was true. */
  #onLogged(origin: OriginName, states: Tick["states"], tick: LoggedTick): void {
    const logged = this.#logged!;
    const named = new Set(states.map(([name]) => name));
    for (const source of [...this.#sources.values()]) {
      if (source.origin !== origin) continue;
      if (!named.has(source.name)) this.#setState(source, "ended");
      else logged.note(tick.knownAt ?? tick.at, source.newest);
    }
    logged.note(tick.knownAt ?? tick.at, this.#newestEnded);
    logged.onTick(origin, tick);
    const together = this.together;
    logged.forget(together.at);
    logged.passIdle(together);
  }

  /**
   * Sources that are behind hold time back at once. So what has been reported as closed stays true
   * until they come further: partial results of theirs cannot be late.
   */
  #holdBack(tick: number, states: Tick["states"]): void {
    const behind = states.filter(([, state]) => state === "behind");
    if (behind.length === 0) return;
    for (const [name] of behind) {
      const source = this.#sourceOf(name);
      source.state = "behind";
      source.behindFrom = tick;
      this.#ended.delete(name);
    }
    this.#advance();
  }

  /** A worker, this one or another, has passed a tick. */
  report(worker: number, { origin: name, number, newest, closedTo }: TickReport): void {
    const origin = this.#originOf(name);
    if (newest.length > 0) {
      this.#wait("times", name, number, () => {
        for (const [source, time] of newest) {
          if (this.#ended.has(source)) continue;
          const of = this.#sourceOf(source);
          of.newest = Math.max(of.newest, time);
          if (worker !== this.#worker) of.cameAt = this.#running.ms;
        }
      });
    }
    origin.reported[worker] = number;
    origin.closedTo[worker] = closedTo;
    origin.through = Math.min(...origin.reported);
    const due = origin.waiting.filter(({ tick }) => tick <= origin.through);
    if (due.length === 0) return;
    origin.waiting = origin.waiting.filter(({ tick }) => tick > origin.through);
    for (const { apply } of due.sort(inOrder)) apply();
    this.#advance();
  }

  /** Returns what was seen here of each source that has not ended, for a snapshot. */
  seen(): ReadonlyMap<SourceName, number> {
    this.#keepNewest();
    for (const bucket of this.#buckets) seeIn(bucket);
    const seen = [...this.#sources.values()].filter((source) => source.seen > -Infinity);
    return new Map([...this.#resumed, ...seen.map(({ name, seen }) => [name, seen] as const)]);
  }

  /**
   * Continues from what workers saw before a restart, and from how far time had come. Called before
   * anything else. A source that has ended meanwhile holds nothing back: no origin names it.
   */
  resume(seen: Iterable<readonly [SourceName, number]>, least: number): void {
    for (const [name, time] of seen) {
      this.#resumed.set(name, Math.max(this.#resumed.get(name) ?? -Infinity, time));
    }
    this.event.reach(least);
  }

  /** Returns what a snapshot needs in a group, where nothing else tells how far others are. */
  logged(): LoggedSources {
    this.#keepNewest();
    return {
      origins: [...this.#origins.keys()],
      isComplete: this.#isComplete,
      ...this.#isComplete ? {} : { named: this.#named() },
      sources: [...this.#sources.values()].map(({ name, origin, newest, cameAt, state }) =>
        [name, origin!, newest, cameAt, state] as const
      ),
      open: this.#buckets.filter(({ newest }) => newest > -Infinity)
        .map(({ source, origin, tick, newest }) => [source.name, origin, tick, newest] as const),
      said: this.#logged!.said(),
    };
  }

  /** What has been delivered of sources, so that those ahead wait for others; in a group. */
  get delivered(): KnownSources {
    const newest = new Map<Source, number>();
    for (const bucket of this.#buckets) {
      newest.set(bucket.source, Math.max(bucket.newest, newest.get(bucket.source) ?? -Infinity));
    }
    return {
      named: this.#isComplete ? this.#origins.keys() : this.#named(),
      sources: Array.from(this.#sources.values(), (source) => {
        const { name, origin, state } = source;
        const time = Math.max(source.newest, newest.get(source) ?? -Infinity);
        return [name, origin!, time, state] as const;
      }),
    };
  }

  /**
   * Continues from that, and from how far time had come. Called before anything else. What came
   * from steps that the flow does not have any more is left out.
   */
  resumeLogged(stored: LoggedSources, least: number): void {
    const { origins, isComplete, named = [], sources, open, said } = stored;
    this.#logged = new LoggedTime(said);
    // An origin that has been added has yet to name its sources.
    this.#isComplete = isComplete &&
      this.#origins.keys().every((origin) => origins.includes(origin));
    const steps = new Set([...this.#origins.keys()].map((origin) => partsOfOrigin(origin).step));
    const isThere = (origin: OriginName) => steps.has(partsOfOrigin(origin).step);
    for (const origin of origins) if (isThere(origin)) this.#originOf(origin);
    for (const each of named) {
      if (!isThere(each)) continue;
      const origin = this.#originOf(each);
      origin.reported.fill(1); // at least
      origin.through = 1;
    }
    for (const [name, origin, newest, cameAt, state] of sources) {
      if (isThere(origin)) Object.assign(this.#sourceOf(name), { origin, newest, cameAt, state });
    }
    for (const [name, origin, tick, newest] of open) {
      if (isThere(origin)) this.#addBucket(this.#sourceOf(name), origin, tick).newest = newest;
    }
    this.event.reach(least);
    this.#advance();
  }

  /** The origins that have named their sources. */
  #named(): OriginName[] {
    return [...this.#origins].filter(([, { through }]) => through > 0).map(([name]) => name);
  }

  #addBucket(source: Source, origin: OriginName, tick: number): Bucket {
    source.origin ??= origin;
    const bucket = { source, origin, tick, newest: -Infinity };
    this.#buckets.push(bucket);
    return bucket;
  }

  #came(source: Source): void {
    const isNews = source.state === "current" && !this.#holds(source);
    source.cameAt = this.#running.ms;
    if (isNews) this.#advance();
  }

  #setState(source: Source, state: SourceState, reached = -Infinity): void {
    source.state = state;
    source.newest = Math.max(source.newest, reached);
    if (state !== "ended") {
      this.#ended.delete(source.name);
      return;
    }
    this.#ended.add(source.name);
    if (this.#current?.source === source) {
      this.#keepNewest();
      this.#current = null;
      this.#aim();
    }
    this.#newestEnded = Math.max(this.#newestEnded, source.newest);
    this.#sources.delete(source.name);
  }

  #sourceOf(name: SourceName): Source {
    let source = this.#sources.get(name);
    if (source === undefined) {
      const seen = this.#resumed.get(name) ?? -Infinity;
      this.#resumed.delete(name);
      source = {
        name,
        state: "behind",
        newest: seen,
        seen,
        origin: null,
        cameAt: -Infinity,
        behindFrom: 0,
        passed: 0,
      };
      this.#sources.set(name, source);
    }
    return source;
  }

  #originOf(name: OriginName): Origin {
    const origin = this.#origins.get(name);
    if (origin !== undefined) return origin;
    if (this.#logged === null) throw new Error(`nothing of "${name}" can come here`);
    // It reads a partition that was added.
    const { step } = partsOfOrigin(name);
    if ([...this.#steps.values()].includes(step)) this.#steps.set(name, step);
    return this.#addOrigin(name);
  }

  #wait(what: Waiting["what"], origin: OriginName, tick: number, apply: () => void): void {
    this.#originOf(origin).waiting.push({ what, tick, apply });
  }

  #holds({ name, newest, state, cameAt, origin }: Source): boolean {
    if (state === "behind") return true;
    const now = this.#logged === null ? this.#running.ms : this.#logged.at(origin!);
    if (now - cameAt < CURRENT_HOLDS_MS) return true;
    const step = this.#steps.get(name);
    return step !== undefined && newest > -Infinity && this.#isBehind(step);
  }

  /** Where a source holds time back; infinity if it does not. */
  #holdsAt(source: Source): number {
    if (this.#holds(source)) return source.newest;
    if (this.#logged === null) return Infinity;
    return Math.max(source.newest, this.#logged.newestBy(this.#logged.at(source.origin!)));
  }

  /**
   * Returns whether a window step is behind on some worker. Its workers have the same sources, so
   * one of them that has nothing now may soon have what is as old.
   */
  #isBehind(step: StepId): boolean {
    return this.#steps.entries().some(([name, of]) =>
      of === step && this.#sources.get(name)?.state === "behind"
    );
  }

  #advance(): void {
    this.#isComplete ||= this.#origins.values().every(({ through }) => through > 0);
    this.#keepNewest();
    if (!this.#isComplete) return;
    this.#resumed.clear(); // all sources have been named
    let first: Source | null = null;
    let least = Infinity; // where that one holds time back
    let second = Infinity;
    let most = this.#newestEnded;
    const behind: { first: Source | null; second: number } = { first: null, second: Infinity };
    this.#releaseAt = Infinity;
    for (const source of this.#sources.values()) {
      const { newest } = source;
      if (newest > most) most = newest;
      const holdsAt = this.#holdsAt(source);
      if (holdsAt === Infinity) continue;
      if (source.state === "behind") {
        if (behind.first === null || newest < behind.first.newest) {
          behind.second = behind.first?.newest ?? Infinity;
          behind.first = source;
        } else behind.second = Math.min(behind.second, newest);
      } else if (this.#logged === null) {
        const releaseAt = source.cameAt + CURRENT_HOLDS_MS;
        if (releaseAt > this.#running.ms) this.#releaseAt = Math.min(this.#releaseAt, releaseAt);
      }
      if (first === null || holdsAt < least) {
        second = least;
        [first, least] = [source, holdsAt];
      } else if (holdsAt < second) second = holdsAt;
    }
    this.#behind = behind;
    this.#newest = most;
    this.#first = first;
    this.#firstUntil = second;
    this.event.reach(first === null ? most : least);
    this.#aim();
  }

  /** Notes the newest time of the values that have come since the last look. */
  #keepNewest(): void {
    const current = this.#current;
    if (current === null) return;
    const { newest } = this.event;
    current.newest = newest;
    if (this.#isInOrder && newest > current.source.newest) current.source.newest = newest;
  }

  /** Makes the step's time follow the values that come, as far as that can be. */
  #aim(): void {
    const { event } = this;
    const current = this.#current;
    event.newest = current?.newest ?? Infinity;
    const isLed = this.#isInOrder && this.#isComplete && current !== null;
    if (!isLed || (this.#first !== null && this.#first !== current.source)) event.until = -Infinity;
    else if (this.#first === null) event.until = Infinity;
    // Where no other source has had a value either, the first one of this source is beyond that.
    else event.until = Math.max(this.#firstUntil, -Number.MAX_VALUE);
  }
}

function seeIn({ source, newest }: Bucket): void {
  if (newest > source.seen) source.seen = newest;
}

/** A source that ends with a tick may have sent items before it: states follow times. */
function inOrder(a: Waiting, b: Waiting): number {
  if (a.tick !== b.tick || a.what === b.what) return a.tick - b.tick;
  return a.what === "times" ? -1 : 1;
}
