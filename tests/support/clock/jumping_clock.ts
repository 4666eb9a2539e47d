import type { Clock } from "../../../src/core/clock.ts";

/**
 * A clock that jumps to the time at which a sleeper wants to be woken, so that no pause takes real
 * time. For code in which one thing sleeps at a time.
 */
export class JumpingClock implements Clock {
  /** The time it shows, in milliseconds. */
  at = 0;

  now(): number {
    return this.at;
  }

  wakeAt(at: number, wake: () => void): () => void {
    const timer = setTimeout(() => {
      this.at = Math.max(this.at, at);
      wake();
    }, 0);
    return () => clearTimeout(timer);
  }
}
