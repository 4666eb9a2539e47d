import { counted } from "../../core/counted.ts";
import type { Epoch, StepId } from "../../core/ids.ts";
import type { TaskId } from "../../core/task_id.ts";
import { decodeBatch } from "../../core/value_codec.ts";
import { SHUFFLE_STEP, type ShuffleReader, type ShuffleRecord } from "../../group/log.ts";
import type { Channel } from "../channel.ts";
import type { Frame } from "../exchange/frames.ts";
import { stepError } from "../step_error.ts";
import type { From, TimeControl } from "../time/controls.ts";
import type { MergedTime } from "../time/merged_time.ts";
import type { KnownSources } from "../time/source_times.ts";
import type { EpochSource, TaskHost, Waits } from "../tasks/task.ts";
import { HeldRecords, type Stream, type StreamPosition } from "./held_records.ts";
import type { StreamOrder } from "./stream_order.ts";

/** Reads a shard, and again from an offset on. */
export interface ShardReader extends Omit<ShuffleReader, "isCurrent" | "lag" | "close"> {
  /** Begins again at an offset that has been read before, or is the next one. */
  seek(offset: bigint): void;
}

/** Where a shuffle is read, and where its items go. */
export interface ShuffleOptions {
  readonly reader: ShardReader;
  /** The offset that the reader begins with; `null` for the beginning. */
  readonly from: bigint | null;
  /** Tasks of which more had been delivered than is before that. */
  readonly resume?: Iterable<readonly [TaskId, StreamPosition]>;
  /** By the number of the exchange. */
  readonly channels: ReadonlyMap<number, Channel>;
  /** The same for exchanges that tell of event time: what has come from which task. */
  readonly times?: ReadonlyMap<number, MergedTime>;
  /** The same for those whose sources are kept together. */
  readonly orders?: ReadonlyMap<number, StreamOrder>;
  /** Returns what the step after an exchange knows of its sources, once it has its state. */
  readonly knownTo?: (exchange: number) => KnownSources;
  /** The epoch that the task starts in. */
  readonly epoch: Epoch;
  /** How many bytes may wait until others have come up; more is read again. */
  readonly mostHeld?: number;
}

/** How many bytes may wait in a shard by default. A process may have a hundred of them. */
const MOST_HELD = 4 << 20;

/**
 * Reads what other tasks have sent to a shard, and hands it to the exchanges. It ends epochs as an
 * input does. Barriers go into all channels at one point, so none of them waits for another.
 */
export class ShuffleTask implements EpochSource {
  readonly stepId: StepId;
  readonly #reader: ShardReader;
  readonly #held: HeldRecords;
  readonly #channels: ReadonlyMap<number, Channel>;
  readonly #times: ReadonlyMap<number, MergedTime>;
  readonly #orders: ReadonlyMap<number, StreamOrder>;
  readonly #knownTo: (exchange: number) => KnownSources;
  readonly #host: TaskHost;
  #epoch: Epoch;
  #stream: Stream | null = null; // whose record is being delivered
  #closeThrough: Epoch = -1; // epochs up to this one are to end before the next record
  #isBlocked = false;
  #isWaiting = false;
  #waits = 0; // how often it has waited, or given up waiting
  #stopping = false;
  #ended = false;

  /** `stepId` is the step that people know the first exchange by. */
  constructor(stepId: StepId, host: TaskHost, options: ShuffleOptions) {
    this.stepId = stepId;
    this.#host = host;
    this.#reader = options.reader;
    const { from, resume = [], mostHeld = MOST_HELD } = options;
    this.#held = new HeldRecords(from, resume, mostHeld);
    this.#channels = options.channels;
    this.#times = options.times ?? new Map();
    this.#orders = options.orders ?? new Map();
    this.#knownTo = options.knownTo ?? (() => ({ named: [], sources: [] }));
    this.#epoch = options.epoch;
  }

  begin(epoch: Epoch): void {
    for (const [exchange, order] of this.#orders) order.resume(this.#knownTo(exchange));
    this.#recordPosition(epoch);
  }

  trigger(epoch: Epoch): void {
    this.#closeThrough = epoch;
  }

  stop(): void {
    this.#stopping = true;
  }

  /** The log knows how far the task is: the commit has told it. */
  commit(_epoch: Epoch): Promise<void> {
    return Promise.resolve();
  }

  get queued(): number {
    return this.#held.items;
  }

  get waits(): Waits {
    return this.#isBlocked && !this.#ended ? "room" : null;
  }

  run(): boolean {
    if (this.#ended) return false;
    if (this.#stream !== null && !this.#isAhead(this.#stream)) return this.#deliver(this.#stream);
    this.#stream = null;
    this.#isBlocked = false;
    if (this.#stopping) return this.#end();
    if (this.#epoch <= this.#closeThrough) return this.#barrier();
    this.#stream = this.#choose();
    if (this.#stream !== null) return true;
    const { seek } = this.#held;
    if (seek !== null) this.#seek(seek);
    if (this.#isWaiting) return false;
    this.#isBlocked = !this.#host.mayRead(this.#epoch);
    if (this.#isBlocked) return false;
    const record = this.#guard(() => this.#reader.next());
    if (record === null) return this.#wait();
    const stream = this.#read(record, () => this.#held.take(record));
    if (stream !== null) this.#took(stream);
    return true;
  }

  wakeTime(): number {
    return Infinity;
  }

  /** Where items come from is said before them, maybe in frames that have been delivered. */
  #took(stream: Stream): void {
    const { frames, at } = stream.records.at(-1)!;
    for (const frame of frames.slice(0, at)) {
      if (frame.kind !== "time" || frame.message.kind !== "from") continue;
      this.#onFrom(stream, frame.exchange, frame.message);
    }
    if (stream.records.length > 1) return;
    this.#lookAtHead(stream);
    this.#stream = stream; // nothing else may go on
  }

  /** Returns the stream that is least far, of those that may go on; `null` if none may. */
  #choose(): Stream | null {
    if (this.#held.count === 0 || this.#held.isShort) return null;
    let chosen: Stream | null = null;
    let least = Infinity;
    for (const stream of this.#held.streams) {
      if (stream.records.length === 0 || this.#isAhead(stream)) continue;
      const time = this.#timeOf(stream);
      if (chosen === null || time < least) [chosen, least] = [stream, time];
    }
    return chosen;
  }

  /** A stream waits if it is far ahead at all steps that it goes to. */
  #isAhead({ partition, records: [first] }: Stream): boolean {
    if (!movesTime(first.frames[first.at])) return false;
    let isAhead = false;
    for (const order of this.#orders.values()) {
      if (!order.feeds(partition)) continue;
      if (!order.isAhead(partition)) return false;
      isAhead = true;
    }
    return isAhead;
  }

  /** How far a stream is with what comes next, in milliseconds since the Unix epoch. */
  #timeOf({ partition, records: [first] }: Stream): number {
    return this.#orders.get(first.frames[first.at].exchange)?.timeOf(partition) ?? -Infinity;
  }

  /** Notes what the next frame of a stream does to its time. */
  #lookAtHead({ partition, froms, records: [first] }: Stream): void {
    const frame = first?.frames[first.at];
    const order = frame && this.#orders.get(frame.exchange);
    if (order === undefined) return;
    if (frame.kind === "batch") {
      const from = froms.get(frame.exchange);
      if (from?.reaches === undefined) return;
      order.setHead(partition, from.origin, from.source, from.reaches);
    } else if (frame.kind === "time" && frame.message.kind === "newest") {
      const { origin, source, time } = frame.message;
      order.setHead(partition, origin, source, time);
    }
  }

  /** Hands over the next frame of a stream, once there is room for it. */
  #deliver(stream: Stream): boolean {
    const [first] = stream.records;
    const frame = first.frames[first.at];
    const channel = this.#channels.get(frame.exchange);
    const time = this.#times.get(frame.exchange);
    if (channel === undefined) throw stepError(this, this.#host, unknownFrame(frame));
    this.#isBlocked = channel.room === 0;
    if (this.#isBlocked) return false;
    if (frame.kind === "time" && time !== undefined) {
      if (frame.message.kind === "from") this.#onFrom(stream, frame.exchange, frame.message);
      else this.#onTime(stream, frame.exchange, frame.message, time, channel);
    } else if (frame.kind === "batch") {
      const from = time?.onBatch(stream.partition) ?? null;
      if (from !== null) channel.push(from);
      const items = this.#read(first.record, () => itemsOf(frame));
      this.#host.pace.works(items.length);
      channel.offered(items.length);
      channel.push(items);
    } else throw stepError(this, this.#host, unknownFrame(frame));
    this.#orders.get(frame.exchange)?.pass(stream.partition);
    if (++first.at === first.frames.length) {
      this.#held.drop(stream);
      this.#stream = null;
    }
    this.#lookAtHead(stream);
    return true;
  }

  #onFrom(stream: Stream, exchange: number, from: From): void {
    stream.froms.set(exchange, from);
    this.#times.get(exchange)?.onFrom(stream.partition, from);
  }

  /** A tick goes on once all tasks have brought it that could bring what is older. */
  #onTime(
    { partition }: Stream,
    exchange: number,
    message: TimeControl,
    time: MergedTime,
    channel: Channel,
  ): void {
    if (message.kind !== "tick") channel.push(message);
    else {
      this.#orders.get(exchange)?.onTick(message);
      for (const tick of time.onTick(partition, message)) channel.push(tick);
    }
  }

  #barrier(): boolean {
    const epoch = this.#epoch++;
    this.#recordPosition(epoch);
    for (const channel of this.#channels.values()) channel.push({ kind: "barrier", epoch });
    this.#host.passed(this);
    return true;
  }

  #end(): boolean {
    this.#recordPosition(this.#epoch);
    for (const channel of this.#channels.values()) channel.push({ kind: "end", stopped: true });
    this.#ended = true;
    this.#host.ended(this, true);
    return true;
  }

  #recordPosition(epoch: Epoch): void {
    const { journal } = this.#host;
    if (journal === null) return;
    const { offset, streams } = this.#held.positions();
    const positions = offset === null ? [] : [[SHUFFLE_STEP, offset] as const];
    journal.recordPositions(epoch, SHUFFLE_STEP, "input", new Map(positions));
    journal.recordPositions(epoch, SHUFFLE_STEP, "time", streams);
  }

  /** Reads again what had no room, or goes on where reading was before that. */
  #seek(offset: bigint): void {
    this.#guard(() => this.#reader.seek(offset));
    this.#held.soughtTo(offset);
    this.#isWaiting = false;
    this.#waits++;
  }

  #wait(): boolean {
    this.#isWaiting = true;
    const number = ++this.#waits;
    Promise.try(() => this.#reader.ready()).then(
      () => {
        if (number !== this.#waits) return;
        this.#isWaiting = false;
        this.#host.wake();
      },
      (thrown) => this.#host.fail(stepError(this, this.#host, thrown)),
    );
    return false;
  }

  /** Reads something of a record. */
  #read<R>(record: ShuffleRecord, work: () => R): R {
    return this.#guard(() => {
      try {
        return work();
      } catch (error) {
        throw error instanceof Error ? this.#reader.unreadable(record, error) : error;
      }
    });
  }

  #guard<R>(work: () => R): R {
    try {
      return work();
    } catch (thrown) {
      throw stepError(this, this.#host, thrown);
    }
  }
}

/** Whether a frame may move the time of a source. Others go on at once. */
function movesTime(frame: Frame): boolean {
  return frame.kind === "batch" || (frame.kind === "time" && frame.message.kind === "newest");
}

function itemsOf({ count, items }: Frame & { kind: "batch" }): unknown[] {
  const batch = decodeBatch(items);
  if (batch.length === count) return batch;
  throw new Error(`another task has sent ${counted(batch.length, "item")} as ${count}`);
}

function unknownFrame({ kind, exchange }: Frame): Error {
  return new Error(
    `another task has sent a frame of kind ${kind} to exchange ${exchange}, which this flow does ` +
      "not have here: all machines of a group must run the same flow",
  );
}
