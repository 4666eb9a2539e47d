import type { Epoch, StepId } from "../../core/ids.ts";
import { ItemError } from "../../core/errors.ts";
import type { Positions } from "../../graph/contracts.ts";
import type { KeyedLogic } from "../../graph/keyed_logic.ts";
import type { StatefulNode, StepScope } from "../../graph/nodes.ts";
import { isActivity } from "../activity/activity.ts";
import { LOOK_EVERY_MS, QuietTime } from "../activity/quiet_time.ts";
import { RelayedActivity } from "../activity/relayed_activity.ts";
import { type EpochEnd, type Incoming, isBatch } from "../channel.ts";
import { isTimeControl } from "../time/controls.ts";
import { type StepSources, StepTime } from "../time/step_time.ts";
import { Expansion } from "../expansion.ts";
import { createKeyedLoop, type KeyedLoop } from "../keyed/keyed_loop.ts";
import { stepScope } from "../step_scope.ts";
import type { Outlet } from "../outlet.ts";
import { stepError } from "../step_error.ts";
import type { OpenWindows, StepEventTime } from "../worker_readings.ts";
import type { Task, TaskHost, Waits } from "./task.ts";

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
  #quietSeen = 0; // how much of it keys have been notified of, in a group
  readonly #expansion = new Expansion(); // from values to pairs; the outlet has that of its loop
  readonly #scope: StepScope;
  readonly #activity = new RelayedActivity();
  readonly #time: StepTime | null;
  #isToAnnounce: boolean; // whether those downstream may have to know how far it has come
  #hasToldIdle = false; // since those downstream were told last that there is something
  #slept = false; // whether the worker may have slept since the last pass
  #isCombined = false; // whether the items that come are partial results
  #batch: readonly unknown[] = [];
  #at = 0;
  #epoch: Epoch;
  #notifyNext = false;
  #isFull = false; // whether the epoch has enough changes
  #starved = true; // whether its channel was empty when it looked last
  #phase: "running" | "ending" | "ended" = "running";
  #stopped = false; // how it ends

  /**
   * @param epoch The one that the run starts in.
   * @param sources For steps that go by the time of their values.
   */
  constructor(
    stepId: StepId,
    node: StatefulNode,
    input: Incoming,
    outlet: Outlet,
    host: TaskHost,
    epoch: Epoch,
    sources: StepSources | null = null,
  ) {
    this.stepId = stepId;
    this.#time = sources === null ? null : new StepTime(sources, this.#quiet);
    this.#scope = stepScope(host.clock, () => this.#quiet.ms, sources?.times.event);
    this.#scope.event.isHolding = this.#time?.isOrigin ?? false;
    this.#isToAnnounce = this.#announces;
    this.#keyed = createKeyedLoop(node, host.journal?.ids() ?? null, this.#scope);
    host.journal?.watch(stepId, this.#keyed, epoch);
    this.#isQuiet = node.quiet;
    this.#input = input;
    this.#outlet = outlet;
    this.#host = host;
    this.#epoch = epoch;
  }

  /** Notes, before a run's first epoch, which time was forgotten in earlier ones, on any worker. */
  begin(epoch: Epoch, resume: Positions): void {
    for (const [name, state] of resume) {
      if (this.#time?.resume(name, state)) continue;
      if (name.startsWith(this.#timeName)) {
        this.#scope.forgotten = Math.max(this.#scope.forgotten, state as number);
      }
    }
    this.#recordTime(epoch);
  }

  /** The keys that it has now. */
  get keys(): ReadonlyMap<string, KeyedLogic> {
    return this.#keyed.keys;
  }

  /** Makes a key out of what a snapshot has of it. */
  restore(key: string, id: number, state: unknown): void {
    this.#keyed.restore(key, id, state);
  }

  /** How far event time has come, for operators; `null` where it is not known or does not count. */
  get eventTime(): StepEventTime | null {
    const time = this.#time?.reached ?? null;
    return time && { step: this.stepId, ...time, behindMs: this.#host.now() - time.time };
  }

  /** How many windows are open; `null` for a step without windows. */
  get openWindows(): OpenWindows | null {
    const { openWindows: count } = this.#scope;
    return count === null ? null : { step: this.stepId, count };
  }

  get isBusy(): boolean {
    return !this.#starved;
  }

  get queued(): number {
    return this.#input.items + this.#batch.length - this.#at + this.#outlet.left;
  }

  get waits(): Waits {
    if (!this.#outlet.isBlocked && !this.#isFull) return null;
    return this.queued > 0 || this.#phase === "ending" ? "room" : null;
  }

  run(): boolean {
    if (this.#phase === "ended") return false;
    if (this.#quiet.since !== null) this.#quiet.look(this.#host.elapsed(), !this.#slept);
    if (this.#time !== null) this.#lookAtTime(this.#time);
    this.#slept = false;
    const state = this.#outlet.pump();
    if (state !== "ready") {
      this.#time?.tellPeers();
      this.#quiet.stop();
      return state === "worked";
    }
    if (this.#phase === "ending") return this.#endKeys();
    if (this.#at < this.#batch.length) return this.#items();
    // Alternating: a key that is always due must not hold up the items, nor they it.
    this.#notifyNext = !this.#notifyNext;
    if (this.#notifyNext && this.#notify()) return true;
    const room = this.#expansion.itemsFor(this.#outlet.room);
    if (this.#isToAnnounce && this.#announce(this.#time!)) return true;
    this.#isFull = !this.#host.mayRead(this.#epoch);
    if (this.#isFull) {
      this.#quiet.stop();
      return false;
    }
    const message = this.#input.take(room);
    this.#starved = message === undefined;
    if (message === undefined) return this.#nothing();
    if (isBatch(message)) {
      this.#outlet.takes(message.length, room);
      this.#activity.onBatch();
      this.#quiet.stop();
      this.#time?.onItems();
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
    } else if (isTimeControl(message)) {
      if (this.#time === null) this.#outlet.time(message);
      else {
        if (message.kind === "from") this.#isCombined = message.isCombined ?? false;
        this.#time.onControl(message);
        this.#isToAnnounce = this.#announces;
      }
    } else if (message.kind === "barrier") {
      this.#time?.tellPeers();
      if (this.#time?.isLogged) this.#announceLogged(this.#time);
      this.#snapshot(message);
      this.#epoch = message.epoch + 1;
      this.#host.passed(this);
    } else {
      this.#time?.tellPeers();
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
    const untilLook = this.#time?.untilLook ?? Infinity;
    const now = this.#host.now();
    const next = Math.min(this.#keyed.nextDue, now + untilLook);
    if (since === null) return next;
    const untilClose = this.#time === null
      ? Infinity
      : this.#scope.event.nextClose - this.#scope.event.now;
    const untilDue = Math.min(this.#keyed.nextQuiet - ms, untilClose);
    const quiet = since + Math.min(untilDue, LOOK_EVERY_MS);
    return Math.min(next, now + quiet - this.#host.elapsed());
  }

  #lookAtTime(time: StepTime): void {
    time.look(() => this.#host.elapsed(), !this.#slept);
    // Once after each sleep: how long it has been quiet changes with each look at the clock.
    if (this.#slept && this.#quiet.since !== null) this.#isToAnnounce = this.#announces;
  }

  /** Tells steps downstream how far this one has come, if that is news. */
  #announce(time: StepTime): boolean {
    if (time.hasNews && this.#notify()) return true;
    this.#isToAnnounce = false;
    const isHolding = this.#isHolding;
    const tick = time.announce(this.#reached, this.#activity.isIdle && !isHolding);
    if (tick !== null) this.#outlet.time(tick);
    return tick !== null;
  }

  /** The same through the log of a group, where it gets there at the end of the epoch only. */
  #announceLogged(time: StepTime): void {
    const isHolding = this.#isHolding;
    const tick = time.announceLogged(this.#reached, isHolding, this.#host.now());
    if (tick !== null) this.#outlet.time(tick);
  }

  /** Whether steps downstream are told at once how far this one has come. */
  get #announces(): boolean {
    return this.#time !== null && this.#time.isOrigin && !this.#time.isLogged;
  }

  /** No result that is still to come has an earlier time. Valid once `isHolding` was asked. */
  get #reached(): number {
    const { event } = this.#scope;
    return Math.min(this.#keyed.holdsFrom, event.openFrom(event.now));
  }

  /** Whether there are open windows that steps downstream wait for. */
  get #isHolding(): boolean {
    if (!this.#time?.isOrigin) return false;
    this.#keyed.askSources();
    return this.#keyed.holdsFrom < Infinity;
  }

  /** There is no message: time may go on. */
  #nothing(): boolean {
    this.#time?.tellPeers();
    this.#time?.onNothing(() => this.#host.elapsed());
    if (this.#activity.owesIdle && !this.#isHolding) {
      this.#hasToldIdle = true;
      this.#outlet.activity(this.#activity.tellIdle());
      return true; // so that those downstream look at it before the worker sleeps
    }
    if (this.#isQuiet && this.#activity.isIdle) {
      if (this.#keyed.becomeQuiet()) return true;
      this.#quiet.start(this.#host.elapsed());
    }
    return this.#notify() || this.#passQuiet();
  }

  /** Quiet time that came through the log of a group may make keys due. */
  #passQuiet(): boolean {
    if (!this.#owesQuiet) return false;
    if (this.#keyed.becomeQuiet() || this.#notify()) return true;
    this.#quietSeen = this.#quiet.ms;
    return false;
  }

  get #owesQuiet(): boolean {
    return this.#quiet.ms > this.#quietSeen && this.#time!.isLogged;
  }

  #items(): boolean {
    const { room } = this.#outlet;
    const from = this.#at;
    const to = Math.min(this.#batch.length, from + room);
    this.#at = this.#guard(() => this.#keyed.items(this.#batch, from, to, room, this.#isCombined));
    const worked = this.#at - from;
    this.#host.pace.works(worked);
    if (this.#at < this.#batch.length) this.#outlet.takesLong();
    else {
      this.#batch = [];
      this.#at = 0;
    }
    this.#send(worked);
    if (this.#hasToldIdle && this.#isHolding) {
      // It has opened windows and sent nothing yet: those downstream wait for the results.
      this.#hasToldIdle = false;
      this.#outlet.activity({ kind: "active" });
    }
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
    if ((this.#quiet.since !== null || this.#owesQuiet) && nextQuiet <= quiet) {
      notified += this.#guard(() => this.#keyed.notifyQuiet(quiet, room));
    }
    if (this.#time?.hasNews) notified += this.#notifySources(this.#time);
    this.#host.pace.works(notified);
    this.#send();
    return notified > 0;
  }

  /** Notifies keys that waited for the sources to come further. */
  #notifySources(time: StepTime): number {
    const { event } = this.#scope;
    const { now } = event;
    let notified = 0;
    if (event.nextClose <= now) {
      this.#keyed.askSources();
      event.nextClose = Infinity;
      notified = this.#guard(() => this.#keyed.notifySources(now, this.#outlet.room));
      event.nextClose = Math.min(event.nextClose, this.#keyed.nextSource);
    }
    if (event.nextClose > now) time.seen();
    return notified;
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
    const times = new Map<string, unknown>();
    if (forgotten > -Infinity) times.set(`${this.#timeName} ${workerIndex}`, forgotten);
    if (this.#time !== null) times.set(...this.#time.stored(workerIndex));
    if (times.size > 0) journal?.recordPositions(epoch, this.stepId, "time", times);
  }

  /** What the step's time is stored as. That of values and that of the clock are not the same. */
  get #timeName(): string {
    return this.#isQuiet ? "worker" : "clock of worker";
  }

  /** Sends on what was emitted for a number of values. Returns whether that was anything. */
  #send(values = 0): boolean {
    const pairs = this.#keyed.take();
    if (pairs.length > 0) this.#activity.onWork();
    const from = pairs.length > 0 ? this.#time?.beforeResults() ?? null : null;
    if (from !== null) this.#outlet.time(from);
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
