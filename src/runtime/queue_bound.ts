/**
 * How much may wait in a queue between two parts of a flow.
 *
 * The end of an epoch, and a stop, wait for all that is queued before them. So a queue holds what
 * its consumer works off in a tenth of a second. It starts with one item, and grows while the
 * consumer empties it though the producer had more. If items stay in it, it shrinks to what was
 * worked off in that time. (Linux bounds its network queues likewise: Herbert, "Byte Queue Limits",
 * 2011; Nichols, Jacobson, "Controlling Queue Delay", 2012.) Items that are large are bounded by
 * their bytes, too.
 *
 * @module
 */

/** What waits should be worked off in this time. */
export const QUEUE_MS = 100;

/** What a queue is bounded by. */
export interface QueueBoundOptions {
  /** The most items; fewer where they take long. */
  readonly items: number;
  /** The most bytes, as far as they are known. */
  readonly bytes: number;
  /** The monotonic time, in milliseconds. */
  readonly now: () => number;
  /**
   * The items to begin with, before the pace is known.
   *
   * @default {1}
   */
  readonly first?: number;
}

/** Counts what waits in a queue, and knows how much more may. */
export class QueueBound {
  readonly #most: QueueBoundOptions;
  #items = 0;
  #bytes = 0;
  #itemBytes = 0; // of a recent item; too many rather than too few
  #limit: number;
  #least = 1;
  #worked = Infinity; // items that are worked off in QUEUE_MS, where that is known
  #hadMore = false; // whether the producer had more than there was room for, since it was empty
  // What was taken since the last look at the pace, and the time for which something waited
  // meanwhile.
  #taken = 0;
  #busyMs = 0;
  #stayed = false; // whether the consumer ever left anything
  #since = 0; // when something was taken last, or came into the empty queue

  constructor(most: QueueBoundOptions) {
    this.#most = most;
    this.#limit = most.first ?? 1;
  }

  /** How many items wait. */
  get items(): number {
    return this.#items;
  }

  /**
   * How many more items may come now; 0 for none. One item may always come into the empty queue.
   */
  get room(): number {
    const limit = this.#limit;
    if (this.#items === 0) return Math.max(1, Math.min(limit, this.#roomInBytes()));
    return this.#hasRoomAt(this.#items) ? Math.min(limit - this.#items, this.#roomInBytes()) : 0;
  }

  /**
   * The producer goes through `items` for this queue. If that is all there is room for, or leaves
   * no room for others, it may have more.
   */
  offered(items: number): void {
    if (items < this.room && this.#hasRoomAt(this.#items + items)) return;
    // What was offered before gave nothing: a filter lets little through, and the consumer waits.
    if (this.#hadMore && this.#items === 0) this.#grow();
    this.#hadMore = true;
  }

  /** The consumer takes this many at once, so no fewer may wait for it. */
  takesAtOnce(items: number): void {
    this.#least = items;
    if (this.#limit < items) this.#limit = Math.min(items, this.#most.items);
  }

  /** Items were put into the queue, each of about `itemBytes`. */
  added(items: number, itemBytes: number): void {
    if (this.#items === 0) this.#since = this.#most.now();
    this.#items += items;
    this.#bytes += items * itemBytes;
    this.#itemBytes = Math.max(itemBytes, this.#itemBytes * 0.875);
  }

  /**
   * Items were taken out, at once. `emptied`: whether the consumer left nothing that it could have
   * had, where that is not what is known here.
   */
  taken(items: number, emptied: boolean = items === this.#items): void {
    this.#bytes -= this.#bytes * items / this.#items;
    this.#items -= items;
    const now = this.#most.now();
    this.#busyMs += now - this.#since;
    this.#since = now;
    this.#taken += items;
    if (!emptied) this.#stayed = true;
    if (this.#busyMs >= QUEUE_MS) this.#measure();
    if (!emptied) return;
    if (this.#hadMore) this.#grow(items);
    this.#hadMore = false;
  }

  /** It is filled up only once half of it is gone: items that come one by one cost more. */
  #hasRoomAt(items: number): boolean {
    return items * 2 <= this.#limit;
  }

  /**
   * `emptied`: the items that the consumer took last. A batch that nobody splits may exceed the
   * limit.
   */
  #grow(emptied = 0): void {
    const { items: most } = this.#most;
    const next = Math.max(this.#limit, emptied) * 2;
    this.#limit = Math.max(this.#limit, Math.min(next, most, this.#worked));
  }

  /**
   * Looks at the pace. If the consumer takes all there is each time, the limit tells how much that
   * was, and the pace tells nothing. Each call may take its time, whatever it is given.
   */
  #measure(): void {
    const worked = Math.floor(this.#taken * QUEUE_MS / this.#busyMs);
    this.#worked = this.#stayed || worked >= this.#limit ? Math.max(1, worked) : Infinity;
    this.#limit = Math.min(this.#limit, Math.max(this.#worked, this.#least));
    // It may take few at once and yet be fast: what it works off in the time may wait.
    if (this.#stayed && this.#hadMore) {
      this.#limit = Math.max(this.#limit, Math.min(this.#worked, this.#most.items));
    }
    this.#taken = 0;
    this.#busyMs = 0;
    this.#stayed = false;
  }

  #roomInBytes(): number {
    const bytes = this.#most.bytes - this.#bytes;
    return bytes <= 0 ? 0 : Math.ceil(bytes / Math.max(1, this.#itemBytes));
  }
}
