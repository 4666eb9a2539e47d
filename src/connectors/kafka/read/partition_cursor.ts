/**
 * How far one partition has been read, and who may move that.
 *
 * Two sides work on a partition at different offsets. Brokers are asked for the next records, and
 * what they send waits in blocks. The flow takes records from the oldest block:
 *
 * ```text
 *   start         handedOut                    fetched              end
 *     |---------------|---[ block ][ block ]------|------------------|
 *          the flow has it       waits             is asked for next
 * ```
 *
 * A stored position is `handedOut`, so after a crash, waiting blocks are fetched again. The states
 * tell whether there is anything to fetch, as far as is known now:
 *
 * ```text
 *                    a broker has no more
 *      ┌────────┐ ─────────────────────────▶ ┌───────────┐
 *   ──▶│ behind │                            │ caught up │
 *      └────────┘ ◀───────────────────────── └───────────┘
 *          │         nobody knows any more
 *          │ all before `end` is fetched
 *          ▼
 *      ┌────────┐
 *      │ ended  │        any state ── its topic is another one now ──▶ retired
 *      └────────┘
 * ```
 *
 * Only a partition without an `end` can be caught up, as the records before an end are known to
 * exist. What each part of the reader may do, and when:
 *
 * | Part | Moves | When |
 * | --- | --- | --- |
 * | fetcher | the broker, by `assign` and `release` | one broker at a time |
 * | fetcher | `fetched` forward, by `took` | a broker fetches it, and was asked from there |
 * | fetcher | `maxBytes`, by `request` and `askForMore`; `took` resets it | a broker fetches it |
 * | fetcher | the state, by `doubt` and `sawHighWatermark` | until it is retired |
 * | keeper | `fetched` to anywhere, by `jump`; `end` down, by `shorten` | no broker fetches it |
 * | keeper | the state, by `retire` | no broker fetches it |
 * | reader | `handedOut`, by `handOut` and `finish` | within the oldest block, also once retired |
 *
 * Anything else throws, as going on would skip records or repeat them.
 *
 * @module
 */
import type { LogRecord } from "../wire/read_batch.ts";
import { positionName, type TopicPartition } from "../wire/topic_partition.ts";
import { type KafkaPosition, storedPosition } from "./position.ts";
import { markOf, type RecordMark } from "./record_mark.ts";
import { Unrecoverable } from "./unrecoverable.ts";

/** Whether there is anything to fetch. */
export type CursorState =
  /** There is, or may be. */
  | "behind"
  /** The broker had none at its last answer. */
  | "caught up"
  /** All records before the end have been fetched. */
  | "ended"
  /** It is not read any more. */
  | "retired";

const MOVES: Readonly<Record<CursorState, readonly CursorState[]>> = {
  "behind": ["caught up", "ended", "retired"],
  "caught up": ["behind", "retired"],
  "ended": ["retired"],
  "retired": [],
};

/** The most bytes to request of a partition, if fewer did not hold one batch. */
export const LARGEST_PARTITION_BYTES: number = 64 << 20;

/** Where reading a partition begins and ends. */
export interface CursorStart extends TopicPartition {
  /** The id of the topic that is read; `null` if the broker has none. */
  readonly topicId: string | null;
  /** The offset to begin at. */
  readonly start: number;
  /** The offset to end before; `null` for never. */
  readonly end: number | null;
  /** How many bytes to request, if they are enough for a batch. */
  readonly maxBytes: number;
  /** Without an id: the record that an earlier run handed out last, if any. */
  readonly lastRecord?: RecordMark | null;
}

/** A range of offsets that has been fetched, and waits for the flow. */
export interface FetchedRange {
  /** The requested offset. A broker answers with whole batches, which may begin earlier. */
  readonly from: number;
  /** The offset after it, which becomes the position once all of it has been handed out. */
  readonly next: number;
}

/** One partition that is read. */
export class PartitionCursor implements TopicPartition {
  readonly topic: string;
  readonly partition: number;
  /** The name of its position. */
  readonly name: string;
  /** The id of the topic that is read; `null` if the broker has none. */
  readonly topicId: string | null;
  readonly #start: number;
  #usualMaxBytes: number;
  readonly #waiting: FetchedRange[] = []; // oldest first
  #state: CursorState = "behind";
  #broker: number | null = null;
  #fetched: number;
  #handedOut: number;
  #handedOutTime = -1; // the timestamp of the last record that was handed out
  #highWatermark = -1; // the largest that a broker has reported
  #endKnownAt: number | null = null; // when it did last, by the clock that nobody sets
  #endKnownBy: number | null = null; // the broker that fetches it, once that has
  #end: number | null;
  #maxBytes: number;
  // Without an id:
  #recognisedBy: RecordMark | null; // by this record, looks recognise the topic
  #sameTopic: RecordMark | null = null; // handed out, and known to be of this topic
  #lastRecord: RecordMark | null; // the record that was handed out last
  #onMove: ((from: CursorState, to: CursorState) => void) | null = null;

  /** Nothing has been fetched yet. */
  constructor({ topic, partition, topicId, start, end, maxBytes, lastRecord = null }: CursorStart) {
    this.topic = topic;
    this.partition = partition;
    this.name = positionName({ topic, partition });
    this.topicId = topicId;
    this.#start = start;
    this.#fetched = start;
    this.#handedOut = start;
    this.#end = end;
    this.#maxBytes = maxBytes;
    this.#usualMaxBytes = maxBytes;
    this.#recognisedBy = lastRecord;
    this.#lastRecord = lastRecord;
    this.#endIfReached();
  }

  /** Whether there is anything to fetch. */
  get state(): CursorState {
    return this.#state;
  }

  /** The number of the broker that fetches it; `null` for none. */
  get broker(): number | null {
    return this.#broker;
  }

  /** The next offset to request. */
  get fetched(): number {
    return this.#fetched;
  }

  /** The offset after what the flow has been given. */
  get handedOut(): number {
    return this.#handedOut;
  }

  /** The offset to end before; `null` for never. */
  get end(): number | null {
    return this.#end;
  }

  /**
   * How many offsets there are, up to the end of the partition, that the flow has not been given;
   * `null` if no broker has told. Markers of transactions count, as in Kafka's own tools.
   */
  get lag(): number | null {
    const end = this.#end ?? this.#highWatermark;
    return end < 0 ? null : Math.max(0, end - this.#handedOut);
  }

  /** When a broker reported the end of the partition last, by `performance.now()`. */
  get endKnownAt(): number | null {
    return this.#endKnownAt;
  }

  /** Whether the broker that fetches it has reported its end. It then reports what changes. */
  get isEndKnown(): boolean {
    return this.#endKnownBy !== null && this.#endKnownBy === this.#broker;
  }

  /**
   * The timestamp of the record that this run has handed out last, in milliseconds since the Unix
   * epoch; `null` if there is none.
   */
  get handedOutTime(): number | null {
    return this.#handedOutTime < 0 ? null : this.#handedOutTime;
  }

  /** How many bytes to request. */
  get maxBytes(): number {
    return this.#maxBytes;
  }

  /** Where a later run continues. */
  get position(): KafkaPosition {
    const { topicId } = this;
    return storedPosition(this.#handedOut, topicId, this.#sameTopic ?? this.#lastRecord);
  }

  /**
   * How many offsets this run has handed out, and how many there are up to its end; `null` without
   * an end.
   */
  get progress(): { readonly done: number; readonly total: number } | null {
    if (this.#end === null) return null;
    return {
      done: Math.max(Math.min(this.#handedOut, this.#end) - this.#start, 0),
      total: Math.max(this.#end - this.#start, 0),
    };
  }

  /**
   * For topics without ids: a record that was fetched from this topic, and the one handed out last.
   * If the first is found again, the last is of this topic too.
   */
  get marks(): {
    readonly recognisedBy: RecordMark | null;
    readonly lastRecord: RecordMark | null;
  } {
    return { recognisedBy: this.#recognisedBy, lastRecord: this.#lastRecord };
  }

  /** Whether no record is known yet by which to recognise a topic without an id. */
  get lacksMark(): boolean {
    return this.topicId === null && this.#recognisedBy === null;
  }

  /**
   * For topics without ids: looks recognise the topic by a record that was fetched first. They do
   * so before it is handed out. The position changes only when a record is handed out.
   */
  recogniseBy(fetched: RecordMark): void {
    this.#requireReading("cannot be recognised");
    this.#recognisedBy ??= fetched;
  }

  /** Calls `onMove` at each change of the state. It allows one observer. */
  observe(onMove: (from: CursorState, to: CursorState) => void): void {
    if (this.#onMove !== null) throw this.#illegal("is observed already");
    this.#onMove = onMove;
  }

  /** A broker fetches it from now on. */
  assign(broker: number): void {
    this.#requireReading("cannot be fetched");
    if (this.#state === "ended") throw this.#illegal("cannot be fetched, as it has ended");
    if (this.#broker !== null && this.#broker !== broker) {
      throw this.#illegal(`cannot go to broker ${broker} while broker ${this.#broker} fetches it`);
    }
    this.#broker = broker;
  }

  /** No broker fetches it from now on, so nobody knows what it has. */
  release(): void {
    this.#broker = null;
    this.#endKnownBy = null;
    this.doubt();
  }

  /**
   * Nobody knows whether there is more to fetch. Before an end there is; at the end there is
   * nothing.
   */
  doubt(): void {
    this.#requireReading("cannot have more to fetch");
    if (this.#state === "caught up") this.#move("behind");
  }

  /** A broker reports the offset at which the partition ends, open transactions included. */
  sawHighWatermark(highWatermark: number): void {
    this.#requireReading("cannot catch up");
    this.#highWatermark = Math.max(this.#highWatermark, highWatermark);
    this.#endKnownAt = performance.now();
    this.#endKnownBy = this.#broker;
    // A broker that reports less than there was at the start does not know of it yet.
    if (this.#state !== "behind" || this.#end !== null) return;
    if (this.#fetched >= highWatermark) this.#move("caught up");
  }

  /** A broker has sent the records from `from` to before `next`. They wait for the flow now. */
  took(from: number, next: number): FetchedRange {
    this.#requireReading("cannot take records");
    if (this.#broker === null) throw this.#illegal("took records, and no broker fetches it");
    if (from !== this.#fetched) throw this.#illegal(`took records from offset ${from} on`);
    if (next < from) throw this.#illegal(`cannot go back to offset ${next}`);
    if (this.#end !== null && next > this.#end) {
      throw this.#illegal(`cannot go on to offset ${next}, as it ends before ${this.#end}`);
    }
    this.#fetched = next;
    this.#maxBytes = this.#usualMaxBytes;
    const range = { from, next };
    this.#waiting.push(range);
    this.#endIfReached();
    return range;
  }

  /** Sets how many bytes to request, unless they have not been enough for a batch. */
  request(bytes: number): void {
    if (this.#maxBytes <= this.#usualMaxBytes) this.#maxBytes = bytes;
    this.#usualMaxBytes = bytes;
  }

  /** Less than one batch came. At {@linkcode LARGEST_PARTITION_BYTES}, no more can be requested. */
  askForMore(): void {
    if (this.#broker === null) throw this.#illegal("asked for more, and no broker fetches it");
    this.#maxBytes = Math.min(this.#maxBytes * 2, LARGEST_PARTITION_BYTES);
  }

  /**
   * Continues at another offset, as the next records have been deleted. The position follows once
   * what waits has been handed out. Returns the empty range that moves it there.
   */
  jump(to: number): FetchedRange {
    this.#requireUnfetched(`cannot jump to offset ${to}`);
    if (this.#state === "ended") throw this.#illegal(`cannot jump to offset ${to}`);
    this.#fetched = to;
    const range = { from: to, next: to };
    this.#waiting.push(range);
    this.#endIfReached();
    return range;
  }

  /** The partition has become shorter. Reading ends at `end`, if that is earlier than before. */
  shorten(end: number): void {
    this.#requireUnfetched(`cannot end at offset ${end}`);
    if (this.#end === null) throw this.#illegal(`cannot end at offset ${end}: it has no end`);
    this.#end = Math.min(this.#end, end);
    this.#endIfReached();
  }

  /** The topic is another one now. What waits is still handed out. */
  retire(): void {
    this.#requireUnfetched("cannot be retired");
    this.#move("retired");
  }

  /** The flow has been given records of the oldest range, up to and including `newest`. */
  handOut(newest: LogRecord): void {
    const { offset, timestamp } = newest;
    const range = this.#oldest;
    if (offset < this.#handedOut || offset >= range.next) {
      throw this.#illegal(
        `cannot hand out offset ${offset}, which is not in ${this.#handedOut} to ${range.next - 1}`,
      );
    }
    this.#handedOut = offset + 1;
    this.#handedOutTime = timestamp;
    if (this.topicId !== null) return;
    this.#lastRecord = markOf(newest);
    this.#sameTopic ??= this.#lastRecord;
  }

  /** The flow has been given all of the oldest range. */
  finish(): void {
    this.#handedOut = this.#oldest.next;
    this.#waiting.shift();
  }

  /** For topics without ids: the topic still has a record that was read, so `read` is of it too. */
  confirm(read: RecordMark | null): void {
    this.#requireReading("cannot be confirmed");
    this.#recognisedBy = read ?? this.#recognisedBy;
    this.#sameTopic = read;
  }

  get #oldest(): FetchedRange {
    if (this.#waiting.length === 0) throw this.#illegal("has nothing to hand out");
    return this.#waiting[0];
  }

  #endIfReached(): void {
    if (this.#end !== null && this.#fetched >= this.#end && this.#state !== "ended") {
      this.#move("ended");
    }
  }

  #move(to: CursorState): void {
    const from = this.#state;
    if (!MOVES[from].includes(to)) throw this.#illegal(`cannot become ${to}`);
    this.#state = to;
    this.#onMove?.(from, to);
  }

  #requireReading(what: string): void {
    if (this.#state === "retired") throw this.#illegal(what);
  }

  #requireUnfetched(what: string): void {
    this.#requireReading(what);
    if (this.#broker !== null) {
      throw this.#illegal(`${what} while broker ${this.#broker} fetches it`);
    }
  }

  /** A fault of ours. Another attempt would not help, so it ends the run. */
  #illegal(what: string): Unrecoverable {
    return new Unrecoverable(
      `topic "${this.topic}", partition ${this.partition} (${this.#state}, at offset ` +
        `${this.#fetched}) ${what}: this is a bug in Millrace`,
    );
  }
}
