/**
 * Bounded queues between the tasks of a worker.
 *
 * @module
 */
import type { Epoch } from "../core/ids.ts";
import { BatchSizes } from "../core/value_size.ts";
import { type Activity, ActivityFilter, isActivity } from "./activity/activity.ts";
import type { TimeControl } from "./time/controls.ts";
import { QueueBound, type QueueBoundOptions } from "./queue_bound.ts";

/** What ends an epoch. */
export type EpochEnd =
  /** All before it belongs to the epoch. */
  | { readonly kind: "barrier"; readonly epoch: Epoch }
  /** Nothing follows: the input has ended, or the run is being stopped with its state kept. */
  | { readonly kind: "end"; readonly stopped: boolean };

/** Returns whether a message ends an epoch. */
export function isEpochEnd(message: Control): message is EpochEnd {
  return message.kind === "barrier" || message.kind === "end";
}

/** What travels in a channel beside the data, and in order with it. */
export type Control = EpochEnd | Activity | TimeControl;

/** A batch of items (not to be changed: others may hold it), or a control message. */
export type Message = readonly unknown[] | Control;

/** Whether a message is a batch. */
export function isBatch(message: Message): message is readonly unknown[] {
  return Array.isArray(message);
}

/** Where a stage sends to. */
export interface Outgoing {
  /**
   * How many items may come now. The sender waits while it is 0. A larger batch is accepted all the
   * same.
   */
  readonly room: number;
  /**
   * The sender has gone through `items`, and pushes next what is for this channel, if anything is.
   * If that fills the room, it may have had more.
   */
  offered(items: number): void;
  /** Adds a message, which belongs to the channel from now on. */
  push(message: Message): void;
}

/** Where a task receives from. */
export interface Incoming {
  /** How many items wait in it. */
  readonly items: number;
  /**
   * Removes and returns the oldest message. Of a batch it returns at most `most` items, and the
   * others stay. A channel within a worker joins batches up to `most`.
   */
  take(most?: number): Message | undefined;
}

/** The bytes that a channel holds at most, as far as they are known. */
export const CHANNEL_BYTES = 8 << 20;

/** The items that a channel holds at most, however fast it is emptied. */
export const CHANNEL_ITEMS = 8192;

const MOST: QueueBoundOptions = { items: CHANNEL_ITEMS, bytes: CHANNEL_BYTES, now: () => 0 };

/** A queue within a worker that says how much room it has. */
export class Channel implements Outgoing, Incoming {
  readonly #queue: Message[] = [];
  readonly #activity = new ActivityFilter();
  readonly #bound: QueueBound;
  readonly #sizes = new BatchSizes();
  #at = 0; // where what is left of the first batch begins

  /** `most`: where it is not the usual. */
  constructor(most: Partial<QueueBoundOptions> = {}) {
    this.#bound = new QueueBound({ ...MOST, ...most });
  }

  get room(): number {
    return this.#bound.room;
  }

  get items(): number {
    return this.#bound.items;
  }

  /** Whether nothing is queued. */
  get empty(): boolean {
    return this.#queue.length === 0;
  }

  offered(items: number): void {
    this.#bound.offered(items);
  }

  /** The consumer takes about this many items at once, so no fewer may wait. */
  takesAtOnce(items: number): void {
    this.#bound.takesAtOnce(items);
  }

  push(message: Message): void {
    if (isBatch(message)) {
      if (message.length === 0) return;
      this.#activity.onBatch();
      this.#bound.added(message.length, this.#sizes.itemBytes(message));
    } else if (isActivity(message) && !this.#activity.passes(message)) return;
    this.#queue.push(message);
  }

  /**
   * Without `most`, a batch comes as it was put in. With it, batches are joined. A consumer that
   * took them one by one would leave some each time, and so never get larger ones.
   */
  take(most?: number): Message | undefined {
    const first = this.#queue.at(0);
    if (first === undefined) return undefined;
    if (!isBatch(first)) return this.#queue.shift();
    const items = this.#takeItems(first, most ?? Infinity);
    const next = this.#queue.at(0);
    const joins = most !== undefined && items.length < most && next !== undefined && isBatch(next);
    const taken = joins ? this.#join(items, most) : items;
    this.#bound.taken(taken.length);
    return taken;
  }

  #join(first: readonly unknown[], most: number): readonly unknown[] {
    const rest: (readonly unknown[])[] = [];
    let count = first.length;
    while (count < most) {
      const next = this.#queue.at(0);
      if (next === undefined || !isBatch(next)) break;
      const items = this.#takeItems(next, most - count);
      rest.push(items);
      count += items.length;
    }
    return first.concat(...rest);
  }

  #takeItems(batch: readonly unknown[], most: number): readonly unknown[] {
    const from = this.#at;
    if (batch.length - from > most) {
      this.#at = from + most;
      return batch.slice(from, this.#at);
    }
    this.#queue.shift();
    this.#at = 0;
    return from === 0 ? batch : batch.slice(from);
  }
}
