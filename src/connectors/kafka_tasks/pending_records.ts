/**
 * Records that wait for the next transaction of a process.
 *
 * A transaction that is open holds up everyone who reads its partitions. So nothing is sent before
 * the epoch ends: records wait here, encoded, and are written one after the other then.
 *
 * @module
 */
import type { Codec } from "../kafka/compression/codec.ts";
import { positionName, type TopicPartition } from "../kafka/wire/topic_partition.ts";
import {
  type BatchHeader,
  BatchWriter,
  compressBatch,
  type WireRecord,
} from "../kafka/wire/write_batch.ts";
import type { Buffer } from "node:buffer";

/** How the records of one writer are packed. Each writer has one object of these for its life. */
export interface PackingOptions {
  /** Who writes them, for errors: `output "orders"`. */
  readonly writer: string;
  /** The most bytes in a batch of several records. */
  readonly batchBytes: number;
  /** The most records in a batch; any number if it is left out. */
  readonly batchRecords?: number;
  /** The codec, and how hard it tries; absent for none. */
  readonly compression?: { readonly codec: Codec; readonly level?: number };
}

/** The bytes of a record beside its key, value and headers, at most. */
const RECORD_OVERHEAD = 40;

/** The records of one batch, for one partition. */
export class PendingBatch {
  readonly of: TopicPartition;
  readonly options: PackingOptions;
  /** How many bytes it has, at most. It may have less when it is encoded. */
  bytes = 0;
  readonly #records = new BatchWriter();

  constructor(of: TopicPartition, options: PackingOptions) {
    this.of = of;
    this.options = options;
  }

  /** How many records it has. */
  get count(): number {
    return this.#records.count;
  }

  /** Whether it has no room for `bytes` more. A record of any size fits into an empty one. */
  isFull(bytes: number): boolean {
    const { batchBytes, batchRecords = Infinity } = this.options;
    return this.count > 0 && (this.bytes + bytes > batchBytes || this.count >= batchRecords);
  }

  /** Adds a record of `bytes` bytes. */
  add(record: WireRecord, bytes: number): void {
    this.#records.append(record);
    this.bytes += bytes;
  }

  /** Returns the batch as it is sent. */
  async encode(header: BatchHeader): Promise<Buffer> {
    const batch = this.#records.finish(header);
    const { compression } = this.options;
    if (compression === undefined) return batch;
    return await compressBatch(batch, compression.codec, compression.level);
  }
}

/**
 * The records of the next transaction of one producer. Those of a partition keep their order, from
 * whatever writer they come.
 *
 * @example An output adds a record, and the log takes all of them when the epoch ends.
 * ```ts ignore
 * const packing = { writer: `output "${stepId}"`, batchBytes: 1 << 20 };
 * pending.add({ topic: "totals", partition: 3 }, record, packing);
 * ```
 */
export class PendingRecords {
  #batches = new Map<string, PendingBatch[]>();
  #bytes = 0;

  /** How many bytes wait, before compression. */
  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#batches.size === 0;
  }

  /** Adds a record to the end of a partition. Its bytes may be changed once this has returned. */
  add(of: TopicPartition, record: WireRecord, options: PackingOptions): void {
    const name = positionName(of);
    let batches = this.#batches.get(name);
    if (batches === undefined) this.#batches.set(name, batches = []);
    const bytes = bytesOf(record);
    let last = batches.at(-1);
    if (last === undefined || last.options !== options || last.isFull(bytes)) {
      last = new PendingBatch(of, options);
      batches.push(last);
    }
    last.add(record, bytes);
    this.#bytes += bytes;
  }

  /** Removes all, and returns it: the batches of each partition, in order. */
  take(): PendingBatch[][] {
    const taken = [...this.#batches.values()];
    this.#batches = new Map();
    this.#bytes = 0;
    return taken;
  }
}

/** How many bytes a record has in a batch, at most, without compression. */
export function bytesOf({ key, value, headers }: WireRecord): number {
  let bytes = RECORD_OVERHEAD + (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, data] of headers) bytes += 10 + name.length + (data?.length ?? 0);
  return bytes;
}
