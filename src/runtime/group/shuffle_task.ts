import { counted } from "../../core/counted.ts";
import type { Epoch, StepId } from "../../core/ids.ts";
import { partsOf } from "../../core/task_id.ts";
import { decodeBatch } from "../../core/value_codec.ts";
import { SHUFFLE_STEP, type ShuffleReader, type ShuffleRecord } from "../../group/log.ts";
import type { Channel } from "../channel.ts";
import type { Frame } from "../exchange/frames.ts";
import { stepError } from "../step_error.ts";
import type { TimeControl } from "../time/controls.ts";
import type { MergedTime } from "../time/merged_time.ts";
import type { EpochSource, TaskHost, Waits } from "../tasks/task.ts";
import { decodeShuffleBatch } from "./shuffle_batch.ts";

/** Where a shuffle is read, and where its items go. */
export interface ShuffleOptions {
  readonly reader: ShuffleReader;
  /** The offset that the reader begins with; `null` for the beginning. */
  readonly from: bigint | null;
  /** By the number of the exchange. */
  readonly channels: ReadonlyMap<number, Channel>;
  /** The same for exchanges that tell of event time: what has come from which task. */
  readonly times?: ReadonlyMap<number, MergedTime>;
  /** The epoch that the task starts in. */
  readonly epoch: Epoch;
}

/**
 * Reads what other tasks have sent to a shard, and hands it to the exchanges. It ends epochs as an
 * input does. Barriers go into all channels at one point, so none of them waits for another.
 */
export class ShuffleTask implements EpochSource {
  readonly stepId: StepId;
  readonly #reader: ShuffleReader;
  readonly #channels: ReadonlyMap<number, Channel>;
  readonly #times: ReadonlyMap<number, MergedTime>;
  readonly #host: TaskHost;
  #epoch: Epoch;
  #next: bigint | null; // the offset after all that has been taken
  #record: ShuffleRecord | null = null; // the last one
  #frames: Frame[] = []; // of it; its first frame is the last here
  #sender = 0; // of that record: the partition of its task
  #closeThrough: Epoch = -1; // epochs up to this one are to end before the next record
  #isBlocked = false;
  #isWaiting = false;
  #stopping = false;
  #ended = false;

  /** `stepId` is the step that people know the first exchange by. */
  constructor(
    stepId: StepId,
    host: TaskHost,
    { reader, from, channels, times = new Map(), epoch }: ShuffleOptions,
  ) {
    this.stepId = stepId;
    this.#host = host;
    this.#reader = reader;
    this.#channels = channels;
    this.#times = times;
    this.#next = from;
    this.#epoch = epoch;
  }

  begin(epoch: Epoch): void {
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
    return this.#frames.reduce((sum, frame) => sum + (frame.kind === "batch" ? frame.count : 0), 0);
  }

  get waits(): Waits {
    return this.#isBlocked && !this.#ended ? "room" : null;
  }

  run(): boolean {
    if (this.#ended) return false;
    if (this.#frames.length > 0) return this.#deliver();
    this.#isBlocked = false;
    if (this.#stopping) return this.#end();
    if (this.#epoch <= this.#closeThrough) return this.#barrier();
    if (this.#isWaiting) return false;
    this.#isBlocked = !this.#host.mayRead(this.#epoch);
    if (this.#isBlocked) return false;
    const record = this.#guard(() => this.#reader.next());
    if (record === null) return this.#wait();
    this.#record = record;
    const { task, frames } = this.#read(() => decodeShuffleBatch(record.bytes));
    this.#frames = [...frames].reverse();
    this.#sender = partsOf(task).partition;
    this.#next = record.next;
    return true;
  }

  wakeTime(): number {
    return Infinity;
  }

  /** Hands over the next frame, once there is room for it. */
  #deliver(): boolean {
    const frame = this.#frames.at(-1)!;
    const channel = this.#channels.get(frame.exchange);
    const time = this.#times.get(frame.exchange);
    if (channel === undefined) throw stepError(this, this.#host, unknownFrame(frame));
    this.#isBlocked = channel.room === 0;
    if (this.#isBlocked) return false;
    this.#frames.pop();
    if (frame.kind === "time" && time !== undefined) {
      this.#onTime(frame.message, time, channel);
      return true;
    }
    if (frame.kind !== "batch") throw stepError(this, this.#host, unknownFrame(frame));
    const from = time?.onBatch(this.#sender) ?? null;
    if (from !== null) channel.push(from);
    const items = this.#read(() => itemsOf(frame));
    this.#host.pace.works(items.length);
    channel.offered(items.length);
    channel.push(items);
    return true;
  }

  /** A tick goes on once all tasks have brought it that could bring what is older. */
  #onTime(message: TimeControl, time: MergedTime, channel: Channel): void {
    if (message.kind === "from") time.onFrom(this.#sender, message);
    else if (message.kind !== "tick") channel.push(message);
    else for (const tick of time.onTick(this.#sender, message)) channel.push(tick);
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
    const positions = this.#next === null ? [] : [[SHUFFLE_STEP, this.#next] as const];
    this.#host.journal?.recordPositions(epoch, SHUFFLE_STEP, "input", new Map(positions));
  }

  #wait(): boolean {
    this.#isWaiting = true;
    Promise.try(() => this.#reader.ready()).then(
      () => {
        this.#isWaiting = false;
        this.#host.wake();
      },
      (thrown) => this.#host.fail(stepError(this, this.#host, thrown)),
    );
    return false;
  }

  /** Reads something of the last record. */
  #read<R>(work: () => R): R {
    return this.#guard(() => {
      try {
        return work();
      } catch (error) {
        throw error instanceof Error ? this.#reader.unreadable(this.#record!, error) : error;
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
