/**
 * Records that wait to be sent, in batches of each partition.
 *
 * @module
 */
import type { KafkaOutputItem } from "../output_item.ts";
import type { KafkaOutputSettings } from "../properties/settings.ts";
import type { PartitionCount } from "./partition_count.ts";
import { partitionerOf } from "./partitioner.ts";
import { OutgoingBatch } from "./outgoing_batch.ts";
import { tooLargeRecord } from "./refused_record.ts";
import {
  type OutgoingRecord,
  type Partitioning,
  requireFields,
  toRecord,
  UnknownPartitionError,
} from "./to_record.ts";

/** Once this many records wait for one partition, those without a key go to the next one. */
const KEYLESS_RECORDS = 1_000;

/** What waits for one partition. */
interface Queue {
  /** Oldest first, all but the last as full as may be. */
  readonly batches: OutgoingBatch[];
  records: number;
}

/** Records that wait or are under way. Both count until they are acknowledged. */
export class WaitingRecords {
  readonly #settings: KafkaOutputSettings;
  readonly #partitions: PartitionCount;
  readonly #partitionOf: Partitioning["partitionOf"];
  readonly #queues = new Map<number, Queue>(); // by partition; none is empty
  readonly #lastBytes = new Map<number, number>(); // of the last batch of each partition
  #keyless: number; // the current partition of records without a key
  #bytes = 0;
  #records = 0;

  /** `partitions` knows how many there are. */
  constructor(settings: KafkaOutputSettings, partitions: PartitionCount) {
    this.#settings = settings;
    this.#partitions = partitions;
    this.#partitionOf = partitionerOf(settings.output.partitioner);
    this.#keyless = Math.floor(Math.random() * partitions.count);
  }

  /**
   * Makes empty queues for what comes after these records, such as those of the next epoch. Keys
   * that are absent go on with the next partition.
   */
  next(): WaitingRecords {
    const next = new WaitingRecords(this.#settings, this.#partitions);
    next.#keyless = this.#keyless;
    for (const [partition, bytes] of this.#lastBytes) next.#lastBytes.set(partition, bytes);
    return next;
  }

  /** The partitions with records that nobody has taken yet. */
  get queued(): number[] {
    return [...this.#queues.keys()];
  }

  /** In the queues and under way. */
  get bytes(): number {
    return this.#bytes;
  }

  /** In the queues and under way. */
  get records(): number {
    return this.#records;
  }

  /**
   * Adds items to the queues as records. If `mayAsk`, it stops before the first one for an unknown
   * partition, which may just have been added. Returns how many it has added.
   *
   * @throws {ItemError} If an item cannot be a record. Those before it are in the queues.
   */
  add(items: readonly KafkaOutputItem[], mayAsk: boolean): number {
    const { topic } = this.#settings;
    const partitioning = {
      now: Date.now(),
      partitionOf: this.#partitionOf,
      count: this.#partitions.count,
      keyless: this.#keyless,
    } satisfies Partitioning;
    const largest = this.#settings.output.messageMaxBytes ?? Infinity;
    let added = 0;
    try {
      if (items.length > 0) requireFields(items[0]);
      for (const item of items) {
        const record = toRecord(item, topic, partitioning);
        if (record.bytes > largest) throw tooLargeRecord(record, topic);
        const waiting = this.#enqueue(record);
        if (waiting >= KEYLESS_RECORDS && record.partition === partitioning.keyless) {
          partitioning.keyless = this.#nextKeyless();
        }
        this.#bytes += record.bytes;
        this.#records++;
        added++;
      }
    } catch (error) {
      const { cause } = error as { cause?: unknown };
      if (!mayAsk || !(cause instanceof UnknownPartitionError)) throw error;
    }
    return added;
  }

  /** Adds a record to its partition's last batch. Returns how many records wait there then. */
  #enqueue(record: OutgoingRecord): number {
    const { partition, bytes } = record;
    const { batchBytes, batchRecords } = this.#settings.output;
    let queue = this.#queues.get(partition);
    if (queue === undefined) this.#queues.set(partition, queue = { batches: [], records: 0 });
    const { batches } = queue;
    let batch = batches.at(-1);
    if (
      batch === undefined || batch.count >= batchRecords || batch.bytes + bytes > batchBytes
    ) {
      batch = new OutgoingBatch(partition, this.#lastBytes.get(partition));
      batches.push(batch);
    }
    batch.add(record);
    return ++queue.records;
  }

  /** Removes the next batch of each partition, and returns them. */
  takeRound(): Map<number, OutgoingBatch> {
    const round = new Map<number, OutgoingBatch>();
    for (const [partition, queue] of this.#queues) {
      const batch = queue.batches.shift()!;
      queue.records -= batch.count;
      this.#lastBytes.set(partition, batch.bytes);
      if (queue.records === 0) this.#queues.delete(partition);
      round.set(partition, batch);
    }
    this.#nextKeyless();
    return round;
  }

  /** Records of a round have been acknowledged. Returns their bytes. */
  acknowledged(round: ReadonlyMap<number, OutgoingBatch>): number {
    let sum = 0;
    for (const { bytes, count } of round.values()) {
      sum += bytes;
      this.#records -= count;
    }
    this.#bytes -= sum;
    return sum;
  }

  #nextKeyless(): number {
    return this.#keyless = (this.#keyless + 1) % this.#partitions.count;
  }
}
