import type { Epoch, StepId } from "../../core/ids.ts";
import { ItemError } from "../../core/errors.ts";
import type { Positions } from "../../graph/contracts.ts";
import type { StatefulNode, StepScope } from "../../graph/nodes.ts";
import { isActivity } from "../activity/activity.ts";
import { LOOK_EVERY_MS, QuietTime } from "../activity/quiet_time.ts";
import { RelayedActivity } from "../activity/relayed_activity.ts";
import { type EpochEnd, type Incoming, isBatch } from "../channel.ts";
import { Expansion } from "../expansion.ts";
import { createKeyedLoop, type KeyedLoop } from "../keyed/keyed_loop.ts";
import { stepScope } from "../step_scope.ts";
import type { Outlet } from "../outlet.ts";
import { stepError } from "../step_error.ts";
import type { Task, TaskHost } from "./task.ts";

/**
 * Runs a stateful step. Timers depend on the clock alone, never on new items or epochs. The clock
 * of steps that are `quiet` stands still while anything is to be read.
 */
export class StatefulTask implements Task {
  readonly stepId: StepId;
  readonly #keyed: KeyedLoop;
  readonly #input: Incoming;
  readonly #outlet: Outlet;
  readonly #host: TaskHost;
  readonly #isQuiet: boolean;
  readonly #quiet = new QuietTime();
  readonly #expansion = new Expansion(); // from values to pairs; the outlet has that of its loop
  readonly #scope: StepScope;
  readonly #activity = new RelayedActivity();
  #slept = false; // whether the worker may have slept since the last pass
  #batch: readonly unknown[] = [];
  #at = 0;
  #epoch: Epoch;
  #notifyNext = false;
  #starved = true; // whether its channel was empty when it looked last
  #phase: "running" | "ending" | "ended" = "running";
  #stopped = false; // how it ends

  /** `epoch` is the one that the run starts in. */
  constructor(
    stepId: StepId,
    node: StatefulNode,
    input: Incoming,
    outlet: Outlet,
    host: TaskHost,
    epoch: Epoch,
  ) {
    this.stepId = stepId;
    this.#scope = stepScope(host.clock, () => this.#quiet.ms);
    this.#keyed = createKeyedLoop(node, host.journal?.ids() ?? null, this.#scope);
    this.#isQuiet = node.quiet;
    this.#input = input;
    this.#outlet = outlet;
    this.#host = host;
    this.#epoch = epoch;
  }

  /** Notes, before a run's first epoch, which time was forgotten in earlier ones, on any worker. */
  begin(epoch: Epoch, resume: Positions): void {
    for (const [name, time] of resume as Map<string, number>) {
      if (!name.startsWith(this.#timeName)) continue;
      this.#scope.forgotten = Math.max(this.#scope.forgotten, time);
    }
    this.#recordTime(epoch);
  }

  /** Makes a key out of what a snapshot has of it. */
  restore(key: string, id: number, state: unknown): void {
    this.#keyed.restore(key, id, state);
  }

  get isBusy(): boolean {
    return !this.#starved;
  }

  run(): boolean {
    if (this.#phase === "ended") return false;
    if (this.#quiet.since !== null) this.#quiet.look(this.#host.elapsed(), !this.#slept);
    this.#slept = false;
    const state = this.#outlet.pump();
    if (state !== "ready") {
      this.#quiet.stop();
      return state === "worked";
    }
    if (this.#phase === "ending") return this.#endKeys();
    if (this.#at < this.#batch.length) return this.#items();
    // Alternating: a key that is always due must not hold up the items, nor they it.
    this.#notifyNext = !this.#notifyNext;
    if (this.#notifyNext && this.#notify()) return true;
    const room = this.#expansion.itemsFor(this.#outlet.room);
    const message = this.#input.take(room);
    this.#starved = message === undefined;
    if (message === undefined) return this.#nothing();
    if (isBatch(message)) {
      this.#outlet.takes(message.length, room);
      this.#activity.onBatch();
      this.#quiet.stop();
      this.#batch = message;
      this.#at = 0;
      return this.#items();
    }
    if (isActivity(message)) {
      const told = this.#activity.onActivity(message);
      if (told !== null) {
        this.#quiet.stop();
        this.#outlet.activity(told);
      }
    } else if (message.kind === "barrier") {
      this.#snapshot(message);
      this.#epoch = message.epoch + 1;
      this.#host.passed(this);
    } else {
      this.#stopped = message.stopped;
      // At a stop state stays as it is, if anything keeps it.
      if (message.stopped && this.#host.journal !== null) this.#end();
      else this.#phase = "ending";
    }
    return true;
  }

  wakeTime(): number {
    this.#slept = true; // it is asked before each sleep
    if (this.#phase !== "running") return Infinity;
    const { since, ms } = this.#quiet;
    if (since === null) return this.#keyed.nextDue;
    const quiet = since + Math.min(this.#keyed.nextQuiet - ms, LOOK_EVERY_MS);
    return Math.min(this.#keyed.nextDue, this.#host.now() + quiet - this.#host.elapsed());
  }

  /** There is no message: time may go on. */
  #nothing(): boolean {
    if (this.#activity.owesIdle) {
      this.#outlet.activity(this.#activity.tellIdle());
      return true; // so that those downstream look at it before the worker sleeps
    }
    if (this.#isQuiet && this.#activity.isIdle) {
      if (this.#keyed.becomeQuiet()) return true;
      this.#quiet.start(this.#host.elapsed());
    }
    return this.#notify();
  }

  #items(): boolean {
    const { room } = this.#outlet;
    const from = this.#at;
    const to = Math.min(this.#batch.length, from + room);
    this.#at = this.#guard(() => this.#keyed.items(this.#batch, from, to, room));
    const worked = this.#at - from;
    this.#host.pace.works(worked);
    if (this.#at < this.#batch.length) this.#outlet.takesLong();
    else {
      this.#batch = [];
      this.#at = 0;
    }
    this.#send(worked);
    return true;
  }

  #notify(): boolean {
    const { nextDue, nextQuiet } = this.#keyed;
    const { room } = this.#outlet;
    let notified = 0;
    if (nextDue < Infinity) {
      notified = this.#guard(() => this.#keyed.notify(this.#host.now(), room));
    }
    const quiet = this.#quiet.ms;
    if (this.#quiet.since !== null && nextQuiet <= quiet) {
      notified += this.#guard(() => this.#keyed.notifyQuiet(quiet, room));
    }
    this.#host.pace.works(notified);
    this.#send();
    return notified > 0;
  }

  /** Ends some keys; the end itself comes once all that they emitted is out. */
  #endKeys(): boolean {
    const all = this.#guard(() => this.#keyed.end(this.#outlet.room, this.#stopped));
    const sent = this.#send();
    if (all && !sent) this.#end();
    return true;
  }

  #end(): void {
    const stopped = this.#stopped;
    this.#snapshot({ kind: "end", stopped });
    this.#phase = "ended";
    this.#host.ended(this, stopped);
  }

  /** Ends the epoch here: what it has changed is handed over before the next can change more. */
  #snapshot(message: EpochEnd): void {
    this.#recordTime(this.#epoch);
    this.#host.journal?.snapshot(this.#epoch, this.stepId, this.#keyed);
    this.#outlet.control(message, this.#epoch);
  }

  #recordTime(epoch: Epoch): void {
    const { journal, workerIndex } = this.#host;
    const { forgotten } = this.#scope;
    if (forgotten === -Infinity) return;
    const name = `${this.#timeName} ${workerIndex}`;
    journal?.recordPositions(epoch, this.stepId, "time", new Map([[name, forgotten]]));
  }

  /** What the step's time is stored as. That of values and that of the clock are not the same. */
  get #timeName(): string {
    return this.#isQuiet ? "worker" : "clock of worker";
  }

  /** Sends on what was emitted for a number of values. Returns whether that was anything. */
  #send(values = 0): boolean {
    const pairs = this.#keyed.take();
    if (pairs.length > 0) this.#activity.onWork();
    this.#outlet.emit(pairs, this.#epoch, Math.ceil(values * this.#expansion.each));
    if (values > 0) this.#expansion.became(values, pairs.length);
    return pairs.length > 0;
  }

  #guard<R>(work: () => R): R {
    try {
      return work();
    } catch (thrown) {
      const { current } = this.#keyed;
      const failed = current === null
        ? thrown
        : new ItemError("item" in current ? current.item : { key: current.key }, { cause: thrown });
      throw stepError(this, this.#host, failed);
    }
  }
}
