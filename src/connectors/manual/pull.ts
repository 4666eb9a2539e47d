/**
 * Items out of a user's iterable, in batches.
 *
 * @module
 */
import { within } from "../../core/promises.ts";
import type { Log } from "../../core/log.ts";

/** Takes each thing that the iterable yields; throws if it is not what was expected. */
export type Accept = (yielded: unknown) => void;

/** A batch source over a user's iterable: the part that sync and async ones share. */
export interface Puller {
  /** Hands what is there to `accept`, up to a batch's worth. `false` at the end. */
  pull(accept: Accept): boolean;
  /** Resolves when there is more. */
  ready(): Promise<void>;
  /** Closes the iterator, so that its `finally` blocks run. */
  close(): Promise<void>;
}

/** The most items in a batch. */
const BATCH = 1024;

/** A batch should take no longer than this, so that a slow iterable's items go out soon. */
const BATCH_MS = 1;

/** How many items are taken before the clock is looked at: what was fast may have become slow. */
const LOOK_EVERY = 16;

/**
 * Pulls an iterable of either kind.
 *
 * @throws {TypeError} If it is neither; `what` says whose it is.
 */
export function pullerOf(iterable: unknown, what: string, log: Log): Puller {
  if (typeof iterable === "object" && iterable !== null) {
    if (Symbol.asyncIterator in iterable) {
      return new AsyncPuller((iterable as AsyncIterable<unknown>)[Symbol.asyncIterator](), log);
    }
    if (Symbol.iterator in iterable) {
      return new SyncPuller((iterable as Iterable<unknown>)[Symbol.iterator]());
    }
  }
  throw new TypeError(
    `${what} must return an iterable or async iterable (write it as a generator: function*); ` +
      `got ${Deno.inspect(iterable, { depth: 0 })}`,
  );
}

/** Pulls a synchronous iterator: batches grow as long as the iterator is fast. */
class SyncPuller implements Puller {
  readonly #iterator: Iterator<unknown>;
  #size = 1;
  #ended = false;

  constructor(iterator: Iterator<unknown>) {
    this.#iterator = iterator;
  }

  pull(accept: Accept): boolean {
    const started = performance.now();
    for (let taken = 1; taken <= this.#size && !this.#ended; taken++) {
      const result = this.#iterator.next();
      if (result.done === true) this.#ended = true;
      else accept(result.value);
      // A look at the clock costs as much as several items, so not after each.
      if (taken % LOOK_EVERY === 0 && performance.now() - started > BATCH_MS) break;
    }
    const took = performance.now() - started;
    if (took > BATCH_MS) this.#size = Math.max(1, this.#size >> 1);
    else if (this.#size < BATCH) this.#size <<= 1;
    return !this.#ended;
  }

  ready(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    if (!this.#ended) this.#iterator.return?.();
    this.#ended = true;
    return Promise.resolve();
  }
}

/** How long a pending `next` may keep an async iterator from being closed. */
const CLOSE_MS = 1_000;

/**
 * Pulls an asynchronous iterator ahead of the reader, into a bounded buffer: only the iterator itself
 * is awaited, once an item, and never by the reader.
 */
class AsyncPuller implements Puller {
  readonly #iterator: AsyncIterator<unknown>;
  readonly #log: Log;
  #buffer: unknown[] = [];
  #state: "open" | "ended" | { thrown: unknown } = "open";
  #pumping = false;
  #closed = false;
  #wake: (() => void) | null = null;

  constructor(iterator: AsyncIterator<unknown>, log: Log) {
    this.#iterator = iterator;
    this.#log = log;
  }

  pull(accept: Accept): boolean {
    const items = this.#buffer;
    this.#buffer = [];
    for (const item of items) accept(item);
    if (items.length === 0) {
      if (typeof this.#state === "object") throw this.#state.thrown;
      if (this.#state === "ended") return false;
    }
    this.#pump();
    return true;
  }

  ready(): Promise<void> {
    if (this.#buffer.length > 0 || this.#state !== "open") return Promise.resolve();
    return new Promise((resolve) => this.#wake = resolve);
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#state !== "open" || this.#iterator.return === undefined) return;
    this.#state = "ended";
    // An async generator that hangs in an await of its own cannot be closed until that is over.
    if (!await within(Promise.resolve(this.#iterator.return()), CLOSE_MS)) {
      this.#log.debug("an async input is still waiting for its next item; left behind");
    }
  }

  /** Fills the buffer in the background, until it is full, the iterator ends or fails. */
  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#buffer.length < BATCH && this.#state === "open" && !this.#closed) {
        const result = await this.#iterator.next();
        if (result.done === true) this.#state = "ended";
        else this.#buffer.push(result.value);
        if (this.#wake !== null) {
          this.#wake();
          this.#wake = null;
        }
      }
    } catch (thrown) {
      this.#state = { thrown };
      this.#wake?.();
      this.#wake = null;
    } finally {
      this.#pumping = false;
    }
  }
}
