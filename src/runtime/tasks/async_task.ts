import type { Epoch, StepId } from "../../core/ids.ts";
import { ItemError, type StepError } from "../../core/errors.ts";
import { isPromiseLike } from "../../core/promises.ts";
import { preview } from "../../core/preview.ts";
import type { AsyncNode } from "../../graph/nodes.ts";
import { type Activity, isActivity } from "../activity/activity.ts";
import { RelayedActivity } from "../activity/relayed_activity.ts";
import type { From, Tick } from "../time/controls.ts";
import { type EpochEnd, type Incoming, isBatch, isEpochEnd } from "../channel.ts";
import type { Outlet } from "../outlet.ts";
import { stepError } from "../step_error.ts";
import type { Task, TaskHost, Waits } from "./task.ts";

/** What items share that came after one another. */
interface Stretch {
  /** How many ticks came before them. */
  readonly ticks: number;
  /** Where the items come from, where that matters. */
  readonly from: From | null;
}

/** In place of a result that is not there yet. */
const PENDING = Symbol();

/**
 * An item that is being worked on, or whose result waits for those before it. There is one for each
 * item, so it has no more fields than it needs.
 */
interface Slot {
  readonly stretch: Stretch;
  result: unknown;
}

const ACTIVE: Activity = { kind: "active" };

/**
 * Awaits a promise for each item, `concurrency` at a time. In order, a result waits for those
 * before it. While it does, it counts as one of the `concurrency`, so a slow item bounds memory.
 */
export class AsyncTask implements Task {
  readonly stepId: StepId;
  readonly #node: AsyncNode;
  readonly #input: Incoming;
  readonly #outlet: Outlet;
  readonly #host: TaskHost;
  readonly #signal: AbortSignal; // as the host's getter takes a noticeable part of an item's time
  #slots: Slot[] = []; // in the order of their items
  #control: EpochEnd | null = null; // held back until all slots are empty
  readonly #activity = new RelayedActivity();
  #stretch: Stretch = { ticks: 0, from: null }; // of the next items that come
  #told: From | null = null; // of those that went on last
  readonly #ticks: { readonly tick: Tick; readonly before: number }[] = []; // ticks before it
  #epoch: Epoch;
  #ended = false;
  #pending = 0; // calls that have not been settled
  #gaveUp = false; // whether a call has heeded the signal: its item has no result

  /** `epoch` is the one that the run starts in. */
  constructor(
    stepId: StepId,
    node: AsyncNode,
    input: Incoming,
    outlet: Outlet,
    host: TaskHost,
    epoch: Epoch,
  ) {
    this.stepId = stepId;
    this.#node = node;
    this.#input = input;
    this.#outlet = outlet;
    this.#host = host;
    this.#signal = host.calls;
    this.#epoch = epoch;
  }

  run(): boolean {
    if (this.#ended) return false;
    const state = this.#outlet.pump();
    const emitted = state === "ready" && this.#emit();
    const started = this.#start();
    // What is being worked on is on its way to those downstream: it is not quiet there.
    if (started) this.#outlet.activity(ACTIVE);
    if (state === "worked" || emitted || started) return true;
    return this.#tick() || this.#forward() || this.#tellIdle();
  }

  wakeTime(): number {
    return Infinity;
  }

  get isBusy(): boolean {
    return this.#slots.length > 0;
  }

  get queued(): number {
    return this.#input.items + this.#outlet.left;
  }

  get waits(): Waits {
    if (this.#outlet.isBlocked && (this.#outlet.left > 0 || this.#hasResult)) return "room";
    const isFull = this.#slots.length >= this.#node.concurrency || this.#control !== null;
    return isFull && this.#slots.length > 0 ? "calls" : null;
  }

  /** Whether a result is done that may go on. */
  get #hasResult(): boolean {
    return this.#node.ordered
      ? this.#slots.length > 0 && isDone(this.#slots[0])
      : this.#slots.some(isDone);
  }

  get inFlight(): number {
    return this.#slots.length;
  }

  /** Starts as many items as there are slots for. It takes no more than these: the others wait. */
  #start(): boolean {
    let started = false;
    if (this.#gaveUp) return started;
    while (this.#control === null) {
      const free = this.#node.concurrency - this.#slots.length;
      if (free <= 0) break;
      const message = this.#input.take(free);
      if (message === undefined) break;
      if (isBatch(message)) {
        this.#activity.onBatch();
        for (const item of message) this.#call(item);
        started = true;
      } else if (isActivity(message)) {
        // Held back like an epoch's end, it would hold up the items after it.
        const told = this.#activity.onActivity(message);
        if (told !== null) this.#outlet.activity(told);
      } else if (message.kind === "from") {
        this.#stretch = { ticks: this.#stretch.ticks, from: message };
      } else if (message.kind === "tick") {
        const { ticks, from } = this.#stretch;
        this.#ticks.push({ tick: message, before: ticks });
        this.#stretch = { ticks: ticks + 1, from };
      } else if (isEpochEnd(message)) this.#control = message;
    }
    return started;
  }

  /** Tells `idle`, once nothing is pending and all results are out. */
  #tellIdle(): boolean {
    if (!this.#activity.owesIdle || !this.#isDone) return false;
    this.#outlet.activity(this.#activity.tellIdle());
    return true; // so that those downstream look at it before the worker sleeps
  }

  /** Whether nothing is pending and all results are out. */
  get #isDone(): boolean {
    return this.#slots.length === 0 && this.#ticks.length === 0 && this.#outlet.pump() === "ready";
  }

  #call(item: unknown): void {
    const slot: Slot = { stretch: this.#stretch, result: PENDING };
    let promise: unknown;
    try {
      const { fn } = this.#node; // called bare, so that stacks do not show it as a method of ours
      promise = fn(item as never, this.#signal);
      if (!isPromiseLike(promise)) {
        throw new TypeError(
          `the function of mapAsync must return a promise; got ${preview(promise)} ` +
            `(use map for what need not be awaited)`,
        );
      }
    } catch (thrown) {
      throw this.#errorOf(item, thrown);
    }
    this.#slots.push(slot);
    this.#pending++;
    promise.then(
      (result) => {
        slot.result = result;
        this.#settled();
        this.#host.wake();
      },
      (thrown) => {
        // What fails because it was told to end is not a fault. Its slot stays: there is no result.
        if (this.#signal.aborted && !this.#host.signal.aborted) this.#gaveUp = true;
        else this.#host.fail(this.#errorOf(item, thrown));
        this.#settled();
      },
    );
  }

  #errorOf(item: unknown, thrown: unknown): StepError {
    return stepError(this, this.#host, new ItemError(item, { cause: thrown }));
  }

  /** A call is over. Where one has given up, the others are still waited for. */
  #settled(): void {
    this.#pending--;
    if (this.#gaveUp && this.#pending === 0) this.#host.gaveUp();
  }

  /**
   * Sends on what is done of one source, as far as there is room: in order, up to the first item
   * that is not. Then a tick, if all before it is out.
   */
  #emit(): boolean {
    const { room } = this.#outlet;
    const slots = this.#node.ordered ? this.#takeFirst(room) : this.#takeDone(room);
    if (slots.length > 0) {
      const { from } = slots[0].stretch;
      if (from !== null && from !== this.#told) {
        this.#outlet.time(from);
        this.#told = from;
      }
    }
    this.#outlet.emit(slots.map(({ result }) => result), this.#epoch);
    return this.#tick() || slots.length > 0;
  }

  /** Removes and returns at most `most` slots: the first ones, as far as they are done. */
  #takeFirst(most: number): Slot[] {
    const slots = this.#slots;
    let count = 0;
    while (
      count < most && count < slots.length && isDone(slots[count]) &&
      slots[count].stretch.from === slots[0].stretch.from
    ) count++;
    if (count === slots.length) { // as where calls end at once
      this.#slots = [];
      return slots;
    }
    const taken: Slot[] = [];
    while (taken.length < count) taken.push(slots.shift()!); // `splice` moves all others
    return taken;
  }

  /** Removes and returns at most `most` slots: those that are done. */
  #takeDone(most: number): Slot[] {
    const slots = this.#slots;
    const taken: Slot[] = [];
    let kept = 0;
    for (const slot of slots) {
      const isNext = isDone(slot) && taken.length < most &&
        (taken.length === 0 || slot.stretch.from === taken[0].stretch.from);
      if (isNext) taken.push(slot);
      else slots[kept++] = slot;
    }
    slots.length = kept;
    return taken;
  }

  #tick(): boolean {
    const [first] = this.#ticks;
    if (first === undefined) return false;
    if (this.#slots.length > 0 && this.#slots[0].stretch.ticks <= first.before) return false;
    if (this.#outlet.pump() !== "ready") return false;
    this.#ticks.shift();
    this.#outlet.time(first.tick);
    return true;
  }

  /** Lets the end of the epoch pass once nothing is pending and all results are out. */
  #forward(): boolean {
    const control = this.#control;
    if (control === null || !this.#isDone) return false;
    this.#control = null;
    this.#outlet.control(control, this.#epoch);
    if (control.kind === "barrier") {
      this.#epoch = control.epoch + 1;
      this.#host.passed(this);
    } else {
      this.#ended = true;
      this.#host.ended(this, control.stopped);
    }
    return true;
  }
}

function isDone(slot: Slot): boolean {
  return slot.result !== PENDING;
}
