/**
 * Bounded queues between the tasks of a worker.
 *
 * @module
 */
import type { Epoch } from "../core/ids.ts";

/** What travels in a channel beside the data, and in order with it. */
export type Control =
  /** The end of an epoch: all before it belongs to the epoch. */
  | { readonly kind: "barrier"; readonly epoch: Epoch }
  /** Nothing follows: the input has ended, or the run is being stopped with its state kept. */
  | { readonly kind: "end"; readonly stopped: boolean };

/** A batch of items (not to be changed: others may hold it), or a control message. */
export type Message = readonly unknown[] | Control;

/** Whether a message is a batch. */
export function isBatch(message: Message): message is readonly unknown[] {
  return Array.isArray(message);
}

/** Where a stage sends to. It asks first whether there is room; a batch over the bound is taken. */
export interface Outgoing {
  /** Whether the sender must wait. */
  readonly full: boolean;
  /** Takes a message over. */
  push(message: Message): void;
}

/** Where a task receives from. */
export interface Incoming {
  /** Takes the oldest message. */
  take(): Message | undefined;
}

/** Items that a channel holds before it is full. */
const CAPACITY = 8192;

/** A queue within a worker that says when it is full. */
export class Channel implements Outgoing, Incoming {
  readonly #queue: Message[] = [];
  #items = 0;

  get full(): boolean {
    return this.#items >= CAPACITY;
  }

  /** Whether nothing is queued. */
  get empty(): boolean {
    return this.#queue.length === 0;
  }

  push(message: Message): void {
    if (isBatch(message)) this.#items += message.length;
    this.#queue.push(message);
  }

  take(): Message | undefined {
    const message = this.#queue.shift();
    if (message !== undefined && isBatch(message)) this.#items -= message.length;
    return message;
  }
}
