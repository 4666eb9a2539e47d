/**
 * Which source a worker's inputs read next, so that none gets far ahead of others in event time.
 *
 * The times of sources are known at the window steps (`source_times.ts`), once items have come that
 * far. So an input may read on ahead of the answer, but not by much. Flink calls this watermark
 * alignment. It compares the sources each second, and stops those that are ahead. Here each batch
 * is decided by itself.
 *
 * Nobody waits for a source that has been read up to its end. A source that reaches several window
 * steps waits only if it is ahead at all of them. Else each of two steps could stop the source that
 * the other waits for.
 *
 * @module
 */
import type { PartitionName, StepId, WorkerIndex } from "../../core/ids.ts";
import type { SourceAlignment } from "../../graph/contracts.ts";
import { type OriginName, originName, type SourceName } from "./controls.ts";
import { SourceNames } from "./source_names.ts";

/** The fewest items that a source may be ahead of the answer, however far apart their times are. */
const FEWEST = 256;

/**
 * The same where they lie close together. An answer from all workers takes some milliseconds, and
 * with fewer items, three workers read a backlog at half the speed.
 */
const FEWEST_CLOSE = 1_024;

/**
 * With several workers, a source may be this many items ahead where they lie close together, as
 * far as `CLOSE` drifts. What others report takes a while, and meanwhile this worker reads on.
 */
const LEAD = 1_024;

/**
 * With several workers, a source that may have to wait for others is read in pieces of this many
 * items.
 */
const PIECE = 512;

/** This many drifts are close. */
const CLOSE = 4;

/** The most items. */
const MOST = 32_768;

/** How many times as many items may be on their way to some worker. */
const UNDERWAY = 4;

/**
 * How many ticks follow before a source has to wait. With one at the end only, nothing would be
 * under way when its answer comes.
 */
const TICKS_AHEAD = 4;

/** What is known of the sources of a window step; `SourceTimes` says more of each. */
export interface AlignedTimes {
  /** Whether other workers have a part of the step, and have to answer. */
  readonly isShared: boolean;
  /** Whether all origins have named their sources. */
  readonly isComplete: boolean;
  /** Returns the last tick of an origin that has passed on all workers. */
  through(origin: OriginName): number;
  /** Returns the last tick of an origin up to which it is known how far a source has come. */
  known(origin: OriginName, source: SourceName): number;
  /** Returns the newest time of a source that counts; negative infinity if there is none. */
  newestOf(source: SourceName): number;
  /** Returns the least of the newest times over all sources but one that are behind. */
  leastBeside(source: SourceName): number;
}

/** A window step on this worker, or in a group, one that this task sends to. */
export interface AlignedStep {
  readonly times: AlignedTimes;
  /** What can send something to it. */
  readonly origins: ReadonlySet<OriginName>;
  /** How far a source may be ahead of the one that is least far, in milliseconds. */
  readonly driftMs: number;
}

/** The window steps that an input reaches. */
interface AlignedSteps {
  readonly steps: readonly AlignedStep[];
  /** The largest drift of theirs. */
  readonly drift: number;
  /** Whether other workers have a part of any of them. */
  readonly isShared: boolean;
}

function together(steps: readonly AlignedStep[]): AlignedSteps {
  return {
    steps,
    drift: Math.max(...steps.map(({ driftMs }) => driftMs)),
    isShared: steps.some(({ times }) => times.isShared),
  };
}

/** Keeps the inputs of a worker together. */
export class WorkerAlignment {
  readonly #steps: AlignedStep[] = [];
  readonly #inputs = new Map<StepId, InputAlignment>();

  /** Adds a step, once the worker has made it. */
  add(step: AlignedStep): void {
    this.#steps.push(step);
  }

  /** Returns the part of an input on this worker. */
  input(step: StepId, worker: WorkerIndex): InputAlignment {
    let input = this.#inputs.get(step);
    if (input === undefined) {
      const origin = originName(step, worker);
      const stepsOf = () => this.#steps.filter(({ origins }) => origins.has(origin));
      const names = new SourceNames(step, worker);
      input = new InputAlignment(origin, (partition) => names.of(partition), stepsOf);
      this.#inputs.set(step, input);
    }
    return input;
  }

  /** A step knows more of its sources. */
  changed(): void {
    for (const input of this.#inputs.values()) input.look();
  }
}

/** Items that have been read, until ticks answer them. */
class Unanswered {
  /** How many they are. */
  items = 0;
  /** By the tick that closes them. */
  readonly #ticks: { readonly tick: number; items: number }[] = [];

  /** Adds items, which this tick closes. Returns how many it closes so far. */
  add(items: number, tick: number): number {
    let last = this.#ticks.at(-1);
    if (last?.tick !== tick) this.#ticks.push(last = { tick, items: 0 });
    last.items += items;
    this.items += items;
    return last.items;
  }

  /** Ticks up to this one have been answered. Returns how many items that were. */
  answer(through: number): number {
    let answered = 0;
    while (this.#ticks.length > 0 && this.#ticks[0].tick <= through) {
      answered += this.#ticks.shift()!.items;
    }
    this.items -= answered;
    return answered;
  }
}

/** What has been read of a source. */
interface Reading {
  /** Items of which it is not known here how far they go. */
  readonly ahead: Unanswered;
  /** Items that may still be on their way to some worker. */
  readonly underway: Unanswered;
  /** How many there may be, at the last look. */
  budget: number;
  /** Whether a tick has answered some. */
  isAnswered: boolean;
  /** The newest time at the last answer. */
  newest: number;
  /** Lately: how many items were answered, and by how many milliseconds that moved the time. */
  items: number;
  ms: number;
}

/** Keeps the sources of one input together, and with those of others. */
export class InputAlignment implements SourceAlignment {
  readonly #origin: OriginName;
  readonly #nameOf: (partition: PartitionName) => SourceName;
  readonly #stepsOf: () => AlignedStep[];
  readonly #readings = new Map<SourceName, Reading>();
  readonly #share: readonly SourceName[];
  #steps: AlignedSteps | null = null;
  #held: readonly SourceName[] = []; // what was asked for last, if all of it is to wait
  #isReleased = false;
  #turn = 0; // of the sources, where nothing is known of them
  #onChange: (() => void)[] = [];

  /**
   * @param origin The input on this worker.
   * @param nameOf Returns the name of a source in the run.
   * @param stepsOf Returns the window steps that it reaches. Asked once all are made.
   */
  constructor(
    origin: OriginName,
    nameOf: (partition: PartitionName) => SourceName,
    stepsOf: () => AlignedStep[],
  ) {
    this.#origin = origin;
    this.#share = [origin];
    this.#nameOf = nameOf;
    this.#stepsOf = stepsOf;
  }

  choose(
    ready: readonly PartitionName[],
  ): { readonly source: PartitionName; readonly most: number } | null {
    const names = ready.map(this.#nameOf);
    const chosen = this.#choose(names);
    this.#held = chosen === null ? names : [];
    return chosen === null ? null : { source: ready[chosen.index], most: chosen.most };
  }

  /** Returns how many items to read of an input that is one source; 0 if it is to wait. */
  mostOfShare(): number {
    const chosen = this.#choose(this.#share);
    this.#held = chosen === null ? this.#share : [];
    return chosen?.most ?? 0;
  }

  changed(): Promise<void> {
    if (!this.isHeld) return Promise.resolve();
    return new Promise((resolve) => this.#onChange.push(resolve));
  }

  /** Whether all that could be read is to wait. */
  get isHeld(): boolean {
    return this.#held.length > 0;
  }

  /** Items of a source have been read, which this tick closes. Returns whether the tick is due. */
  onRead(source: SourceName, items: number, tick: number): boolean {
    const reading = this.#readingOf(source);
    reading.underway.add(items, tick);
    return reading.ahead.add(items, tick) * TICKS_AHEAD >= reading.budget;
  }

  /** Looks whether what is held may be read now. */
  look(): void {
    if (this.isHeld && this.#choose(this.#held) !== null) this.#open();
  }

  /** Holds nothing any more, as the run is being stopped. */
  release(): void {
    this.#isReleased = true;
    this.#open();
  }

  #open(): void {
    this.#held = [];
    for (const resolve of this.#onChange.splice(0)) resolve();
  }

  #choose(sources: readonly SourceName[]): { index: number; most: number } | null {
    const { steps, drift, isShared } = this.#steps ??= together(this.#stepsOf());
    if (steps.length === 0 || this.#isReleased) {
      // As for inputs that no window step goes by.
      return { index: this.#turn++ % sources.length, most: Infinity };
    }
    let through = Infinity;
    for (const { times } of steps) {
      // Otherwise it would depend on who begins first whether the first values can be late.
      if (!times.isComplete) return null;
      through = Math.min(through, times.through(this.#origin));
    }
    let chosen: { index: number; most: number } | null = null;
    let least = Infinity;
    let fewest = Infinity;
    for (let index = 0; index < sources.length; index++) {
      const source = sources[index];
      const reading = this.#readingOf(source);
      let newest = Infinity;
      let known = Infinity;
      for (const { times } of steps) {
        newest = Math.min(newest, times.newestOf(source));
        known = Math.min(known, times.known(this.#origin, source));
      }
      answer(reading, known, newest);
      reading.underway.answer(through);
      const room = roomOf(steps, source, isShared ? leadOf(reading, drift) : 0);
      if (room < 0) continue;
      reading.budget = budgetOf(reading, newest, room, drift);
      const ahead = reading.ahead.items;
      let most = Math.min(
        reading.budget - ahead,
        reading.budget * UNDERWAY - reading.underway.items,
      );
      if (most <= 0) continue;
      if (isShared && room < Infinity && most > PIECE) most = PIECE;
      const at = reading.items > 0 ? newest + ahead * reading.ms / reading.items : newest;
      if (chosen !== null && (at > least || (at === least && ahead >= fewest))) continue;
      [chosen, least, fewest] = [{ index, most }, at, ahead];
    }
    return chosen;
  }

  #readingOf(source: SourceName): Reading {
    let reading = this.#readings.get(source);
    if (reading === undefined) {
      const newest = -Infinity;
      reading = {
        ahead: new Unanswered(),
        underway: new Unanswered(),
        budget: FEWEST,
        isAnswered: false,
        newest,
        items: 0,
        ms: 0,
      };
      this.#readings.set(source, reading);
    }
    return reading;
  }
}

/** Notes which items have been answered, and how far they have moved the time. */
function answer(reading: Reading, known: number, newest: number): void {
  const answered = reading.ahead.answer(known);
  if (answered === 0) return;
  reading.isAnswered = true;
  if (reading.newest > -Infinity) {
    // Of both the same share, as the time may be ahead of the answer, or after it.
    reading.items = reading.items / 2 + answered;
    reading.ms = reading.ms / 2 + newest - reading.newest;
  }
  reading.newest = newest;
}

/** Returns how many milliseconds of event time a source may go on; negative if it has to wait. */
function roomOf(steps: readonly AlignedStep[], source: SourceName, lead: number): number {
  let room = -1;
  for (const { times, driftMs } of steps) {
    const newest = times.newestOf(source);
    // Not known yet is like far away: it is found out with few items.
    const isUnknown = newest === -Infinity;
    const most = Math.max(driftMs, lead);
    const here = isUnknown ? driftMs : times.leastBeside(source) + most - newest;
    if (here > room) room = here;
  }
  return room;
}

/**
 * Returns how far a source may be ahead at least where items lie close together, in milliseconds of
 * event time. What other workers send takes a while, and meanwhile this one reads on.
 */
function leadOf({ items, ms }: Reading, drift: number): number {
  return items > 0 ? Math.min(CLOSE * drift, LEAD * ms / items) : 0;
}

/** Returns how many items of a source may be without an answer. */
function budgetOf(
  { items, ms, isAnswered }: Reading,
  newest: number,
  room: number,
  drift: number,
): number {
  // What the steps on the way drop has no time, and to wait for it helps nobody.
  if (newest === -Infinity) return isAnswered ? MOST : FEWEST;
  if (room === Infinity) return Infinity;
  if (items === 0) return FEWEST;
  if (ms === 0) return MOST;
  const close = Math.min(FEWEST_CLOSE, CLOSE * drift * items / ms);
  return Math.ceil(Math.min(MOST, Math.max(FEWEST, close, room * items / ms)));
}
