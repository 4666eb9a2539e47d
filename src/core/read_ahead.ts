/**
 * A bounded buffer between something that reads in the background and a step that never waits.
 *
 * **Problem.** `next` of an input returns at once, and what it reads from has to be awaited. So
 * something reads ahead, and both sides can be early: the step finds nothing, or there is no room.
 * An end, an error and a close may come while either side waits. An error must not overtake the
 * items before it.
 *
 * **Rejected.** An async iterator between the two awaits once for each item, on the step's side
 * too. A web stream does the same, and its bound does not count an item that the step holds in
 * part. One promise for all calls of `ready` would grow: each `Promise.race` over several buffers
 * adds a reaction to it while its buffer is empty.
 *
 * **Insight.** There is one reader and one producer, and each waits at most once. So each has one
 * place for a function that wakes it, made only when it waits. Items that are there pass without a
 * promise. The end and the error are states that the reader meets after the last item.
 *
 * @module
 */

/** How much may wait: the producer should pause once either is reached. */
export interface ReadAheadBounds {
  readonly items: number;
  /** In the unit of the sizes, such as bytes. */
  readonly size: number;
}

/** The state after the last item. */
type Ending =
  | { readonly kind: "open" }
  | { readonly kind: "ended" }
  | { readonly kind: "failed"; readonly thrown: unknown };

const OPEN: Ending = { kind: "open" };
const ENDED: Ending = { kind: "ended" };

/**
 * Items that were read ahead. The producer calls `put`, `room`, `end` and `fail`. The reader calls
 * the others.
 *
 * @typeParam T The items.
 */
export class ReadAhead<T> {
  readonly #sizeOf: (item: T) => number;
  #mostItems: number;
  #mostSize: number;
  #items: T[] = [];
  #size = 0;
  #ending = OPEN;
  #isClosed = false;
  #wakeReader: (() => void) | null = null;
  #wakeProducer: (() => void) | null = null;

  /**
   * Nothing waits yet.
   *
   * @param bounds How much may wait.
   * @param sizeOf Returns the size of an item, the same each time.
   */
  constructor(bounds: ReadAheadBounds, sizeOf: (item: T) => number) {
    this.#mostItems = bounds.items;
    this.#mostSize = bounds.size;
    this.#sizeOf = sizeOf;
  }

  /** Sets how much may wait from now on. What waits already stays. */
  limitTo({ items, size }: ReadAheadBounds): void {
    this.#mostItems = items;
    this.#mostSize = size;
    this.#tellRoom();
  }

  /** How many items wait. */
  get length(): number {
    return this.#items.length;
  }

  /** Whether the producer should go on: there is room, and neither an end, an error nor a close. */
  get hasRoom(): boolean {
    return this.#items.length < this.#mostItems && this.#size < this.#mostSize &&
      this.#ending === OPEN && !this.#isClosed;
  }

  /** Whether nobody reads any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The item that has waited longest. */
  get first(): T | undefined {
    return this.#items[0];
  }

  /** Adds an item, also where there is no room: what has been read must not be lost. */
  put(item: T): void {
    this.#items.push(item);
    this.#size += this.#sizeOf(item);
    this.#tellReader();
  }

  /** Resolves when there is room, or when nobody reads any more. */
  room(): Promise<void> {
    if (this.hasRoom || this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => this.#wakeProducer = resolve);
  }

  /** Removes the items that have waited longest, up to `most`, and returns them. */
  take(most: number): T[] {
    const isAll = most >= this.#items.length;
    const taken = isAll ? this.#items : this.#items.splice(0, most);
    if (isAll) {
      this.#items = [];
      this.#size = 0;
    } else for (const item of taken) this.#size -= this.#sizeOf(item);
    this.#tellRoom();
    return taken;
  }

  /** Resolves when an item waits, or when `isOver` no longer returns `false`. */
  ready(): Promise<void> {
    if (this.#items.length > 0 || this.#ending !== OPEN || this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => this.#wakeReader = resolve);
  }

  /**
   * Returns whether nothing waits, and nothing more will come.
   *
   * @throws What the producer failed with, once nothing waits.
   */
  isOver(): boolean {
    if (this.#items.length > 0) return false;
    if (this.#ending.kind === "failed") throw this.#ending.thrown;
    return this.#ending === ENDED;
  }

  /** Nothing more will come after what waits. After an error, this does nothing. */
  end(): void {
    if (this.#ending !== OPEN) return;
    this.#ending = ENDED;
    this.#tellReader();
  }

  /** Reading has failed after what waits. The first error counts, also after `end`. */
  fail(thrown: unknown): void {
    if (this.#ending.kind === "failed") return;
    this.#ending = { kind: "failed", thrown };
    this.#tellReader();
  }

  /** Nobody reads any more. Wakes both sides. */
  close(): void {
    this.#isClosed = true;
    this.#tellReader();
    this.#wakeProducer?.();
    this.#wakeProducer = null;
  }

  #tellReader(): void {
    if (this.#wakeReader === null) return;
    this.#wakeReader();
    this.#wakeReader = null;
  }

  #tellRoom(): void {
    if (this.#wakeProducer === null || !this.hasRoom) return;
    this.#wakeProducer();
    this.#wakeProducer = null;
  }
}
