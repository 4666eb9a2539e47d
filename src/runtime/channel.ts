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
  | { readonly kind: "end"; readonly stopped: boolean }
  | Activity;

/**
 * Whether the inputs behind a channel have anything to read. A batch says by itself that they have, so
 * `active` is only sent where they read and nothing comes of it here.
 */
export type Activity = { readonly kind: "idle" } | { readonly kind: "active" };

/** Whether a message is one of activity. */
export function isActivity(message: Control): message is Activity {
  return message.kind === "idle" || message.kind === "active";
}

/** Keeps activity off a channel that would say nothing new. */
export class ActivityFilter {
  #idle = false;

  /** Whether the message has to be sent. */
  passes(message: Message): boolean {
    const isIdle = !isBatch(message) && message.kind === "idle";
    const isNews = isIdle !== this.#idle;
    if (isBatch(message)) this.#idle = false;
    else if (isActivity(message)) {
      this.#idle = isIdle;
      return isNews;
    }
    return true;
  }
}

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
  readonly #activity = new ActivityFilter();
  #items = 0;

  get full(): boolean {
    return this.#items >= CAPACITY;
  }

  /** Whether nothing is queued. */
  get empty(): boolean {
    return this.#queue.length === 0;
  }

  push(message: Message): void {
    if (!this.#activity.passes(message)) return;
    if (isBatch(message)) this.#items += message.length;
    this.#queue.push(message);
  }

  take(): Message | undefined {
    const message = this.#queue.shift();
    if (message !== undefined && isBatch(message)) this.#items -= message.length;
    return message;
  }
}
