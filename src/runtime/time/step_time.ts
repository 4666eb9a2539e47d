import { LOOK_EVERY_MS, QuietTime } from "../activity/quiet_time.ts";
import type { Incoming } from "../channel.ts";
import type { RemoteSender } from "../exchange/mesh.ts";
import type {
  From,
  OriginName,
  SourceName,
  SourceState,
  Tick,
  TickReport,
  TimeControl,
} from "./controls.ts";
import type { WorkerAlignment } from "./source_alignment.ts";
import type { LoggedSources, SourceTimes } from "./source_times.ts";

/** Begins the name under which a worker stores what it has seen of the sources. */
const SOURCES_OF = "sources on worker";

/** After how long a source that holds others back is told of, in milliseconds. */
const STUCK_MS = 10_000;

/**
 * How many ticks may pass before other workers are told, while there is more to do. Each report is
 * a message to every worker, and one report of several ticks says as much.
 */
const TICKS_TOLD_AT_ONCE = 8;

/** What a snapshot has of the sources, by worker. */
interface StoredSources {
  readonly seen: readonly (readonly [SourceName, number])[];
  readonly least: number;
}

/** The same in a group. */
interface StoredLogged extends LoggedSources {
  readonly least: number;
  /** The number of the last tick that those downstream were told. */
  readonly tick: number;
}

/** The time of the sources of a step, and the workers that the step runs on too. */
export interface StepSources {
  readonly times: SourceTimes;
  /** Its name for steps downstream that go by time too; `null` if there are none. */
  readonly origin: OriginName | null;
  /** By worker: where to report to, and where reports come from. */
  readonly peers: readonly {
    readonly worker: number;
    readonly to: RemoteSender;
    readonly from: Incoming;
  }[];
  /** Returns whether an origin is on this worker. */
  readonly isOwn: (origin: OriginName) => boolean;
  /** A source of this worker has held time back for long. */
  readonly onStuck: (source: SourceName, ms: number) => void;
  /** The inputs of this worker, which wait for one another. */
  readonly alignment: WorkerAlignment;
}

/**
 * Event time at one step: that of its sources, which goes on with system time while the step is
 * quiet. For steps downstream the step is a source itself.
 */
export class StepTime {
  readonly #sources: StepSources;
  readonly #quiet: QuietTime;
  #hasNews = false; // whether the time may have come further
  readonly #standing = new QuietTime(); // how long it has stood still while there was nothing to do
  #stoodAt = -Infinity;
  #isTold = false; // whether the source was told of that it stands for
  #tick = 0;
  #told: { state: SourceState; reached: number } = { state: "behind", reached: -Infinity };
  #fromTick = -1; // the one that those downstream know of
  #idleSince: number | null = null; // as the last tick through a log has said it
  readonly #reports = new Map<OriginName, TickReport>(); // that other workers are to be told
  #passed = 0; // how many ticks they are of

  constructor(sources: StepSources, quiet: QuietTime) {
    this.#sources = sources;
    this.#quiet = quiet;
  }

  /** Whether the time may have come further since `seen` was called. */
  get hasNews(): boolean {
    return this.#hasNews || this.#quiet.since !== null;
  }

  /** Whether all that is known of sources comes through the log of a group. */
  get isLogged(): boolean {
    return this.#sources.times.isLogged;
  }

  /** All that was due has been notified. */
  seen(): void {
    this.#hasNews = false;
  }

  /** Items come. */
  onItems(): void {
    this.#standing.stop();
    this.#sources.times.onItems();
  }

  /**
   * Accepts what other workers report, and counts how long sources have been silent.
   *
   * @param now Returns the time of a clock that nobody sets, in milliseconds.
   * @param isBusy Whether the worker has not slept since the last look.
   */
  look(now: () => number, isBusy: boolean): void {
    const { times, peers } = this.#sources;
    if (this.#quiet.ms > times.event.quiet) {
      times.event.passQuiet(this.#quiet.ms, times.quietUpTo);
    }
    for (const { worker, from } of peers) {
      for (let report; (report = from.take()) !== undefined;) {
        times.report(worker, report as TickReport);
        this.#onNews();
      }
    }
    if (times.isCounting && times.look(now(), isBusy)) this.#onNews();
  }

  /**
   * The step has nothing to do. Tells of the source for which time stands still, once.
   *
   * @param now As `look` returns it.
   */
  onNothing(now: () => number): void {
    const { times, isOwn, onStuck } = this.#sources;
    const source = times.heldUpBy(isOwn);
    if (source === null || times.event.now > this.#stoodAt) {
      this.#stoodAt = times.event.now;
      this.#standing.reset();
      this.#isTold = false;
    }
    if (source === null || this.#isTold) return;
    this.#standing.start(now());
    this.#standing.look(now());
    if (this.#standing.ms < STUCK_MS) return;
    this.#isTold = true;
    onStuck(source, this.#standing.ms);
  }

  /** In how many milliseconds a look is due; infinity if none is. */
  get untilLook(): number {
    const { times } = this.#sources;
    const untilStuck = this.#standing.since === null || this.#isTold ? Infinity : LOOK_EVERY_MS;
    return Math.min(untilStuck, times.isCounting ? times.untilLook : Infinity);
  }

  /** Something about the sources has come through the step's channel. */
  onControl(message: TimeControl): void {
    const { times, peers } = this.#sources;
    if (message.kind === "from") times.from(message.source, message.origin, message.tick);
    else if (message.kind === "newest") {
      times.onNewest(message);
      this.#onNews();
    } else if (message.kind === "tick") {
      const report = times.tick(message);
      if (peers.length > 0) this.#addReport(report);
      this.#quiet.pass(times.takeQuiet());
      this.#onNews();
    }
  }

  /** How far it has come, and which source holds it back; `null` until sources have sent values. */
  get reached(): { readonly time: number; readonly heldBy: SourceName | null } | null {
    const { event: { now }, holding } = this.#sources.times;
    return Number.isFinite(now) ? { time: now, heldBy: holding } : null;
  }

  /** Tells other workers which ticks have passed. Called before the step waits for anything. */
  tellPeers(): void {
    if (this.#passed === 0) return;
    this.#passed = 0;
    for (const report of this.#reports.values()) {
      for (const { to } of this.#sources.peers) to.control(report);
    }
    this.#reports.clear();
  }

  #addReport(report: TickReport): void {
    const { origin } = report;
    const before = this.#reports.get(origin);
    this.#reports.set(origin, before === undefined ? report : joined(before, report));
    if (++this.#passed >= TICKS_TOLD_AT_ONCE) this.tellPeers();
  }

  /** Whether steps downstream are to know how far this one has come. */
  get isOrigin(): boolean {
    return this.#sources.origin !== null;
  }

  /**
   * Returns what to tell steps downstream, if that is news.
   *
   * @param reached No result that is still to come has an earlier time.
   * @param isDone Whether none is to come while the inputs have nothing to read.
   */
  announce(reached: number, isDone: boolean): Tick | null {
    const { origin } = this.#sources;
    const state = isDone ? "current" : "behind";
    const isNews = this.#tick === 0 || state !== this.#told.state || reached > this.#told.reached;
    if (origin === null || !isNews) return null;
    this.#told = { state, reached };
    return { kind: "tick", origin, number: ++this.#tick, states: [[origin, state]], reached };
  }

  /**
   * Returns what to tell steps downstream through the log of a group, at the end of an epoch.
   *
   * @param reached No result that is still to come has an earlier time.
   * @param isHolding Whether windows are open.
   * @param now In milliseconds since the Unix epoch.
   */
  announceLogged(reached: number, isHolding: boolean, now: number): Tick | null {
    const { origin, times } = this.#sources;
    const { at, idleSince } = times.together;
    if (origin === null || at === -Infinity) return null;
    const isDone = idleSince !== null && !isHolding;
    this.#idleSince = isDone ? Math.max(this.#idleSince ?? at, idleSince) : null;
    const states = [[origin, isDone ? "current" : "behind"]] as const;
    const logged = { at, knownAt: Math.max(at, now), idleSince: this.#idleSince };
    return { kind: "tick", origin, number: ++this.#tick, states, reached, logged };
  }

  /** Returns what to say before results, if anything. */
  beforeResults(): From | null {
    const { origin } = this.#sources;
    this.#idleSince = null;
    if (origin === null || this.#fromTick === this.#tick) return null;
    this.#fromTick = this.#tick;
    return { kind: "from", source: origin, origin, tick: this.#tick };
  }

  /** Returns what goes into a snapshot, by name. */
  stored(worker: number): [name: string, state: StoredSources | StoredLogged] {
    const { times } = this.#sources;
    const name = `${SOURCES_OF} ${worker}`;
    const least = times.event.now;
    if (times.isLogged) return [name, { ...times.logged(), least, tick: this.#tick }];
    return [name, { seen: [...times.seen()], least }];
  }

  /** Continues from what a worker stored. Returns whether this was that. */
  resume(name: string, state: unknown): boolean {
    if (!name.startsWith(SOURCES_OF)) return false;
    const { times } = this.#sources;
    if (times.isLogged) {
      const { tick, least, ...logged } = state as StoredLogged;
      this.#tick = tick;
      times.resumeLogged(logged, least);
    } else {
      const { seen, least } = state as StoredSources;
      times.resume(seen, least);
    }
    return true;
  }

  #onNews(): void {
    this.#hasNews = true;
    this.#sources.alignment.changed();
  }
}

/** Returns the report of a tick that says what one of an earlier tick did, too. */
function joined(earlier: TickReport, { newest, ...tick }: TickReport): TickReport {
  const times = new Map(earlier.newest);
  for (const [source, time] of newest) {
    times.set(source, Math.max(time, times.get(source) ?? -Infinity));
  }
  return { ...tick, newest: [...times] };
}
