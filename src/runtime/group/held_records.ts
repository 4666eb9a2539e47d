/**
 * Records of a shard that have been read and may not be delivered yet, by the task that has sent
 * them.
 *
 * What waits is bounded: beyond that, records are not kept, and read again later. So the shard goes
 * on with what others have sent, however far that is behind in the log:
 *
 * ```text
 *   offset       0    1    2    3    4    5    6    7
 *   sent by      a    a    a    a    b    b    a    b
 *                ╰ waits  ╯    │    ╰ is delivered
 *                              ╰ cut: read again from here, once what waits has been delivered
 * ```
 *
 * A position is the least offset of what has not been delivered, and, for tasks of which more has
 * been delivered, where they go on.
 *
 * @module
 */
import { partsOf, type TaskId } from "../../core/task_id.ts";
import type { ShuffleRecord } from "../../group/log.ts";
import type { Frame } from "../exchange/frames.ts";
import type { From } from "../time/controls.ts";
import { decodeShuffleBatch } from "./shuffle_batch.ts";

/** Where a stream goes on that is further than others. */
export interface StreamPosition {
  /** The offset of its next record, or more. */
  readonly offset: bigint;
  /** How many frames of that record have been delivered. */
  readonly frames: number;
}

/** A record that waits. */
export interface HeldRecord {
  readonly offset: bigint;
  readonly frames: readonly Frame[];
  /** The next frame to deliver. */
  at: number;
  readonly record: ShuffleRecord;
}

/** What one task has sent. */
export interface Stream {
  readonly sender: TaskId;
  /** The partition of the task. */
  readonly partition: number;
  /** In the order in which they were sent. */
  readonly records: HeldRecord[];
  /** Where the next items come from, by exchange. */
  readonly froms: Map<number, From>;
  /**
   * Which of its records have been taken. `all`: as far as reading has ever come; `cut`: those
   * before `from`; `again`: those that the reader, which goes through what was cut, has passed.
   */
  known: "all" | "cut" | "again";
  /** Records before this offset have been taken. */
  from: bigint;
  /** How many frames of the record at `from` had been delivered at the last snapshot. */
  frames: number;
}

/** Keeps records. */
export class HeldRecords {
  readonly #most: number;
  readonly #streams = new Map<TaskId, Stream>();
  #bytes = 0; // of all that wait
  #count = 0;
  #at: bigint | null; // the next offset to read; `null` for the beginning
  #top: bigint; // all before it has been looked at
  #isEmpty: boolean; // nothing has ever been read
  #hasGaps = false; // whether there are records before the top that are not known

  /**
   * @param from Where reading begins; `null` for the beginning.
   * @param resume Streams of which more had been delivered.
   * @param most How many bytes may wait. Of each stream, one record may in any case.
   */
  constructor(
    from: bigint | null,
    resume: Iterable<readonly [TaskId, StreamPosition]>,
    most: number,
  ) {
    this.#most = most;
    this.#at = from;
    this.#top = from ?? 0n;
    this.#isEmpty = from === null;
    for (const [sender, { offset, frames }] of resume) {
      Object.assign(this.#streamOf(sender), { from: offset, frames });
    }
  }

  /** The streams that have been seen. */
  get streams(): Iterable<Stream> {
    return this.#streams.values();
  }

  /** How many records wait. */
  get count(): number {
    return this.#count;
  }

  /** How many items wait. */
  get items(): number {
    if (this.#count === 0) return 0;
    let items = 0;
    for (const { records } of this.#streams.values()) {
      for (const { frames, at } of records) {
        for (const frame of frames.slice(at)) if (frame.kind === "batch") items += frame.count;
      }
    }
    return items;
  }

  /** Returns where to read on, if that is not after the last record; else `null`. */
  get seek(): bigint | null {
    if (!this.#hasGaps) return null;
    let least: bigint | null = null;
    let isReading = false;
    for (const { known, records, from } of this.#streams.values()) {
      if (known === "again") isReading = true;
      if (known !== "cut" || records.length > 0) continue;
      if (least === null || from < least) least = from;
    }
    if (least !== null) return least;
    return !isReading && this.#at !== null && this.#at < this.#top ? this.#top : null;
  }

  /** Whether a stream waits for a record that has been read before. */
  get isShort(): boolean {
    return this.#hasGaps &&
      this.#streams.values().some(({ known, records }) => known !== "all" && records.length === 0);
  }

  /** The reader begins at an offset that `seek` has returned. */
  soughtTo(offset: bigint): void {
    for (const stream of this.#streams.values()) {
      if (stream.known === "again") {
        stream.known = "cut";
        if (stream.from < this.#at!) stream.from = this.#at!;
      }
      if (stream.known === "cut" && stream.from >= offset) stream.known = "again";
    }
    this.#at = offset;
  }

  /**
   * Keeps a record, unless it is known, or there is no room for it. Returns its stream, whose last
   * record it is then; else `null`. Frames at its beginning may have been delivered.
   *
   * @throws {UnreadableBatchError} If it is junk.
   */
  take(record: ShuffleRecord): Stream | null {
    const { bytes, next } = record;
    const offset = next - 1n;
    const { task, frames } = decodeShuffleBatch(bytes);
    const stream = this.#streamOf(task);
    const isKnown = stream.known === "all" ? offset < this.#top : stream.known === "cut";
    const isTaken = !isKnown && offset >= stream.from && this.#hasRoom(stream, offset);
    if (isTaken) {
      const at = offset === stream.from ? stream.frames : 0;
      stream.records.push({ offset, frames, at, record });
      stream.from = next;
      stream.frames = 0;
      this.#bytes += bytes.length;
      this.#count++;
    }
    this.#passed(next);
    return isTaken ? stream : null;
  }

  /** The first record of a stream has been delivered. */
  drop(stream: Stream): void {
    this.#bytes -= stream.records.shift()!.record.bytes.length;
    this.#count--;
  }

  #hasRoom(stream: Stream, offset: bigint): boolean {
    if (this.#bytes < this.#most || stream.records.length === 0) return true;
    stream.known = "cut";
    stream.from = offset;
    this.#hasGaps = true;
    return false;
  }

  #passed(next: bigint): void {
    this.#at = next;
    this.#isEmpty = false;
    if (next <= this.#top) {
      if (next < this.#top) return;
    } else this.#top = next;
    if (!this.#hasGaps) return;
    this.#hasGaps = false;
    for (const stream of this.#streams.values()) {
      if (stream.known === "again") stream.known = "all";
      else if (stream.known === "cut") this.#hasGaps = true;
    }
  }

  #streamOf(sender: TaskId): Stream {
    let stream = this.#streams.get(sender);
    if (stream === undefined) {
      const { partition } = partsOf(sender);
      stream = {
        sender,
        partition,
        records: [],
        froms: new Map(),
        known: "all",
        from: 0n,
        frames: 0,
      };
      this.#streams.set(sender, stream);
    }
    return stream;
  }

  /**
   * Returns the offset before which all has been delivered; `null` if nothing has been read. The
   * streams are those that are further, with where they go on.
   */
  positions(): { offset: bigint | null; streams: Map<TaskId, StreamPosition> } {
    const all = Array.from(
      this.#streams.values(),
      (stream) => [stream, this.#nextOf(stream)] as const,
    );
    const streams = new Map<TaskId, StreamPosition>();
    if (this.#isEmpty) return { offset: null, streams };
    const offset = all.reduce((least, [, next]) => next < least ? next : least, this.#top);
    for (const [stream, next] of all) {
      const [first] = stream.records;
      const frames = first?.at ?? (next === stream.from ? stream.frames : 0);
      if (next > offset || frames > 0) streams.set(stream.sender, { offset: next, frames });
    }
    return { offset, streams };
  }

  /** The offset of a stream's next record, or a lesser one after what has been delivered. */
  #nextOf({ records: [first], known, from }: Stream): bigint {
    if (first !== undefined) return first.offset;
    if (known !== "all") return from;
    return from > this.#top ? from : this.#top;
  }
}
