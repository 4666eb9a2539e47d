import type { Epoch, StepId } from "../../core/ids.ts";
import { snapshotOf } from "../../core/snapshot.ts";
import type { InputReader, Positions } from "../../graph/contracts.ts";
import { IDLE_AFTER_MS } from "../../graph/idle_after.ts";
import { stepError } from "../step_error.ts";
import type { Activity } from "../activity/activity.ts";
import { SourceActivity } from "../activity/source_activity.ts";
import type { Outlet } from "../outlet.ts";
import type { Task, TaskHost } from "./task.ts";

/** How long an input that has nothing now and resolves `ready` at once is left alone, at most. */
const LONGEST_PAUSE_MS = 10;

/** Reads an input. Asks it for a batch when there is room downstream, so a slow output slows it. */
export class SourceTask implements Task {
  readonly stepId: StepId;
  readonly #reader: InputReader<unknown>;
  readonly #outlet: Outlet;
  readonly #host: TaskHost;
  readonly #activity: SourceActivity | null;
  #epoch: Epoch;
  #closed: { epoch: Epoch; positions: Positions }[] = []; // epochs that have not been committed yet
  #committed: Positions | null = null; // that the input has not been told of yet
  #telling: Promise<void> = Promise.resolve();
  #closeThrough: Epoch = -1; // epochs up to this one are to end before the next batch
  #stopping = false;
  #failed = false; // the input has: it is not asked again
  #ended = false;
  #waiting = false;
  #empty = 0; // times in a row that the input had nothing
  #resumeAt = -Infinity;

  /**
   * @param options `epoch` is the one that the run starts in. `tellsActivity`: whether any step
   * downstream needs to know when there is nothing to read.
   */
  constructor(
    stepId: StepId,
    reader: InputReader<unknown>,
    outlet: Outlet,
    host: TaskHost,
    { epoch, tellsActivity }: { epoch: Epoch; tellsActivity: boolean },
  ) {
    this.stepId = stepId;
    this.#reader = reader;
    this.#outlet = outlet;
    this.#host = host;
    this.#epoch = epoch;
    this.#activity = tellsActivity ? new SourceActivity(() => host.elapsed()) : null;
  }

  /** Notes where the input is before a run's first epoch. */
  begin(epoch: Epoch): void {
    this.#host.journal?.recordPositions(epoch, this.stepId, "input", this.#reader.positions());
  }

  /** Ends an epoch after what has been read so far. */
  trigger(epoch: Epoch): void {
    this.#closeThrough = epoch;
  }

  /** Reads no more than what the input has taken from outside and cannot read again. */
  stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    if (this.#failed || this.#ended) return;
    try {
      this.#reader.stop?.();
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  run(): boolean {
    if (this.#ended) return false;
    const state = this.#outlet.pump();
    if (state !== "ready") {
      this.#tell(this.#activity?.onBlocked());
      return state === "worked";
    }
    if (this.#stopping && (this.#failed || this.#reader.stop === undefined)) return this.#end(true);
    if (this.#epoch <= this.#closeThrough) return this.#barrier();
    const activity = this.#activity;
    activity?.look();
    if (this.#waiting) return this.#tell(activity?.onWaiting());
    if (this.#failed || this.#isPausing()) {
      return this.#tell(activity?.onReading());
    }
    const batch = this.#next();
    if (batch === undefined) return true;
    if (batch === null) return this.#end(this.#stopping);
    if (batch.length === 0) {
      // Asked before `ready`, which goes by the answer.
      const idle = activity === null || (this.#reader.idle?.() ?? IDLE_AFTER_MS);
      this.#wait();
      return this.#tell(activity?.onNothing(idle));
    }
    this.#empty = 0;
    this.#tell(activity?.onBatch());
    this.#outlet.emit(batch, this.#epoch);
    return true;
  }

  wakeTime(): number {
    if (this.#ended) return Infinity;
    const resume = this.#waiting || this.#empty === 0 ? Infinity : this.#resumeAt;
    const look = this.#empty === 0 ? Infinity : this.#activity?.nextLook(this.#waiting) ?? Infinity;
    return this.#inRunTime(Math.min(resume, look));
  }

  #inRunTime(elapsed: number): number {
    if (elapsed === Infinity) return elapsed; // without a look at two clocks before each sleep
    return this.#host.now() + elapsed - this.#host.elapsed();
  }

  /** Returns whether there was anything to tell: those downstream are to look at it first. */
  #tell(message: Activity | null | undefined): boolean {
    if (message === null || message === undefined) return false;
    this.#outlet.activity(message);
    return true;
  }

  #isPausing(): boolean {
    return this.#empty > 0 && this.#host.elapsed() < this.#resumeAt;
  }

  /** `undefined` where the input has failed. */
  #next(): unknown[] | null | undefined {
    try {
      return this.#reader.next(this.#outlet.room);
    } catch (thrown) {
      this.#fail(thrown);
      return undefined;
    }
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
    this.#outlet.control({ kind: "barrier", epoch: this.#epoch }, this.#epoch);
    this.#epoch++;
    this.#host.passed(this);
    return true;
  }

  #end(stopped: boolean): boolean {
    this.#recordPositions();
    this.#outlet.control({ kind: "end", stopped }, this.#epoch);
    this.#ended = true;
    this.#host.ended(this, stopped);
    return true;
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
    const pause = Math.min(this.#empty++, LONGEST_PAUSE_MS);
    Promise.try(() => this.#reader.ready()).then(
      () => {
        this.#waiting = false;
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
