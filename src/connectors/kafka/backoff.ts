/**
 * Waits between tries, longer each time, and says once that something is waited for.
 *
 * @module
 */
import { sleep } from "../../core/promises.ts";
import type { ConnectionSettings } from "./properties.ts";

/** Shorter waits are not worth a line: a leader has moved, a coordinator is loading. */
const QUIET_MS = 1_000;

/** Keeps what several {@linkcode Backoff} of one connection wait for in one line of log. */
export class Outage {
  readonly #begin: (error: unknown) => void;
  readonly #end: () => void;
  readonly #failing = new Set<Backoff>();

  /** `begin` is called when the first one has waited for more than a moment, `end` when none does. */
  constructor(begin: (error: unknown) => void, end: () => void) {
    this.#begin = begin;
    this.#end = end;
  }

  /** Whether anything is waited for. */
  get isOn(): boolean {
    return this.#failing.size > 0;
  }

  /** One of them has waited for more than a moment. */
  add(failing: Backoff, error: unknown): void {
    if (this.#failing.has(failing)) return;
    this.#failing.add(failing);
    if (this.#failing.size === 1) this.#begin(error);
  }

  /** One of them waits no longer. */
  delete(failing: Backoff): void {
    if (this.#failing.delete(failing) && this.#failing.size === 0) this.#end();
  }
}

/** The pauses of one thing that is tried again and again. */
export class Backoff {
  readonly #settings: ConnectionSettings;
  readonly #signal: AbortSignal;
  readonly #outage: Outage;
  #failures = 0; // in a row
  #failingSince = 0;

  /** `signal` ends all waiting. */
  constructor(settings: ConnectionSettings, signal: AbortSignal, outage: Outage) {
    this.#settings = settings;
    this.#signal = signal;
    this.#outage = outage;
  }

  /** A try has gone well, or none will follow. */
  over(): void {
    this.#failures = 0;
    this.#outage.delete(this);
  }

  /**
   * Waits after an error. The wait is spread by chance, so that workers do not come back all at once.
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
