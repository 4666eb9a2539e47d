/**
 * Which keys are to be notified, and when.
 *
 * @module
 */

/** Something with a time at which it is due. */
export interface Timed {
  /** When it is due, in milliseconds since the Unix epoch; infinity for never. */
  due: number;
  /** For {@linkcode Timers}: the earliest time it stands in the queue with; infinity for not at all. */
  queued: number;
}

/**
 * A binary heap by time. Moving an entry later costs nothing until its old time has come: keys whose
 * timer moves on with every item (a session window's, say) would fill the heap otherwise.
 */
export class Timers<E extends Timed> {
  readonly #heap: { at: number; entry: E }[] = [];

  /** When the next entry may be due; infinity where none is queued. */
  get next(): number {
    return this.#heap.length === 0 ? Infinity : this.#heap[0].at;
  }

  /** Sets when an entry is due: infinity for never. */
  schedule(entry: E, due: number): void {
    entry.due = due;
    if (due < entry.queued) {
      entry.queued = due;
      this.#push({ at: due, entry });
    }
  }

  /** Takes an entry that is due at `now`, earliest first; it is due no more. */
  takeDue(now: number): E | undefined {
    while (this.#heap.length > 0 && this.#heap[0].at <= now) {
      const { at, entry } = this.#pop();
      if (at !== entry.queued) continue; // it was queued again, for earlier
      entry.queued = Infinity;
      if (entry.due <= at) {
        entry.due = Infinity;
        return entry;
      }
      if (entry.due < Infinity) this.schedule(entry, entry.due); // it had moved on
    }
    return undefined;
  }

  #push(node: { at: number; entry: E }): void {
    const heap = this.#heap;
    let index = heap.push(node) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (heap[parent].at <= node.at) break;
      heap[index] = heap[parent];
      index = parent;
    }
    heap[index] = node;
  }

  #pop(): { at: number; entry: E } {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop()!;
    if (heap.length === 0) return top;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1].at < heap[child].at) child++;
      if (heap[child].at >= last.at) break;
      heap[index] = heap[child];
      index = child;
    }
    heap[index] = last;
    return top;
  }
}
