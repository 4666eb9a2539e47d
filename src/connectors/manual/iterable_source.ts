/**
 * Reads a user's iterable in batches.
 *
 * @module
 */
import { messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { preview } from "../../core/preview.ts";
import { within } from "../../core/promises.ts";
import { ReadAhead } from "../../core/read_ahead.ts";
import { snapshotOf } from "../../core/snapshot.ts";
import { sizeOf } from "../../core/value_size.ts";

/** A source of batches over a user's iterable of `[state, item]`, synchronous or asynchronous. */
export interface IterableSource {
  /**
   * Adds the available items to `items`, up to a batch and up to `limit`. Returns `false` at the
   * end.
   *
   * An asynchronous iterator is then read ahead. If it is one of several, its part is `share` of
   * `limit`, and of the bytes that a step may hold.
   *
   * @throws What the iterable threw, or a `TypeError` if it yielded anything but a pair. The items
   *   that it yielded before have been added by then.
   */
  pull(items: unknown[], limit?: number, share?: number): boolean;
  /** Whether `pull` would add items, as far as is known before the iterable is asked. */
  readonly hasItems: boolean;
  /**
   * How many items the iterator has yielded, while it is awaited. `null` while it is not, as it
   * then cannot show that it has nothing.
   */
  readonly awaitedAfter: number | null;
  /** The state of the last item that `pull` added, as it was when that was yielded. */
  readonly state: unknown;
  /** Resolves when there is more. */
  ready(): Promise<void>;
  /** Asks the iterator for no more. `pull` still adds what the iterator has yielded. */
  stop(): void;
  /** Closes the iterator, so that its `finally` blocks run. */
  close(): Promise<void>;
}

/** The most items in a batch. */
const BATCH = 1024;

/**
 * The asynchronous iterators of a step are asked for no more while their items take this many
 * bytes.
 */
const AHEAD_BYTES = 4 << 20;

/** One item in this many is measured, and stands for those after it. */
const MEASURE_EVERY = 16;

/** A batch should take no longer than this, so that a slow iterable's items go out soon. */
const BATCH_MS = 1;

/** How many items pass between two looks at the clock: a fast iterator may have become slow. */
const LOOK_EVERY = 16;

/**
 * Returns a source for an iterable of either kind.
 *
 * @throws {TypeError} If it is neither; `what` names it in the error.
 */
export function sourceOf(iterable: unknown, what: string, log: Log): IterableSource {
  if (typeof iterable === "object" && iterable !== null) {
    if (Symbol.asyncIterator in iterable) {
      return new AsyncSource((iterable as AsyncIterable<unknown>)[Symbol.asyncIterator](), log);
    }
    if (Symbol.iterator in iterable) {
      return new SyncSource((iterable as Iterable<unknown>)[Symbol.iterator]());
    }
  }
  throw new TypeError(
    `${what} must return an iterable or async iterable (write it as a generator: function*); ` +
      `got ${Deno.inspect(iterable, { depth: 0 })}`,
  );
}

function requirePair(
  yielded: unknown,
): asserts yielded is readonly [state: unknown, item: unknown] {
  if (Array.isArray(yielded) && yielded.length === 2) return;
  throw new TypeError(
    `a manual input must yield [state, item] pairs; got ${preview(yielded)} ` +
      `(yield [null, item] if there is no state to continue after)`,
  );
}

/** Pulls a synchronous iterator. Batches grow while the iterator is fast. */
class SyncSource implements IterableSource {
  readonly #iterator: Iterator<unknown>;
  #size = 1;
  #stopped = false;
  #over = false; // the iterator has ended or thrown: it must not be closed
  state: unknown;

  constructor(iterator: Iterator<unknown>) {
    this.#iterator = iterator;
  }

  pull(items: unknown[], limit = BATCH): boolean {
    if (this.#stopped) return false;
    const started = performance.now();
    const most = Math.min(limit, this.#size);
    for (let taken = 1; taken <= most && !this.#over; taken++) {
      const result = this.#next();
      if (result.done === true) this.#over = true;
      else {
        requirePair(result.value);
        // At once, and for each item: the generator may change the state before it ends or throws.
        this.state = snapshotOf(result.value[0]);
        items.push(result.value[1]);
      }
      // A look at the clock costs as much as several items, so it is not taken after each.
      if (taken % LOOK_EVERY === 0 && performance.now() - started > BATCH_MS) break;
    }
    const took = performance.now() - started;
    if (took > BATCH_MS) this.#size = Math.max(1, this.#size >> 1);
    else if (this.#size < BATCH && most === this.#size) this.#size <<= 1;
    return !this.#over;
  }

  get hasItems(): boolean {
    return !this.#stopped && !this.#over;
  }

  get awaitedAfter(): null {
    return null;
  }

  ready(): Promise<void> {
    return Promise.resolve();
  }

  stop(): void {
    this.#stopped = true;
  }

  close(): Promise<void> {
    if (!this.#over) this.#iterator.return?.();
    this.#over = true;
    return Promise.resolve();
  }

  #next(): IteratorResult<unknown> {
    try {
      return this.#iterator.next();
    } catch (thrown) {
      this.#over = true;
      throw thrown;
    }
  }
}

/** How long a pending `next` may delay the closing of an async iterator. */
const CLOSE_MS = 1_000;

/** How long a stop waits for an item that an async iterator has already been asked for. */
const LAST_ITEM_MS = 1_000;

const FAILED_AT_STOP = "an async input failed while the run was being stopped";

function isGenerator(iterator: AsyncIterator<unknown>): boolean {
  return Object.prototype.toString.call(iterator) === "[object AsyncGenerator]";
}

/** What an asynchronous iterator has yielded. */
interface Yielded {
  readonly item: unknown;
  readonly state: unknown;
  /** About how much memory the item takes. */
  readonly bytes: number;
}

/** Until the reader has said how much it has room for. */
const NOT_ASKED_YET = { items: 1, size: AHEAD_BYTES };

/**
 * Pulls an asynchronous iterator ahead of the reader, into a bounded buffer. Only the iterator
 * itself is awaited, once per item, and never by the reader.
 */
class AsyncSource implements IterableSource {
  readonly #iterator: AsyncIterator<unknown>;
  readonly #log: Log;
  readonly #ahead = new ReadAhead<Yielded>(NOT_ASKED_YET, ({ bytes }) => bytes);
  #itemBytes = 0; // estimated, of the item that was measured last
  #over = false; // the iterator has ended or thrown: it must not be closed
  #asking = false; // `next` is pending
  #yielded = 0; // items
  #stopped = false;
  #ended = false; // the reader knows that nothing more comes
  #lastItem: ReturnType<typeof setTimeout> | null = null; // the timer of the wait for the last item
  state: unknown;

  constructor(iterator: AsyncIterator<unknown>, log: Log) {
    this.#iterator = iterator;
    this.#log = log;
  }

  pull(items: unknown[], limit = BATCH, share = 1): boolean {
    this.#ahead.limitTo({
      items: Math.ceil(Math.min(limit, BATCH) * share),
      size: AHEAD_BYTES * share,
    });
    if (this.#ahead.length > 0) this.#handOut(items, limit);
    else if (this.#ahead.isOver()) {
      this.#ended = true;
      return false;
    }
    void this.#askAhead();
    return true;
  }

  #handOut(items: unknown[], limit: number): void {
    const taken = this.#ahead.take(limit);
    for (const { item } of taken) items.push(item);
    this.state = taken[taken.length - 1].state;
  }

  get hasItems(): boolean {
    return this.#ahead.length > 0;
  }

  get awaitedAfter(): number | null {
    return this.#asking ? this.#yielded : null;
  }

  ready(): Promise<void> {
    return this.#ahead.ready();
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    if (this.#asking) this.#lastItem = setTimeout(() => this.#ahead.end(), LAST_ITEM_MS);
    else this.#ahead.end();
  }

  async close(): Promise<void> {
    this.#ahead.close();
    this.#waitNoLonger();
    if (this.#over || this.#iterator.return === undefined) return;
    this.#over = true;
    // An async generator that hangs in an `await` of its own cannot be closed until that ends.
    // After a stop, it has already had its time.
    const ms = this.#stopped && this.#asking && isGenerator(this.#iterator) ? 0 : CLOSE_MS;
    if (!await within(Promise.resolve(this.#iterator.return()), ms)) {
      this.#log.debug("an async input is still waiting for its next item; left behind");
    }
  }

  /**
   * Fills the buffer in the background until it is full, the iterator ends or fails, or a stop
   * comes.
   */
  async #askAhead(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    while (this.#ahead.hasRoom && !this.#stopped) {
      try {
        const result = await this.#iterator.next();
        if (result.done === true) {
          this.#over = true;
          this.#ahead.end();
        } else this.#take(result.value);
      } catch (thrown) {
        this.#over = true;
        // Some inputs take part in a stop by aborting what they wait for.
        if (!this.#stopped) this.#ahead.fail(thrown);
        else if (!this.#ahead.isClosed) this.#log.warn(`${FAILED_AT_STOP}: ${messageOf(thrown)}`);
      }
    }
    this.#asking = false;
    this.#waitNoLonger();
    if (this.#stopped) this.#ahead.end();
  }

  #take(yielded: unknown): void {
    if (this.#ended) {
      this.#log.warn(
        `an async input yielded an item more than ${LAST_ITEM_MS / 1000} s after the stop of the ` +
          `run: it is lost, unless the next run reads it again`,
      );
      return;
    }
    try {
      requirePair(yielded);
    } catch (thrown) {
      this.#ahead.fail(thrown);
      return;
    }
    const [state, item] = yielded;
    this.#yielded++;
    if (this.#ahead.length % MEASURE_EVERY === 0) this.#itemBytes = sizeOf(item);
    // The state is copied before the iterator continues, and may change it.
    this.#ahead.put({ item, state: snapshotOf(state), bytes: this.#itemBytes });
  }

  #waitNoLonger(): void {
    if (this.#lastItem !== null) clearTimeout(this.#lastItem);
    this.#lastItem = null;
  }
}
