/**
 * The sending end of exchanges that go through the log: keeps what a task sends until its epoch is
 * committed.
 *
 * @module
 */
import type { Epoch } from "../../core/ids.ts";
import type { TaskId } from "../../core/task_id.ts";
import type { ExchangeNode } from "../../graph/nodes.ts";
import type { ShuffleBatch } from "../../group/log.ts";
import { isBatch, type Message, type Outgoing } from "../channel.ts";
import { type BatchTarget, BatchWriter } from "../exchange/batch_writer.ts";
import { type Deal, dealing, type FailItem } from "../exchange/dealing.ts";
import { encodeFrame } from "../exchange/frames.ts";
import { encodeShuffleBatch } from "./shuffle_batch.ts";
import type { WaitingBytes } from "./waiting_bytes.ts";

/** A record holds about this many bytes at most, if it has more than one frame. */
const RECORD_BYTES = 512 << 10;

/** The most bytes of an item: topics of a group accept records of 8 MiB. */
const LONGEST_ITEM = 7 << 20;

/** Where the exchanges of a flow lead. */
export interface ShuffleTargets {
  /** Returns the sub-topology that receives an exchange. */
  readonly receiverOf: (exchange: number) => string;
  /** How many shards each of them has. */
  readonly shards: number;
}

/** The frames for one shard in one epoch. */
interface Waiting {
  readonly subtopology: string;
  readonly shard: number;
  readonly frames: Uint8Array[];
}

/** All that one task sends. */
export class ShuffleOut {
  readonly #task: TaskId;
  readonly #targets: ShuffleTargets;
  readonly #waiting: WaitingBytes;
  readonly #epochs = new Map<Epoch, Map<string, Waiting>>();
  #first = 0; // the epoch of the process in which the task's epoch 0 is

  constructor(task: TaskId, targets: ShuffleTargets, waiting: WaitingBytes) {
    this.#task = task;
    this.#targets = targets;
    this.#waiting = waiting;
  }

  /** The task's epoch 0 is this one of the process. */
  begin(first: number): void {
    this.#first = first;
  }

  /** Returns where a stage sends that feeds an exchange. `epoch` is the one it starts in. */
  sender(
    exchange: number,
    route: ExchangeNode["route"],
    fail: FailItem,
    epoch: Epoch,
  ): Outgoing {
    const { receiverOf, shards } = this.#targets;
    const subtopology = receiverOf(exchange);
    const put = (epoch: Epoch, shard: number, frame: Uint8Array) => {
      this.#put(epoch, { subtopology, shard }, frame);
    };
    const roomIn = (epoch: Epoch) => this.#waiting.roomIn(this.#first + epoch);
    return new ShuffleSender(exchange, dealing(route, shards, fail), { put, roomIn, fail, epoch });
  }

  /** Returns what has been sent in an epoch and before it, and forgets it. */
  take(through: Epoch): ShuffleBatch[] {
    const batches: ShuffleBatch[] = [];
    for (const [epoch, shards] of this.#epochs) {
      if (epoch > through) continue;
      this.#epochs.delete(epoch);
      for (const { subtopology, shard, frames } of shards.values()) {
        for (const some of inRecords(frames)) {
          batches.push({ subtopology, shard, bytes: encodeShuffleBatch(this.#task, some) });
        }
      }
    }
    return batches;
  }

  #put(epoch: Epoch, target: Pick<Waiting, "subtopology" | "shard">, frame: Uint8Array): void {
    let shards = this.#epochs.get(epoch);
    if (shards === undefined) this.#epochs.set(epoch, shards = new Map());
    const name = `${target.shard} ${target.subtopology}`;
    let waiting = shards.get(name);
    if (waiting === undefined) shards.set(name, waiting = { ...target, frames: [] });
    waiting.frames.push(frame);
    this.#waiting.add(this.#first + epoch, frame.length);
  }
}

/** What a sender needs of its task. */
interface SenderHost {
  readonly put: (epoch: Epoch, shard: number, frame: Uint8Array) => void;
  readonly roomIn: (epoch: Epoch) => number;
  readonly fail: FailItem;
  readonly epoch: Epoch;
}

/** Sends the items of one exchange. */
class ShuffleSender implements Outgoing {
  readonly #deal: Deal;
  readonly #host: SenderHost;
  readonly #writer: BatchWriter;
  readonly #shards: BatchTarget[] = [];
  readonly #exchange: number;
  #epoch: Epoch;
  #itemBytes = 64; // of recent items; a guess at first

  constructor(exchange: number, deal: Deal, host: SenderHost) {
    this.#exchange = exchange;
    this.#deal = deal;
    this.#host = host;
    this.#epoch = host.epoch;
    const limits = { longest: LONGEST_ITEM, batchBytes: RECORD_BYTES, to: "to another task" };
    this.#writer = new BatchWriter(limits, host.fail);
  }

  get room(): number {
    return Math.ceil(this.#host.roomIn(this.#epoch) / this.#itemBytes);
  }

  /** The bound is one of bytes, which the items of other tasks fill too. */
  offered(_items: number): void {}

  push(message: Message): void {
    if (isBatch(message)) {
      this.#deal(message).forEach((items, shard) => {
        if (items.length > 0) this.#writer.write(items, this.#shard(shard));
      });
    } else if (message.kind === "barrier") this.#epoch = message.epoch + 1;
    // Others are not sent. The receiver has barriers and an end of its own. Nothing in a group goes
    // by the time of values yet, so nobody has to know whether there is anything to read.
  }

  #shard(shard: number): BatchTarget {
    return this.#shards[shard] ??= {
      batch: (count, items) => {
        this.#itemBytes = Math.max(1, items.length / count, this.#itemBytes * 0.875);
        const frame = encodeFrame({ kind: "batch", exchange: this.#exchange, count, items });
        this.#host.put(this.#epoch, shard, frame);
      },
    };
  }
}

/** Frames in parts that fit into a record. */
function* inRecords(frames: readonly Uint8Array[]): Generator<readonly Uint8Array[]> {
  let from = 0;
  let bytes = 0;
  for (const [index, { length }] of frames.entries()) {
    if (index > from && bytes + length > RECORD_BYTES) {
      yield frames.slice(from, index);
      from = index;
      bytes = 0;
    }
    bytes += length;
  }
  if (from < frames.length) yield frames.slice(from);
}
