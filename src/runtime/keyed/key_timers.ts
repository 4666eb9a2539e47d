/**
 * Which keys are to be notified, and when.
 *
 * @module
 */

/** Something with a time at which it is due. */
export interface Timed {
  /** When it is due, in milliseconds; infinity for never. */
  due: number;
  /** For {@linkcode KeyTimers}: the time by which it is sorted. */
  queued: number;
  /** For {@linkcode KeyTimers}: its index in the queue; -1 if it is not queued. */
  index: number;
}

/**
 * A binary heap by time. Each entry is in it once and knows its index. Moving an entry later costs
 * nothing until its old time has come. The timer of a session moves with every item, but its entry
 * moves down only once.
 */
export class KeyTimers<E extends Timed> {
  readonly #heap: E[] = [];

  /** When the next entry may be due; infinity if none is queued. */
  get next(): number {
    return this.#heap.length === 0 ? Infinity : this.#heap[0].queued;
  }

  /** When the next entry is due, exactly. */
  settle(): number {
    while (this.#heap.length > 0 && this.#heap[0].due > this.#heap[0].queued) {
      const entry = this.#heap[0];
      if (entry.due === Infinity) this.remove(entry);
      else {
        entry.queued = entry.due;
        this.#down(entry);
      }
    }
    return this.next;
  }

  /** Sets when an entry is due: infinity for never. */
  schedule(entry: E, due: number): void {
    entry.due = due;
    if (entry.index === -1) {
      if (due === Infinity) return;
      entry.index = this.#heap.length;
      this.#heap.push(entry);
    } else if (due >= entry.queued) return;
    entry.queued = due;
    this.#up(entry);
  }

  /** Removes an entry from the queue. */
  remove(entry: E): void {
    entry.due = Infinity;
    const { index } = entry;
    if (index === -1) return;
    entry.index = -1;
    const last = this.#heap.pop()!;
    if (last === entry) return;
    last.index = index;
    this.#heap[index] = last;
    this.#up(last);
    this.#down(last);
  }

  /** Removes and returns the first entry that is due at `now`, if any. */
  takeDue(now: number): E | undefined {
    while (this.#heap.length > 0 && this.#heap[0].queued <= now) {
      const entry = this.#heap[0];
      if (entry.due <= entry.queued || entry.due === Infinity) {
        const { due } = entry;
        this.remove(entry);
        if (due < Infinity) return entry;
      } else { // it was moved later
        entry.queued = entry.due;
        this.#down(entry);
      }
    }
    return undefined;
  }

  #up(entry: E): void {
    const heap = this.#heap;
    const { queued } = entry;
    let index = entry.index;
    while (index > 0) {
      const parent = heap[(index - 1) >> 1];
      if (parent.queued <= queued) break;
      heap[index] = parent;
      const above = parent.index;
      parent.index = index;
      index = above;
    }
    heap[index] = entry;
    entry.index = index;
  }

  #down(entry: E): void {
    const heap = this.#heap;
    const { queued } = entry;
    let index = entry.index;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1].queued < heap[child].queued) child++;
      if (heap[child].queued >= queued) break;
      heap[index] = heap[child];
      heap[index].index = index;
      index = child;
    }
    heap[index] = entry;
    entry.index = index;
  }
}
