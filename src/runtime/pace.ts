/**
 * How much a task does before it gives others their turn.
 *
 * @module
 */

/** A round of all tasks should take no longer, so that sockets, timers and signals get their turn. */
const LONGEST_MS = 10;
const SHORT_MS = 2;
const SMALLEST = 1;
const LARGEST = 1 << 20;

/**
 * How many items a task may work on at once. Follows the time that rounds take: user functions take
 * nanoseconds or seconds an item. One for all tasks of a worker, so that it costs one look at the
 * clock a round.
 */
export class Pace {
  /** The most items for one piece of work. */
  items = 64;

  /** A round of all tasks took `ms`. */
  took(ms: number): void {
    if (ms > LONGEST_MS) this.items = Math.max(SMALLEST, this.items >> 1);
    else if (ms < SHORT_MS && this.items < LARGEST) this.items <<= 1;
  }
}
