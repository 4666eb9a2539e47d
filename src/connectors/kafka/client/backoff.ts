/**
 * Waits between tries, longer each time, and says once that something is waited for.
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
 * How long a broker may leave a request without an answer before a line says so, in milliseconds.
 */
export const UNANSWERED_MS = 10_000;

/** What is waited for: a broker that is away, or a topic that brokers which answer do not have. */
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
   * `begin` is called when the first one has waited for more than a moment, `end` when none does.
   */
  constructor(
    begin: (error: unknown, what: WaitedFor) => void,
    end: (what: WaitedFor) => void,
  ) {
    this.#begin = begin;
    this.#end = end;
  }

  /** What is waited for, if anything. */
  get waitingFor(): WaitedFor | null {
    if (this.#waits("broker")) return "broker";
    return this.#waits("topic") ? "topic" : null;
  }

  /** One of them has waited for more than a moment. */
  add(failing: Backoff, error: unknown): void {
    const what = waitedFor(error);
    const before = this.#failing.get(failing);
    // A broker that goes away does not show that the topic is there again.
    if (before === what || (before === "topic" && what === "broker")) return;
    const isNew = !this.#waits(what);
    this.#failing.set(failing, what);
    // That a topic is not there is an answer.
    if (before === "broker" && !this.#waits("broker")) this.#end("broker");
    if (isNew) this.#begin(error, what);
  }

  /** What one of them waited for is back. */
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
   * One of them waits no longer, although what it waited for may still be away: `end` is not
   * called.
   */
  forget(failing: Backoff): void {
    this.#failing.delete(failing);
  }
}

/** The pauses of one thing that is tried again and again. */
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

  /** A try has gone well, or the work has gone elsewhere. */
  over(): void {
    this.#failures = 0;
    this.#outage.delete(this);
  }

  /** No try will follow, as at a stop: that does not bring back what was waited for. */
  giveUp(): void {
    this.#failures = 0;
    this.#outage.forget(this);
  }

  /**
   * Resolves as a request does. Where no answer comes for long, the log says so: the request itself
   * goes on until `request.timeout.ms`. The next {@linkcode over} ends that, or the pauses go on
   * with it.
   *
   * @param expectedMs How long the broker may take by what it is asked, in milliseconds.
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
   * Waits after an error. The wait is spread by chance, so that workers do not come back all at
   * once.
   *
   * @param deadline When to wait no longer, as `performance.now()` counts.
   * @param signal Ends this wait, as the one that was given to all does.
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
