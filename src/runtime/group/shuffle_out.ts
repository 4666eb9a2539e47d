/**
 * The sending end of exchanges that go through the log: keeps what a task sends until its epoch is
 * committed.
 *
 * @module
 */
import type { Epoch } from "../../core/ids.ts";
import type { TaskId } from "../../core/task_id.ts";
import type { ExchangeNode } from "../../graph/nodes.ts";
import type { RecordLimit, ShuffleBatch } from "../../group/log.ts";
import { isBatch, isEpochEnd, type Message, type Outgoing } from "../channel.ts";
import { type BatchTarget, BatchWriter } from "../exchange/batch_writer.ts";
import { type Deal, dealing, type FailItem } from "../exchange/dealing.ts";
import { encodeFrame } from "../exchange/frames.ts";
import { isTimeControl, type TimeControl } from "../time/controls.ts";
import type { SentTime } from "./sent_time.ts";
import { encodeShuffleBatch } from "./shuffle_batch.ts";
import type { WaitingBytes } from "./waiting_bytes.ts";

/** A record has this many bytes at most, if it has more than one frame. */
const RECORD_BYTES = 512 << 10;

/**
 * A frame has about this many items, or bytes. To encode and to read five at a time takes 1.4 µs an
 * item, and 250 at a time 0.2 µs.
 */
const FRAME_ITEMS = 256;
const FRAME_BYTES = 16 << 10;

/** What an item may take of what a record may have: others go with it, and where they are from. */
const ITEM_SHARE = 7 / 8;

/** What a frame has of that before it is full. Its last item may take much more. */
const FRAME_SHARE = 1 / 16;

/** What a record of several frames has of that. */
const RECORD_SHARE = 1 / 2;

/** Where the exchanges of a flow lead. */
export interface ShuffleTargets {
  /** Returns the sub-topology that receives an exchange. */
  readonly receiverOf: (exchange: number) => string;
  /** How many shards each of them has. */
  readonly shards: number;
  /** Returns how large a record to a sub-topology may be. */
  readonly limitOf: (subtopology: string) => RecordLimit;
}

/** A frame, and what has to be said before it in the same record. */
interface WaitingFrame {
  readonly bytes: Uint8Array;
  /** Where its items come from, as a frame of the same exchange; `null` if that does not matter. */
  readonly from: Uint8Array | null;
  readonly exchange: number;
}

/** The frames for one shard in one epoch. */
interface Waiting {
  readonly subtopology: string;
  readonly shard: number;
  readonly frames: WaitingFrame[];
}

/** How a stage sends that feeds an exchange. */
export interface SenderOptions {
  readonly route: ExchangeNode["route"];
  readonly fail: FailItem;
  /** The epoch that it starts in. */
  readonly epoch: Epoch;
  /** What it tells of event time; `null` or absent for nothing. */
  readonly time?: SentTime | null;
}

/** All that one task sends. */
export class ShuffleOut {
  readonly #task: TaskId;
  readonly #targets: ShuffleTargets;
  readonly #waiting: WaitingBytes;
  readonly #epochs = new Map<Epoch, Map<string, Waiting>>();
  readonly #senders: ShuffleSender[] = [];
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

  /** Returns where a stage sends that feeds an exchange. */
  sender(exchange: number, options: SenderOptions): Outgoing {
    const { receiverOf, shards, limitOf } = this.#targets;
    const subtopology = receiverOf(exchange);
    const sender = new ShuffleSender(exchange, shards, {
      ...options,
      limit: limitOf(subtopology),
      put: (epoch, shard, frame) => this.#put(epoch, { subtopology, shard }, frame),
      waits: (epoch, bytes) => this.#waiting.add(this.#first + epoch, bytes),
      roomIn: (epoch) => this.#waiting.roomIn(this.#first + epoch),
    });
    this.#senders.push(sender);
    return sender;
  }

  /** Returns what has been sent in an epoch and before it, and forgets it. */
  take(through: Epoch): ShuffleBatch[] {
    for (const sender of this.#senders) if (sender.epoch <= through) sender.flush();
    const batches: ShuffleBatch[] = [];
    for (const [epoch, shards] of this.#epochs) {
      if (epoch > through) continue;
      this.#epochs.delete(epoch);
      for (const { subtopology, shard, frames } of shards.values()) {
        const { bytes } = this.#targets.limitOf(subtopology);
        const most = Math.min(RECORD_BYTES, Math.floor(bytes * RECORD_SHARE));
        for (const some of inRecords(frames, most)) {
          batches.push({ subtopology, shard, bytes: encodeShuffleBatch(this.#task, some) });
        }
      }
    }
    return batches;
  }

  #put(epoch: Epoch, target: Pick<Waiting, "subtopology" | "shard">, frame: WaitingFrame): void {
    let shards = this.#epochs.get(epoch);
    if (shards === undefined) this.#epochs.set(epoch, shards = new Map());
    const name = `${target.shard} ${target.subtopology}`;
    let waiting = shards.get(name);
    if (waiting === undefined) shards.set(name, waiting = { ...target, frames: [] });
    waiting.frames.push(frame);
  }
}

/** What a sender needs of its task. */
interface SenderHost extends SenderOptions {
  readonly limit: RecordLimit;
  readonly put: (epoch: Epoch, shard: number, frame: WaitingFrame) => void;
  /** Frames of an epoch have, or will have, as many more bytes. */
  readonly waits: (epoch: Epoch, bytes: number) => void;
  readonly roomIn: (epoch: Epoch) => number;
}

/** What is for one shard: items gather until they make a frame. */
interface Shard {
  readonly writer: BatchWriter;
  readonly target: BatchTarget;
}

/** Sends the items of one exchange. */
class ShuffleSender implements Outgoing {
  readonly #deal: Deal;
  readonly #host: SenderHost;
  readonly #shards: Shard[] = [];
  readonly #exchange: number;
  readonly #count: number;
  readonly #time: SentTime | null;
  #epoch: Epoch;
  #itemBytes = 64; // of recent items; a guess at first
  #framed = 0; // bytes that frames have got

  constructor(exchange: number, shards: number, host: SenderHost) {
    this.#exchange = exchange;
    this.#count = shards;
    this.#deal = dealing(host.route, shards, host.fail);
    this.#time = host.time ?? null;
    this.#host = host;
    this.#epoch = host.epoch;
  }

  /** The epoch that what comes next belongs to. */
  get epoch(): Epoch {
    return this.#epoch;
  }

  get room(): number {
    return Math.ceil(this.#host.roomIn(this.#epoch) / this.#itemBytes);
  }

  /** The bound is one of bytes, which the items of other tasks fill too. */
  offered(_items: number): void {}

  push(message: Message): void {
    if (isBatch(message)) {
      for (let from = 0; from < message.length;) {
        const end = this.#time?.onBatch(message, from) ?? message.length;
        const isAll = from === 0 && end === message.length;
        this.#send(isAll ? message : message.slice(from, end));
        from = end;
      }
    } else if (isEpochEnd(message)) {
      this.flush();
      this.#tellTime();
      if (message.kind === "barrier") this.#epoch = message.epoch + 1;
    } else if (isTimeControl(message)) this.#onControl(message);
    // Others are not sent. The receiver has barriers and an end of its own, and ticks say whether
    // there is anything to read.
  }

  #send(batch: readonly unknown[]): void {
    const hasOld = this.#time?.hasOld ?? false;
    this.#deal(batch).forEach((items, shard) => {
      if (items.length === 0) return;
      if (hasOld) this.#writeOld(items, shard);
      else this.#write(items, shard);
    });
    if (this.#time?.isFar === true) this.flush();
  }

  /** Makes frames of all items that have come. */
  flush(): void {
    this.#time?.endPiece();
    this.#shards.forEach(({ writer, target }) => writer.flush(target));
  }

  #onControl(message: TimeControl): void {
    if (this.#time === null) return;
    const bytes = this.#time.atOnce(message);
    // A frame has one source, and what is told at once comes after the items before it.
    if (bytes !== null || message.kind === "from") this.flush();
    if (bytes === null) this.#time.onControl(message);
    else this.#tellAll([bytes]);
  }

  #write(items: readonly unknown[], shard: number): void {
    if (items.length === 0) return;
    const { writer, target } = this.#shard(shard);
    const before = writer.bytes + this.#framed;
    writer.append(items, target);
    const bytes = writer.bytes + this.#framed - before;
    this.#itemBytes = Math.max(1, bytes / items.length, this.#itemBytes * 0.875);
    this.#host.waits(this.#epoch, bytes);
  }

  /** Writes items, some of which are old, so that the shard is told before them. */
  #writeOld(items: readonly unknown[], shard: number): void {
    const { writer, target } = this.#shard(shard);
    let from = 0;
    items.forEach((item, index) => {
      const bytes = this.#time!.before(item, shard);
      if (bytes === null) return;
      this.#write(items.slice(from, index), shard);
      writer.flush(target);
      this.#tell(bytes, shard);
      from = index;
    });
    this.#write(items.slice(from), shard);
  }

  /** Tells all shards, also those that got no items. */
  #tellTime(): void {
    this.#tellAll(this.#time?.take() ?? []);
  }

  #tellAll(frames: readonly Uint8Array[]): void {
    for (const bytes of frames) {
      for (let shard = 0; shard < this.#count; shard++) this.#tell(bytes, shard);
    }
  }

  #tell(bytes: Uint8Array, shard: number): void {
    this.#host.waits(this.#epoch, bytes.length);
    this.#host.put(this.#epoch, shard, { bytes, from: null, exchange: this.#exchange });
  }

  #shard(shard: number): Shard {
    const { limit: { bytes: most, raise }, fail } = this.#host;
    return this.#shards[shard] ??= {
      writer: new BatchWriter({
        longest: Math.floor(most * ITEM_SHARE),
        batchBytes: Math.min(FRAME_BYTES, Math.floor(most * FRAME_SHARE)),
        batchItems: FRAME_ITEMS,
        to: "to another task",
        raise,
      }, fail),
      target: {
        batch: (count, items) => {
          this.#framed += items.length;
          const exchange = this.#exchange;
          const bytes = encodeFrame({ kind: "batch", exchange, count, items });
          this.#host.put(this.#epoch, shard, { bytes, from: this.#time?.from ?? null, exchange });
        },
      },
    };
  }
}

/**
 * Frames in parts that fit into a record. Each record says for itself where its items come from: a
 * task may go on with any of them, without those before.
 */
function* inRecords(
  frames: readonly WaitingFrame[],
  most: number,
): Generator<readonly Uint8Array[]> {
  let record: Uint8Array[] = [];
  let length = 0;
  let told = new Map<number, Uint8Array>(); // by exchange
  for (const { bytes, from, exchange } of frames) {
    if (record.length > 0 && length + bytes.length > most) {
      yield record;
      [record, length, told] = [[], 0, new Map()];
    }
    if (from !== null && told.get(exchange) !== from) {
      told.set(exchange, from);
      record.push(from);
      length += from.length;
    }
    record.push(bytes);
    length += bytes.length;
  }
  if (record.length > 0) yield record;
}
