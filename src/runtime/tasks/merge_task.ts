import type { Epoch, StepId } from "../../core/ids.ts";
import { isActivity } from "../activity/activity.ts";
import { RelayedActivity } from "../activity/relayed_activity.ts";
import { EpochAlignment } from "../alignment.ts";
import { type Incoming, isBatch } from "../channel.ts";
import { isTimeControl, type OriginName, type Tick } from "../time/controls.ts";
import { MergedTime } from "../time/merged_time.ts";
import type { Outlet } from "../outlet.ts";
import type { Task, TaskHost, Waits } from "./task.ts";

/** Brings several channels together, and lets an epoch end when it has ended in all of them. */
export class MergeTask implements Task {
  readonly stepId: StepId;
  readonly #inputs: readonly Incoming[];
  readonly #outlet: Outlet;
  readonly #host: TaskHost;
  readonly #alignment: EpochAlignment;
  readonly #activity: RelayedActivity;
  readonly #time: MergedTime;
  #next = 0; // the channel to look at first, so that they alternate
  #stopped = false;
  #ended = false;

  /**
   * @param epoch The one that the run starts in.
   * @param carries Returns whether a channel can bring items of an origin.
   */
  constructor(
    stepId: StepId,
    inputs: readonly Incoming[],
    outlet: Outlet,
    host: TaskHost,
    epoch: Epoch,
    carries: (channel: number, origin: OriginName) => boolean = () => true,
  ) {
    this.#time = new MergedTime(inputs.length, carries);
    this.stepId = stepId;
    this.#inputs = inputs;
    this.#outlet = outlet;
    this.#host = host;
    this.#activity = new RelayedActivity(inputs.length);
    this.#alignment = new EpochAlignment(inputs.length, epoch);
  }

  /** It only waits: for a channel that has not come to the end of the epoch, or for room. */
  get isBusy(): boolean {
    return false;
  }

  get queued(): number {
    let items = this.#outlet.left;
    for (const input of this.#inputs) items += input.items;
    return items;
  }

  get waits(): Waits {
    return this.#outlet.isBlocked && this.queued > 0 ? "room" : null;
  }

  run(): boolean {
    if (this.#ended) return false;
    const state = this.#outlet.pump();
    if (state !== "ready") return state === "worked";
    for (let looked = 0; looked < this.#inputs.length; looked++) {
      const index = this.#next;
      this.#next = (index + 1) % this.#inputs.length;
      if (this.#alignment.isHeld(index)) continue;
      const { room } = this.#outlet;
      const message = this.#inputs[index].take(room);
      if (message === undefined) continue;
      if (isBatch(message)) {
        const from = this.#time.onBatch(index);
        if (from !== null) this.#outlet.time(from);
        this.#outlet.takes(message.length, room);
        this.#activity.onBatch(index);
        this.#outlet.emit(message, this.#alignment.epoch);
        return true;
      }
      if (isActivity(message)) {
        const told = this.#activity.onActivity(message, index);
        if (told !== null) this.#outlet.activity(told);
        return true;
      }
      if (isTimeControl(message)) {
        if (message.kind === "from") this.#time.onFrom(index, message);
        else if (message.kind === "tick") this.#tick(this.#time.onTick(index, message));
        else this.#outlet.time(message);
        return true;
      }
      if (message.kind === "barrier") this.#alignment.barrier(index, message.epoch);
      else {
        this.#stopped ||= message.stopped;
        this.#alignment.end(index);
        this.#activity.onEnd(index);
        this.#tick(this.#time.onEnd(index));
      }
      this.#forward();
      return true;
    }
    return this.#tellIdle();
  }

  wakeTime(): number {
    return Infinity;
  }

  #tick(ticks: readonly Tick[]): void {
    for (const tick of ticks) this.#outlet.time(tick);
  }

  #tellIdle(): boolean {
    if (!this.#activity.owesIdle || this.#ended || this.#alignment.isAligning) return false;
    this.#outlet.activity(this.#activity.tellIdle());
    return true; // so that those downstream look at it before the worker sleeps
  }

  #forward(): void {
    const state = this.#alignment.align();
    if (state.kind === "aligned") {
      this.#outlet.control({ kind: "barrier", epoch: state.epoch }, state.epoch);
      this.#host.passed(this);
    } else if (state.kind === "ended") {
      this.#outlet.control({ kind: "end", stopped: this.#stopped }, this.#alignment.epoch);
      this.#ended = true;
      this.#host.ended(this, this.#stopped);
    } else if (this.#alignment.isAligning) { // something may wait in what is held
      this.#activity.onWork();
      this.#outlet.activity({ kind: "active" });
    }
  }
}
