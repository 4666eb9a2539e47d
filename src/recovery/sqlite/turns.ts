/**
 * Long work in pieces.
 *
 * @module
 */
import { eventLoopTurn } from "../../core/event_loop.ts";

/** How long the event loop waits. */
const TURN_MS = 8;

/** Lets the event loop have its turn when it has waited long enough. */
export class Turns {
  #since = performance.now();

  /** Whether it is time for one. */
  get due(): boolean {
    return performance.now() - this.#since > TURN_MS;
  }

  /** Lets the event loop have its turn. */
  async take(): Promise<void> {
    await eventLoopTurn();
    this.#since = performance.now();
  }
}
