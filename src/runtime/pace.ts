/**
 * How much a task does before the others run.
 *
 * @module
 */

/** A round of all tasks should take no longer, so that sockets, timers and signals do not wait. */
const LONGEST_MS = 10;
const SHORT_MS = 2;
const LARGEST = 1 << 20;

/**
 * How many items a task may work on at once. Follows the time that rounds take: user functions take
 * nanoseconds or seconds an item. One for all tasks of a worker, so that it costs one look at the
 * clock a round.
 */
export class Pace {
  /** The most items for one piece of work. Begins with one: how long that takes is not known. */
  items = 1;
  /** When the round began, in milliseconds of the monotonic clock. */
  now = 0;
  #most = 0; // items that a task of this round has worked on

  /** A round of all tasks begins. */
  begin(now: number): void {
    this.now = now;
    this.#most = 0;
  }

  /** A task works on this many items in this round. */
  works(items: number): void {
    if (items > this.#most) this.#most = items;
  }

  /** The round has taken `ms`. It says nothing of more items than it had. */
  took(ms: number): void {
    const most = this.#most;
    if (most === 0) return;
    if (ms > LONGEST_MS) {
      this.items = Math.max(1, Math.floor(Math.min(this.items, most) * LONGEST_MS / ms));
    } else if (ms < SHORT_MS && most * 2 > this.items && this.items < LARGEST) this.items <<= 1;
  }
}
