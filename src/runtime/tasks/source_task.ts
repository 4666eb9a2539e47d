import type { Epoch, StepId } from "../../core/ids.ts";
import { snapshotOf } from "../../core/snapshot.ts";
import type { InputReader, Positions } from "../../graph/contracts.ts";
import { IDLE_AFTER_MS } from "../../graph/idle_after.ts";
import { stepError } from "../step_error.ts";
import type { Activity } from "../activity/activity.ts";
import { SourceActivity } from "../activity/source_activity.ts";
import type { WorkerNotes } from "../input_notes.ts";
import type { InputAlignment } from "../time/source_alignment.ts";
import { SourceTicks } from "../time/source_ticks.ts";
import type { Outlet } from "../outlet.ts";
import type { Traces } from "../traces.ts";
import type { EpochSource, TaskHost, Waits } from "./task.ts";

/** How long an input that has nothing now and resolves `ready` at once is left alone, at most. */
const LONGEST_PAUSE_MS = 10;

/** How often to look whether an input of a group still has to wait for others, in milliseconds. */
const LOOK_WHILE_HELD_MS = 100;

/** The name under which the number of the last tick is stored. */
const TICK = "tick";

const ENDED = "the input has ended, and the inputs of a group must not, as no machine knows when " +
  "those of all others have: read on at the end, or run the flow without --group";

/** What a source's task needs to know of its run. */
export interface SourceOptions {
  /** The one that the run starts in. */
  readonly epoch: Epoch;
  /** Whether any step downstream needs to know when there is nothing to read. */
  readonly tellsActivity: boolean;
  /**
   * Keeps the input together with others in event time; `null` or absent where no step downstream
   * goes by that.
   */
  readonly alignment?: InputAlignment | null;
  /**
   * Whether steps downstream learn of event time through the log of a group. They are told at the
   * end of each epoch, as nothing of it gets there before.
   */
  readonly isLogged?: boolean;
  /** Keeps what the input says to outputs at the end of each epoch. */
  readonly notes?: WorkerNotes;
  /** Is told what has been read; `null` or absent if nobody needs to know. */
  readonly traces?: Traces | null;
  /** Whether the input must not end, as nobody could know that all of its parts have. */
  readonly isEndless?: boolean;
}

/** Reads an input. Asks it for a batch when there is room downstream, so a slow output slows it. */
export class SourceTask implements EpochSource {
  readonly stepId: StepId;
  readonly #reader: InputReader<unknown>;
  readonly #outlet: Outlet;
  readonly #host: TaskHost;
  readonly #activity: SourceActivity | null;
  readonly #ticks: SourceTicks | null;
  readonly #alignment: InputAlignment | null;
  readonly #isLogged: boolean;
  readonly #notes: WorkerNotes | null;
  readonly #traces: Traces | null;
  readonly #isEndless: boolean;
  #epoch: Epoch;
  #closed: { epoch: Epoch; positions: Positions }[] = []; // epochs that have not been committed yet
  #committed: Positions | null = null; // that the input has not been told of yet
  #telling: Promise<void> = Promise.resolve();
  #closeThrough: Epoch = -1; // epochs up to this one are to end before the next batch
  #stopping = false;
  #isFull = false; // whether the epoch has enough
  #failed = false; // the input has: it is not asked again
  #ended = false;
  #waiting = false;
  #isTickDue = false; // after what was read last
  #holds = false; // whether it waits for other sources only
  #isReadyPending = false; // whether the input has been asked when it is ready
  #empty = 0; // times in a row that the input had nothing
  #resumeAt = -Infinity;

  /** Reads nothing yet. */
  constructor(
    stepId: StepId,
    reader: InputReader<unknown>,
    outlet: Outlet,
    host: TaskHost,
    {
      epoch,
      tellsActivity,
      alignment = null,
      isLogged = false,
      notes,
      traces = null,
      isEndless = false,
    }: SourceOptions,
  ) {
    this.stepId = stepId;
    this.#reader = reader;
    this.#outlet = outlet;
    this.#host = host;
    this.#epoch = epoch;
    this.#activity = tellsActivity ? new SourceActivity(() => host.elapsed()) : null;
    const hasTicks = alignment !== null || isLogged;
    this.#ticks = hasTicks ? new SourceTicks(stepId, host.workerIndex, reader) : null;
    this.#isLogged = isLogged;
    this.#alignment = alignment;
    this.#notes = notes ?? null;
    this.#traces = traces;
    this.#isEndless = isEndless;
  }

  /** Notes where the input is before a run's first epoch. */
  begin(epoch: Epoch, time: Positions = new Map()): void {
    this.#host.journal?.recordPositions(epoch, this.stepId, "input", this.#reader.positions());
    if (this.#isLogged) {
      this.#ticks!.resume((time.get(TICK) ?? 0) as number);
      this.#recordTick(epoch);
    }
    this.#recordNote(epoch);
  }

  /** Ends an epoch after what has been read so far. */
  trigger(epoch: Epoch): void {
    this.#closeThrough = epoch;
  }

  /** Reads no more than what the input has taken from outside and cannot read again. */
  stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#alignment?.release(); // others may have stopped, and come up no more
    if (this.#failed || this.#ended) return;
    try {
      this.#reader.stop?.();
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  /** How much an input has fetched ahead is not known here. */
  get queued(): number {
    return this.#outlet.left;
  }

  get waits(): Waits {
    if (this.#ended) return null;
    if (this.#isFull) return "room";
    const hasMore = !this.#waiting || this.#outlet.left > 0;
    return this.#outlet.isBlocked && hasMore ? "room" : null;
  }

  run(): boolean {
    if (this.#ended) return false;
    const state = this.#outlet.pump();
    if (state !== "ready") {
      this.#tell(this.#activity?.onBlocked());
      return state === "worked";
    }
    if (this.#stopping && (this.#failed || this.#reader.stop === undefined)) return this.#end(true);
    this.#isFull = false;
    if (this.#epoch <= this.#closeThrough) return this.#barrier();
    if (this.#tick(false) || this.#tellFirst()) return true;
    const activity = this.#activity;
    activity?.look();
    if (this.#isHeld()) return this.#tell(activity?.onReading());
    if (this.#waiting) return this.#nothing(activity?.onWaiting());
    if (this.#failed || this.#isPausing()) {
      return this.#tell(activity?.onReading());
    }
    this.#isFull = !this.#stopping && !this.#host.mayRead(this.#epoch);
    if (this.#isFull) return this.#tell(activity?.onReading());
    const batch = this.#next();
    if (batch === undefined) return true;
    if (batch === null) {
      if (!this.#isEndless || this.#stopping) return this.#end(this.#stopping);
      this.#fail(new Error(ENDED));
      return true;
    }
    if (batch.length === 0) {
      if (this.#alignment?.isHeld === true) return this.#hold();
      // Asked before `ready`, which goes by the answer.
      const idle = activity === null || (this.#reader.idle?.() ?? IDLE_AFTER_MS);
      this.#wait();
      const hasTold = this.#tell(activity?.onNothing(idle));
      return this.#tick(true) || hasTold;
    }
    this.#empty = 0;
    this.#tell(activity?.onBatch());
    this.#tellSource(batch.length);
    this.#traces?.read(this.#epoch, batch);
    this.#outlet.emit(batch, this.#epoch);
    return true;
  }

  /** Tells those downstream where the next items come from. */
  #tellSource(items: number): void {
    const ticks = this.#ticks;
    if (ticks === null) return;
    const from = ticks.onBatch();
    if (from !== null) this.#outlet.time(from);
    const alignment = this.#alignment;
    this.#isTickDue = alignment?.onRead(ticks.source, items, ticks.number + 1) ?? false;
  }

  /** What could be read is to wait. It counts as being read: the input is not idle. */
  #hold(): boolean {
    this.#holds = true;
    this.#wait();
    const hasTold = this.#tell(this.#activity?.onNothing(false));
    return this.#tick(true) || hasTold;
  }

  /** There is nothing to read. What may follow from that is told at once. */
  #nothing(message: Activity | null | undefined): boolean {
    if (!this.#tell(message)) return false;
    this.#tick(true);
    return true;
  }

  /** Returns whether it waits until other sources have come up, or it has more to read itself. */
  #isHeld(): boolean {
    if (!this.#holds) return false;
    // In a group, no tick says that another source has become current.
    if (this.#isLogged) this.#alignment!.look();
    if (this.#waiting && this.#alignment!.isHeld) return true;
    this.#holds = this.#waiting = false;
    return false;
  }

  wakeTime(): number {
    if (this.#ended) return Infinity;
    const resume = this.#waiting || this.#empty === 0 ? Infinity : this.#resumeAt;
    const hasLook = this.#empty > 0 || this.#holds;
    const look = hasLook ? this.#activity?.nextLook(this.#waiting) ?? Infinity : Infinity;
    const ticks = this.#outlet.isBlocked || this.#isLogged ? null : this.#ticks;
    const tick = this.#isLogged && this.#holds
      ? this.#host.elapsed() + LOOK_WHILE_HELD_MS
      : ticks?.lookAt ?? Infinity;
    return this.#inRunTime(Math.min(resume, look, tick));
  }

  #inRunTime(elapsed: number): number {
    if (elapsed === Infinity) return elapsed; // without a look at two clocks before each sleep
    return this.#host.now() + elapsed - this.#host.elapsed();
  }

  /** Returns whether there was anything to tell: those downstream are to look at it first. */
  #tell(message: Activity | null | undefined): boolean {
    if (message === null || message === undefined) return false;
    if (message.kind === "active") this.#ticks?.onActive();
    this.#outlet.activity(message);
    return true;
  }

  /** Tells those downstream what has passed, and which sources have something to read. */
  #tick(isDue: boolean): boolean {
    if (this.#ticks === null || this.#isLogged) return false;
    const isIdle = this.#activity!.saysIdle;
    const tick = this.#ticks.tick(isIdle, this.#host.elapsed(), isDue) ??
      (this.#isTickDue ? this.#ticks.tickItems() : null);
    this.#isTickDue = false;
    if (tick === null) return false;
    this.#outlet.time(tick);
    return true;
  }

  #isPausing(): boolean {
    return this.#empty > 0 && this.#host.elapsed() < this.#resumeAt;
  }

  /** `undefined` where the input has failed. */
  #next(): unknown[] | null | undefined {
    const most = this.#mostOfShare();
    if (most === 0) return [];
    try {
      return this.#reader.next(Math.min(this.#outlet.room, most));
    } catch (thrown) {
      this.#fail(thrown);
      return undefined;
    }
  }

  /** Inputs with several sources ask by themselves which to read. */
  #mostOfShare(): number {
    if (this.#alignment === null || this.#reader.sources !== undefined) return Infinity;
    return this.#alignment.mostOfShare();
  }

  #fail(thrown: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#host.inputFailed(stepError(this, this.#host, thrown));
  }

  /**
   * An epoch has been committed. Resolves when the input has been told. It is told of one epoch at
   * a time, so that older positions never overtake newer ones.
   */
  commit(epoch: Epoch): Promise<void> {
    const committed = this.#closed.findLast((closed) => closed.epoch <= epoch);
    if (committed === undefined) return this.#telling;
    this.#closed = this.#closed.filter((closed) => closed.epoch > epoch);
    this.#committed = committed.positions;
    return this.#telling = this.#telling.then(() => this.#tellCommitted());
  }

  async #tellCommitted(): Promise<void> {
    const positions = this.#committed;
    this.#committed = null;
    if (positions === null) return; // it has been told of a later epoch
    try {
      await this.#reader.committed!(positions);
    } catch (thrown) {
      throw stepError(this, this.#host, thrown);
    }
  }

  #barrier(): boolean {
    this.#recordPositions();
    this.#recordNote(this.#epoch);
    this.#tellTick();
    this.#outlet.control({ kind: "barrier", epoch: this.#epoch }, this.#epoch);
    this.#epoch++;
    this.#host.passed(this);
    return true;
  }

  /**
   * Names the sources before their first items, through the log of a group. Time begins with that,
   * and must not depend on how much is read until the first epoch ends.
   */
  #tellFirst(): boolean {
    if (!this.#isLogged || this.#ticks!.number > 0) return false;
    this.#outlet.time(this.#ticks!.fullTick(false, this.#host.now()));
    return true;
  }

  /** So all workers' parts of a step have the same time in their snapshots. */
  #tellTick(): void {
    const ticks = this.#ticks;
    if (ticks === null) return;
    const isIdle = this.#activity?.saysIdle ?? false;
    if (!this.#isLogged) this.#outlet.time(ticks.tickNow(isIdle, this.#host.elapsed()));
    else {
      this.#outlet.time(ticks.fullTick(isIdle, this.#host.now()));
      this.#recordTick(this.#epoch);
    }
  }

  /** The next run's ticks have higher numbers. */
  #recordTick(epoch: Epoch): void {
    const positions = new Map([[TICK, this.#ticks!.number]]);
    this.#host.journal?.recordPositions(epoch, this.stepId, "time", positions);
  }

  #end(stopped: boolean): boolean {
    this.#recordPositions();
    this.#recordNote(this.#epoch);
    // At a stop they have not ended: the next run goes on with them.
    if (this.#isLogged) this.#recordTick(this.#epoch);
    if (this.#ticks !== null && !stopped) this.#outlet.time(this.#ticks.end());
    this.#outlet.control({ kind: "end", stopped }, this.#epoch);
    this.#ended = true;
    this.#host.ended(this, stopped);
    return true;
  }

  #recordNote(epoch: Epoch): void {
    if (this.#failed || this.#reader.forOutputs === undefined) return;
    this.#notes?.record(this.stepId, epoch, this.#reader.forOutputs());
  }

  #recordPositions(): void {
    const { journal } = this.#host;
    const isTold = this.#reader.committed !== undefined;
    // After an error, positions may be beyond what was handed out.
    if (this.#failed || (!isTold && journal === null)) return;
    const positions = this.#reader.positions();
    journal?.recordPositions(this.#epoch, this.stepId, "input", positions);
    // The reader may go on changing what it gave.
    if (isTold) this.#closed.push({ epoch: this.#epoch, positions: copyOf(positions) });
  }

  /** Sleeps until the input is ready; longer each time that it says so and has nothing. */
  #wait(): void {
    this.#waiting = true;
    const pause = this.#holds ? 0 : Math.min(this.#empty++, LONGEST_PAUSE_MS);
    // One that is held without being asked has no other source. One that was asked answers later.
    if (this.#isReadyPending || (this.#holds && this.#reader.sources === undefined)) return;
    this.#isReadyPending = true;
    Promise.try(() => this.#reader.ready()).then(
      () => {
        this.#isReadyPending = this.#waiting = false;
        this.#resumeAt = this.#host.elapsed() + pause;
        this.#host.wake();
      },
      (thrown) => this.#fail(thrown),
    );
  }
}

function copyOf(positions: Positions): Positions {
  return new Map([...positions].map(([partition, state]) => [partition, snapshotOf(state)]));
}
