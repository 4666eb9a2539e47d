/**
 * Records of one partition that are sent together.
 *
 * They are encoded as they come. Objects that wait would outlive several garbage collections, each
 * of which copies them. Bytes need a fifth of the memory, and are not looked at.
 *
 * @module
 */
import { decodeUtf8, encodeUtf8 } from "../../../core/utf8.ts";
import type { KafkaMessage } from "../message.ts";
import type { KafkaData, KafkaOutputItem, KafkaRecord } from "../output_item.ts";
import type { LogBatch, LogRecord } from "../wire/read_batch.ts";
import { RecordCursor } from "../wire/record_cursor.ts";
import { type BatchHeader, BatchWriter } from "../wire/write_batch.ts";
import { bytesOnWire, type OutgoingRecord } from "./to_record.ts";

// What the form of an item was, as its bytes do not tell that.
const TEXT_KEY = 1;
const TEXT_VALUE = 2;
const OBJECT = 4;
const WITH_KEY = 8;
const WITH_TIMESTAMP = 16;
const WITH_PARTITION = 32;

/** What records have in common, as most do: the form of their items, and their time. */
interface Likeness {
  /** The index of the first. */
  readonly from: number;
  readonly form: number;
  readonly timestamp: number;
}

/** Where a record was read. */
type Origin = Pick<KafkaMessage, "topic" | "partition" | "offset">;

/** A batch of one partition, to which records are added until it is sent. */
export class OutgoingBatch {
  readonly #partition: number;
  readonly #writer: BatchWriter;
  readonly #likenesses: Likeness[] = []; // each up to the next
  #last: Likeness = { from: 0, form: -1, timestamp: 0 };
  readonly #origins = new Map<number, Origin>(); // by index, of records that were read
  #bytes = 0;

  /** Has no records yet. `expected`: their size on the wire, as far as it can be guessed. */
  constructor(partition: number, expected?: number) {
    this.#partition = partition;
    this.#writer = new BatchWriter(expected);
  }

  /** How many records it has. */
  get count(): number {
    return this.#writer.count;
  }

  /** Roughly the size of its records on the wire, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a record. */
  add(record: OutgoingRecord): void {
    const { item, timestamp } = record;
    const isPair = Array.isArray(item);
    const form = isPair ? textForm(item[0], item[1]) : objectForm(item as KafkaRecord);
    if (!isPair && "offset" in item) this.#origins.set(this.count, originOf(item as KafkaMessage));
    if (form !== this.#last.form || timestamp !== this.#last.timestamp) {
      this.#likenesses.push(this.#last = { from: this.count, form, timestamp });
    }
    this.#bytes += record.bytes;
    this.#writer.append(record);
  }

  /** The batch as it is sent, without compression. The next call uses the same memory. */
  encode(header: BatchHeader): ReturnType<BatchWriter["finish"]> {
    return this.#writer.finish(header);
  }

  /** Two batches with its records: the first half, and the rest. */
  split(): [OutgoingBatch, OutgoingBatch] {
    const [first, rest] = [new OutgoingBatch(this.#partition), new OutgoingBatch(this.#partition)];
    const half = this.count >> 1;
    for (const record of this.records()) (first.count < half ? first : rest).add(record);
    return [first, rest];
  }

  /** Its records, with items that look like those that were added. */
  records(): OutgoingRecord[] {
    const cursor = this.#cursor();
    const records: OutgoingRecord[] = [];
    for (const [i, { from, form, timestamp }] of this.#likenesses.entries()) {
      const end = this.#likenesses[i + 1]?.from ?? this.count;
      for (let index = from; index < end; index++) {
        // A time far from the others is not exact in what the cursor reads.
        const read = { ...cursor.read(), timestamp };
        const { key, value } = read;
        const headers = read.headers.map(([name, data]) => [encodeUtf8(name), data] as const);
        const bytes = bytesOnWire(key, value, headers);
        const item = this.#itemOf(form, read, this.#origins.get(index));
        records.push({ key, value, headers, timestamp, partition: this.#partition, bytes, item });
      }
    }
    return records;
  }

  #cursor(): RecordCursor {
    const { records, baseTimestamp } = this.#writer.written();
    const batch: LogBatch = {
      baseOffset: 0,
      lastOffset: this.count - 1,
      attributes: 0,
      isTransactional: false,
      isControl: false,
      producerId: -1n,
      baseTimestamp,
      appendTimestamp: null,
      count: this.count,
      records,
    };
    return new RecordCursor(batch, records, true);
  }

  #itemOf(form: number, read: LogRecord, origin?: Origin): KafkaOutputItem {
    const key = (form & TEXT_KEY) === 0 ? read.key : decodeUtf8(read.key!);
    const value = (form & TEXT_VALUE) === 0 ? read.value : decodeUtf8(read.value!);
    if ((form & OBJECT) === 0) return [key, value];
    return {
      ...(form & WITH_KEY) === 0 ? {} : { key },
      value,
      ...read.headers.length === 0 ? {} : { rawHeaders: read.headers },
      ...(form & WITH_TIMESTAMP) === 0 ? {} : { timestamp: read.timestamp },
      ...(form & WITH_PARTITION) === 0 ? {} : { partition: this.#partition },
      ...origin,
    };
  }
}

function textForm(key: KafkaData | undefined, value: KafkaData): number {
  return (typeof key === "string" ? TEXT_KEY : 0) | (typeof value === "string" ? TEXT_VALUE : 0);
}

function objectForm({ key, value, timestamp, partition }: KafkaRecord): number {
  return OBJECT | textForm(key, value) |
    (key === undefined ? 0 : WITH_KEY) |
    (timestamp === undefined ? 0 : WITH_TIMESTAMP) |
    (partition === undefined ? 0 : WITH_PARTITION);
}

function originOf({ topic, partition, offset }: KafkaMessage): Origin {
  return { topic, partition, offset };
}
