/**
 * The channels of a worker from and to all others.
 *
 * Credits bound the items and bytes that a sender has on their way and the receiver has not taken
 * out of its channel yet. So the transport is read although a channel is full. No channel can hold
 * up another that shares its socket (as in Apache Flink: Kruber, Nowojski, "A Deep-Dive into
 * Flink's Network Stack", 2019). The bound follows the pace of the receiver, as with any queue
 * (`queue_bound.ts`).
 *
 * @module
 */
import { counted } from "../../core/counted.ts";
import type { WorkerIndex } from "../../core/ids.ts";
import { decodeBatch } from "../../core/value_codec.ts";
import { ActivityFilter, isActivity } from "../activity/activity.ts";
import type { Control, Incoming, Message } from "../channel.ts";
import { isTimeControl } from "../time/controls.ts";
import { QueueBound } from "../queue_bound.ts";
import { decodeFrame, encodeFrame } from "./frames.ts";
import type { Transport } from "./transport.ts";

/**
 * How much of a channel may be on its way, or wait for the receiver, however fast that works it
 * off. A batch over it is taken.
 */
export interface CreditWindow {
  readonly items: number;
  readonly bytes: number;
  /** The items to begin with, before the peer's pace is known; 1 by default. */
  readonly first?: number;
}

/**
 * Credit takes a way back and forth, so a channel begins with some. A peer sends credit once a pass
 * of its loop, and the window has to last until then: of fast items 16,384. It is twice that,
 * because batches that nobody splits fill only half of a queue (`queue_bound.ts`).
 */
const DEFAULT_WINDOW: CreditWindow = { items: 32_768, bytes: 4 << 20, first: 64 };

/** How a mesh reports to its worker. */
export interface MeshHost {
  /** Something has come: run the tasks. */
  wake(): void;
  /** Ends the run. */
  fail(error: unknown): void;
}

/** The remote channels of one worker. */
export class Mesh {
  readonly #transport: Transport;
  readonly #window: CreditWindow;
  readonly #senders = new Map<string, RemoteSender>();
  readonly #receivers = new Map<string, RemoteReceiver>();
  readonly #owing = new Set<RemoteReceiver>();

  constructor(transport: Transport, window: CreditWindow = DEFAULT_WINDOW) {
    this.#transport = transport;
    this.#window = window;
  }

  /** The end of an exchange's channel to a peer, on which at most `bytes` are on their way. */
  sender(exchange: number, to: WorkerIndex, bytes = Infinity): RemoteSender {
    const window = { ...this.#window, bytes: Math.min(bytes, this.#window.bytes) };
    const sender = new RemoteSender(exchange, window, (frame) => {
      this.#transport.send(to, frame);
    });
    this.#senders.set(nameOf(exchange, to), sender);
    return sender;
  }

  /** The end of an exchange's channel from a peer. */
  receiver(exchange: number, from: WorkerIndex): Incoming {
    const receiver = new RemoteReceiver(exchange, from, () => this.#owing.add(receiver));
    this.#receivers.set(nameOf(exchange, from), receiver);
    return receiver;
  }

  /** Begins to take what comes, once all channels are made. */
  start(host: MeshHost): void {
    this.#transport.receive((from, bytes) => {
      try {
        this.#take(from, bytes);
      } catch (error) {
        host.fail(error);
      }
      host.wake();
    });
  }

  /** Sends what has gathered: frames, and credits for what has been worked off. */
  flush(): void {
    for (const receiver of this.#owing) {
      this.#transport.send(receiver.from, receiver.takeCredit());
    }
    this.#owing.clear();
    this.#transport.flush();
  }

  /** Closes the transport. */
  close(): void {
    this.#transport.close();
  }

  #take(from: WorkerIndex, bytes: Uint8Array): void {
    const frame = decodeFrame(bytes);
    const channels = frame.kind === "credit" ? this.#senders : this.#receivers;
    const channel = channels.get(nameOf(frame.exchange, from));
    if (channel === undefined) {
      throw new Error(`worker ${from} sent to exchange ${frame.exchange}, which is not there`);
    }
    if (frame.kind === "credit") (channel as RemoteSender).credit(frame.batches, frame.emptied);
    else if (frame.kind === "batch") {
      (channel as RemoteReceiver).put({ count: frame.count, items: frame.items });
    } else if (frame.kind === "time") (channel as RemoteReceiver).put(frame.message);
    else (channel as RemoteReceiver).put(frame);
  }
}

/** Sends one exchange's share of a peer. */
export class RemoteSender {
  readonly #exchange: number;
  readonly #send: (frame: Uint8Array) => void;
  readonly #activity = new ActivityFilter();
  readonly #bound: QueueBound;
  readonly #onTheWay: number[] = []; // items of the batches without credit, oldest first

  constructor(exchange: number, window: CreditWindow, send: (frame: Uint8Array) => void) {
    this.#exchange = exchange;
    this.#bound = new QueueBound({ ...window, now: () => performance.now() });
    this.#send = send;
  }

  /** How many items may come now; the peer has to take something first while it is 0. */
  get room(): number {
    return this.#bound.room;
  }

  /** The sender goes through `items`, some of which may be for the peer. */
  offered(items: number): void {
    this.#bound.offered(items);
  }

  /** Sends `count` items that have been encoded. */
  batch(count: number, items: Uint8Array): void {
    this.#activity.onBatch();
    this.#onTheWay.push(count);
    this.#bound.added(count, items.length / count);
    this.#send(encodeFrame({ kind: "batch", exchange: this.#exchange, count, items }));
  }

  /** Sends what travels beside the items. */
  control(message: Control): void {
    if (isActivity(message) && !this.#activity.passes(message)) return;
    const exchange = this.#exchange;
    const frame = isTimeControl(message)
      ? { kind: "time", exchange, message } as const
      : { ...message, exchange };
    this.#send(encodeFrame(frame));
  }

  /** The peer has taken `batches` more. `emptied`: whether it had nothing left meanwhile. */
  credit(batches: number, emptied: boolean): void {
    let items = 0;
    for (const count of this.#onTheWay.splice(0, batches)) items += count;
    if (items > 0) this.#bound.taken(items, emptied);
  }
}

/** A batch that has not been decoded: that is done when it is taken. */
interface EncodedBatch {
  readonly count: number;
  readonly items: Uint8Array;
}

/** Receives one exchange's share from a peer. */
class RemoteReceiver implements Incoming {
  readonly from: WorkerIndex;
  readonly #exchange: number;
  readonly #onTaken: () => void;
  readonly #queue: (EncodedBatch | Control)[] = [];
  #items: readonly unknown[] = []; // of the batch that is being taken
  #at = 0;
  #waiting = 0; // batches in the queue
  #waitingItems = 0; // and items in those
  #owed = 0; // batches that the peer has no credit for yet
  #emptied = false; // whether nothing was left since the last credit

  constructor(exchange: number, from: WorkerIndex, onTaken: () => void) {
    this.#exchange = exchange;
    this.from = from;
    this.#onTaken = onTaken;
  }

  get items(): number {
    return this.#waitingItems + this.#items.length - this.#at;
  }

  put(message: EncodedBatch | Control): void {
    if (!("kind" in message)) {
      this.#waiting++;
      this.#waitingItems += message.count;
    }
    this.#queue.push(message);
  }

  take(most = Infinity): Message | undefined {
    if (this.#at >= this.#items.length) {
      const message = this.#queue.shift();
      if (message === undefined || "kind" in message) return message;
      this.#waiting--;
      this.#waitingItems -= message.count;
      this.#items = decodeBatch(message.items);
      this.#at = 0;
      if (this.#items.length !== message.count) {
        throw new Error(
          `worker ${this.from} sent ${counted(this.#items.length, "item")} as ${message.count}`,
        );
      }
    }
    const from = this.#at;
    const batch = this.#items;
    this.#at = Math.min(batch.length, from + most);
    if (this.#at < batch.length) return batch.slice(from, this.#at);
    this.#items = [];
    this.#at = 0;
    this.#owed++;
    if (this.#waiting === 0) this.#emptied = true;
    this.#onTaken();
    return from === 0 ? batch : batch.slice(from);
  }

  /** A frame with the credit that the peer is owed. */
  takeCredit(): Uint8Array {
    const batches = this.#owed;
    const emptied = this.#emptied;
    this.#owed = 0;
    this.#emptied = false;
    return encodeFrame({ kind: "credit", exchange: this.#exchange, batches, emptied });
  }
}

function nameOf(exchange: number, peer: WorkerIndex): string {
  return `${exchange}/${peer}`;
}
