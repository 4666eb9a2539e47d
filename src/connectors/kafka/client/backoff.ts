/**
 * Waits between attempts, longer each time. Logs once what is waited for, and once that it is back.
 *
 * @module
 */
import { type Clock, systemClock, wakeAfter } from "../../../core/clock.ts";
import { sleep } from "../../../core/promises.ts";
import type { ConnectionSettings } from "../properties/connection_settings.ts";
import { errorKind } from "./errors.ts";

/** Shorter waits are not worth a line: a leader has moved, a coordinator is loading. */
const QUIET_MS = 1_000;

/**
 * How long a broker may leave a request without an answer before the log says so, in milliseconds.
 */
export const UNANSWERED_MS = 10_000;

/** What is waited for: a broker that is away, or a topic that brokers in reach do not have. */
export type WaitedFor = "broker" | "topic";

function waitedFor(error: unknown): WaitedFor {
  return errorKind(error) === "unknownTopic" ? "topic" : "broker";
}

/** Keeps what several {@linkcode Backoff} of one connection wait for in one line of log. */
export class Outage {
  readonly #begin: (error: unknown, what: WaitedFor) => void;
  readonly #end: (what: WaitedFor) => void;
  readonly #failing = new Map<Backoff, WaitedFor>();

  /**
   * Calls `begin` when the first one has waited for more than a moment, and `end` when none waits.
   */
  constructor(
    begin: (error: unknown, what: WaitedFor) => void,
    end: (what: WaitedFor) => void,
  ) {
    this.#begin = begin;
    this.#end = end;
  }

  /** What is being waited for; `null` if nothing is. */
  get waitingFor(): WaitedFor | null {
    if (this.#waits("broker")) return "broker";
    return this.#waits("topic") ? "topic" : null;
  }

  /** A backoff has waited for more than a moment. */
  add(failing: Backoff, error: unknown): void {
    const what = waitedFor(error);
    const before = this.#failing.get(failing);
    // A broker that goes away does not show that the topic is there again.
    if (before === what || (before === "topic" && what === "broker")) return;
    const isNew = !this.#waits(what);
    this.#failing.set(failing, what);
    // The brokers answered that a topic is missing, so a broker is in reach again.
    if (before === "broker" && !this.#waits("broker")) this.#end("broker");
    if (isNew) this.#begin(error, what);
  }

  /** What a backoff waited for is back. */
  delete(failing: Backoff): void {
    const what = this.#failing.get(failing);
    if (what === undefined) return;
    this.#failing.delete(failing);
    if (!this.#waits(what)) this.#end(what);
  }

  #waits(what: WaitedFor): boolean {
    for (const each of this.#failing.values()) if (each === what) return true;
    return false;
  }

  /**
   * A backoff stops waiting, although what it waited for may still be away. So `end` is not called.
   */
  forget(failing: Backoff): void {
    this.#failing.delete(failing);
  }
}

/** The pauses of one operation that is tried again and again. */
export class Backoff {
  readonly #settings: ConnectionSettings;
  readonly #signal: AbortSignal;
  readonly #outage: Outage;
  readonly #clock: Clock;
  #failures = 0; // in a row
  #failingSince = 0;

  /** `signal` ends all waiting. */
  constructor(
    settings: ConnectionSettings,
    signal: AbortSignal,
    outage: Outage,
    clock: Clock = systemClock,
  ) {
    this.#clock = clock;
    this.#settings = settings;
    this.#signal = signal;
    this.#outage = outage;
  }

  /** An attempt has succeeded, or the work is done elsewhere now. */
  over(): void {
    this.#failures = 0;
    this.#outage.delete(this);
  }

  /** No attempt will follow, as at a stop. What was waited for is not back because of that. */
  giveUp(): void {
    this.#failures = 0;
    this.#outage.forget(this);
  }

  /**
   * Resolves like the request. If no answer comes for a while, the log says so, but the request
   * goes on until `request.timeout.ms`. The next {@linkcode over} ends that state. After a failure,
   * the pauses keep it.
   *
   * @param expectedMs How long the broker may take for what it is asked, in milliseconds.
   */
  async answerTo<R>(request: Promise<R>, expectedMs = 0): Promise<R> {
    const ms = expectedMs + UNANSWERED_MS;
    const cancel = wakeAfter(this.#clock, ms, () => {
      const error = new Error(
        `no answer for ${ms / 1000} s: is the broker in reach, or does it hang?`,
      );
      this.#outage.add(this, error);
    });
    try {
      return await request;
    } finally {
      cancel();
    }
  }

  /**
   * Waits after an error. The time is randomised, so that workers do not all come back at once.
   *
   * @param deadline When to stop waiting, on the clock of `performance.now()`.
   * @param signal Ends this wait, as the signal of the constructor does.
   */
  async pause(error: unknown, deadline = Infinity, signal = this.#signal): Promise<void> {
    const now = performance.now();
    if (this.#failures === 0) this.#failingSince = now;
    if (now - this.#failingSince >= QUIET_MS) this.#outage.add(this, error);
    const { retryBackoffMs, retryBackoffMaxMs } = this.#settings;
    const longest = Math.min(retryBackoffMs * 2 ** this.#failures++, retryBackoffMaxMs);
    await sleep(Math.min(longest * (0.5 + Math.random() / 2), deadline - now), signal);
  }
}
