/**
 * Records that wait to be sent, in a queue for each partition.
 *
 * @module
 */
import type { KafkaOutputItem } from "../output_item.ts";
import type { KafkaOutputSettings } from "../properties/settings.ts";
import type { PartitionCount } from "./partition_count.ts";
import { partitionerOf } from "./partitioner.ts";
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

/** Records that wait or are under way. Both count until they are acknowledged. */
export class WaitingRecords {
  readonly #settings: KafkaOutputSettings;
  readonly #partitions: PartitionCount;
  readonly #partitionOf: Partitioning["partitionOf"];
  readonly #queues = new Map<number, OutgoingRecord[]>(); // by partition, oldest first
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
        const queue = this.#queues.get(record.partition);
        if (queue === undefined) this.#queues.set(record.partition, [record]);
        else if (
          queue.push(record) >= KEYLESS_RECORDS && record.partition === partitioning.keyless
        ) {
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

  /**
   * Removes the next records of each partition from its queue, as many as fit a batch, and returns
   * them.
   */
  takeRound(): Map<number, readonly OutgoingRecord[]> {
    const { batchBytes, batchRecords } = this.#settings.output;
    const round = new Map<number, readonly OutgoingRecord[]>();
    for (const [partition, queue] of this.#queues) {
      let count = 0;
      let bytes = 0;
      while (count < queue.length && count < batchRecords) {
        bytes += queue[count].bytes;
        if (count > 0 && bytes > batchBytes) break;
        count++;
      }
      const all = count === queue.length;
      if (all) this.#queues.delete(partition);
      round.set(partition, all ? queue : queue.splice(0, count));
    }
    this.#nextKeyless();
    return round;
  }

  /** Records of a round have been acknowledged. Returns their bytes. */
  acknowledged(round: ReadonlyMap<number, readonly OutgoingRecord[]>): number {
    const before = this.#bytes;
    for (const records of round.values()) {
      for (const { bytes } of records) this.#bytes -= bytes;
      this.#records -= records.length;
    }
    return before - this.#bytes;
  }

  #nextKeyless(): number {
    return this.#keyless = (this.#keyless + 1) % this.#partitions.count;
  }
}
