/**
 * What a task spends its time on: Flink's three.
 *
 * A task is *busy* while its turns do work. It is also busy while it waits for calls that it has
 * made: a `mapAsync` that cannot begin another one, or an output. It is *backpressured* while it
 * has something to do and a full channel downstream keeps it from it. Else it is idle.
 *
 * The clock is read after turns that did work, and never for an item. Where rounds of all tasks are
 * short, that is done in one of sixteen, and the time of the others is shared out by it. How long a
 * task waits is known without that: it begins and ends to wait at the beginning of a round.
 *
 * @module
 */
import type { Waits } from "./tasks/task.ts";

/** A turn that was long is forgotten by this share with each one that is measured. */
const FORGETS = 0.001;

/** How a task has spent its time since it began, in milliseconds. The rest it was idle. */
export interface TaskTimes {
  readonly busyMs: number;
  readonly backpressuredMs: number;
}

/** Counts the time of one task. Times are in milliseconds of a clock that nobody sets. */
export class TaskMeter {
  #busyMs = 0;
  #backpressuredMs = 0;
  #waits: Waits = null;
  #since = 0;
  #turns = 0; // that did work and were not measured
  #turnMs = 0; // how long the last measured one took
  #turnedIn = -1; // when the round began in which the last one was not measured
  #longestMs = 0; // about how long the longest one took

  /** A turn did work, and took `ms`. Its round began at `round`. */
  worked(ms: number, round: number): void {
    if (this.#waits !== null) this.rests(null, round);
    this.#busyMs += ms;
    this.#turnMs = ms;
    this.#longestMs = Math.max(ms, this.#longestMs * (1 - FORGETS));
  }

  /** A turn did work, in a round that was too short to be measured. It began at `round`. */
  turned(round: number): void {
    if (this.#waits !== null) this.rests(null, round);
    this.#turns++;
    this.#turnedIn = round;
  }

  /** Whether a turn did work, and was not measured, in the round that began at `round`. */
  hasTurnedIn(round: number): boolean {
    return this.#turnedIn === round;
  }

  /** About how long its longest turn took, in milliseconds. */
  get longestMs(): number {
    return this.#longestMs;
  }

  /** The last turn that was not measured took `ms`. `isKnown`: no other task worked meanwhile. */
  settleLast(ms: number, isKnown: boolean): void {
    this.#turns--;
    this.#turnedIn = -1;
    this.#busyMs += ms;
    if (isKnown) this.#longestMs = Math.max(ms, this.#longestMs);
  }

  /** About how long those turns took, in milliseconds: as long as the last that was measured. */
  get unmeasuredMs(): number {
    return this.#turns * this.#turnMs;
  }

  /** They took `share` of that time. */
  settle(share: number): void {
    this.#busyMs += this.unmeasuredMs * share;
    this.#turns = 0;
  }

  /** A turn had nothing to do but to wait. Its round began at `round`. */
  rests(waits: Waits, round: number): void {
    if (waits === this.#waits) return;
    const ms = Math.max(0, round - this.#since);
    if (this.#waits === "calls") this.#busyMs += ms;
    else if (this.#waits === "room") this.#backpressuredMs += ms;
    this.#waits = waits;
    this.#since = round;
  }

  /** The times until now. */
  read(now: number): TaskTimes {
    const ms = Math.max(0, now - this.#since);
    return {
      busyMs: this.#busyMs + (this.#waits === "calls" ? ms : 0),
      backpressuredMs: this.#backpressuredMs + (this.#waits === "room" ? ms : 0),
    };
  }
}
