import type { Activity } from "./activity.ts";
import { LOOK_EVERY_MS, QuietTime } from "./quiet_time.ts";

/** After how long of reading without a batch `active` is said, in milliseconds. */
const ACTIVE_AFTER_MS = 10;

/** What an input has said. */
type State =
  | { readonly kind: "idle" }
  /** It has begun to read at this time, and has not said so. */
  | { readonly kind: "reading"; readonly since: number }
  | { readonly kind: "active" };

/**
 * Whether an input has anything to read. Each method tells what has happened, and returns what the
 * steps downstream are to be told, if anything.
 *
 * ```text
 *              nothing to read for long enough
 *        ┌──────────────────────────────────────────┐
 *        ▼            10 ms, or a full channel      │
 *      idle ──▶ reading ─────────────────────────▶ active
 *               a batch, or it waits again
 * ```
 */
export class SourceActivity {
  readonly #silence = new QuietTime();
  /** How long nothing must come before the input counts as idle. */
  #idleAfter = Infinity;
  readonly #now: () => number;
  #state: State = { kind: "active" };

  /** `now` returns milliseconds of a clock that nobody sets. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Counts the time in which nothing came. Called before each look at the input. */
  look(): void {
    if (this.#silence.since !== null) this.#silence.look(this.#now());
  }

  /** The input has returned items. */
  onBatch(): Activity | null {
    this.#silence.reset();
    return this.#read();
  }

  /** It has returned nothing, and answered whether it is idle, or after how many milliseconds. */
  onNothing(answer: boolean | number): Activity | null {
    this.#silence.start(this.#now());
    if (typeof answer === "number") this.#idleAfter = answer;
    else this.#idleAfter = answer ? 0 : Infinity;
    return this.#isIdle ? this.onWaiting() : this.#read();
  }

  /** It has not become ready since it returned nothing. */
  onWaiting(): Activity | null {
    if (!this.#isIdle) return this.onReading();
    if (this.#state.kind === "idle") return null;
    this.#state = { kind: "idle" };
    return this.#state;
  }

  /** It is not asked now, for another reason. */
  onReading(): Activity | null {
    return this.#state.kind === "reading" ? this.#read() : null;
  }

  /** There is no room for what it may have. */
  onBlocked(): Activity | null {
    return this.#state.kind === "reading" ? this.#becomeActive() : null;
  }

  /** Whether the input has said that it has nothing to read. */
  get saysIdle(): boolean {
    return this.#state.kind === "idle";
  }

  /** When there may be something to say; infinity for never. `isWaiting`: as in `onWaiting`. */
  nextLook(isWaiting: boolean): number {
    if (this.#state.kind === "idle") return Infinity;
    const active = this.#state.kind === "reading" ? this.#state.since + ACTIVE_AFTER_MS : Infinity;
    const { since, ms } = this.#silence;
    if (!isWaiting || since === null || this.#idleAfter === Infinity) return active;
    return Math.min(active, since + Math.min(this.#idleAfter - ms, LOOK_EVERY_MS));
  }

  get #isIdle(): boolean {
    return this.#silence.since !== null && this.#silence.ms >= this.#idleAfter;
  }

  /**
   * A batch says by itself where it goes that there is something. The others are told only if more
   * batches follow. Otherwise each single record would be announced to all workers.
   */
  #read(): Activity | null {
    if (this.#state.kind === "active") return null; // mostly, and without a look at the clock
    const now = this.#now();
    if (this.#state.kind === "idle") this.#state = { kind: "reading", since: now };
    return now - this.#state.since < ACTIVE_AFTER_MS ? null : this.#becomeActive();
  }

  #becomeActive(): Activity {
    const active = { kind: "active" } as const;
    this.#state = active;
    return active;
  }
}
