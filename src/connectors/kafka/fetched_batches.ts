/**
 * The batches in what a broker sent of a partition, once it is certain that they can follow on what came
 * before: the header of a batch has its offset and its length, and no checksum covers these.
 *
 * @module
 */
import { readBatches, type StoredBatch } from "./batches.ts";
import { damagedBatch, DamageError } from "./damage.ts";
import type { FetchedPartition } from "./fetch.ts";

/** The most that is asked for of a partition, in bytes, where less has not been one batch. */
export const LARGEST_PARTITION_BYTES: number = 64 << 20;

/**
 * How often in a row a broker may send a batch that ends beyond where it says that the partition ends. It
 * looks for the end first, so what is written meanwhile may come with it; the next time it is known.
 */
const MOST_BEYOND = 5;

/** What was asked for. */
export interface AskedPartition {
  /** The offset from which on. */
  readonly fetched: number;
  /** How many bytes. */
  maxBytes: number;
}

/** Finds the batches in one answer after another. */
export class FetchedBatches {
  readonly #verify: boolean;
  readonly #beyond = new WeakMap<AskedPartition, number>();

  /** `verify`: whether to compute checksums. */
  constructor(verify: boolean) {
    this.#verify = verify;
  }

  /**
   * The whole batches that may be read, in order; none where the same is to be asked for again. `asked`
   * asks for more then, where less than a batch came.
   *
   * @throws {Error} If something is damaged. The same would come again.
   */
  of(answer: FetchedPartition, asked: AskedPartition): StoredBatch[] {
    const batches = readBatches(answer.records, this.#verify);
    if (batches.length === 0) {
      if (answer.records.length > 0) askForMore(answer, asked);
      return batches;
    }
    return this.#ended(inOrder(batches, asked.fetched), answer.highWatermark, asked);
  }

  /** Those that end below the high watermark. */
  #ended(batches: StoredBatch[], end: number, asked: AskedPartition): StoredBatch[] {
    const beyond = batches.findIndex(({ lastOffset }) => lastOffset >= end);
    if (beyond !== 0) {
      this.#beyond.delete(asked);
      return beyond < 0 ? batches : batches.slice(0, beyond);
    }
    const times = (this.#beyond.get(asked) ?? 0) + 1;
    this.#beyond.set(asked, times);
    if (times < MOST_BEYOND) return [];
    const [{ baseOffset, lastOffset }] = batches;
    throw damagedBatch(
      baseOffset,
      `it ends at offset ${lastOffset}, and its partition before offset ${end}`,
    );
  }
}

function askForMore({ records }: FetchedPartition, asked: AskedPartition): void {
  if (asked.maxBytes >= LARGEST_PARTITION_BYTES) {
    throw new DamageError(
      `the batch at offset ${asked.fetched} is damaged: of its ${claimedBytes(records)} bytes, ` +
        `${records.length} came though ${asked.maxBytes} were asked for`,
    );
  }
  asked.maxBytes = Math.min(asked.maxBytes * 2, LARGEST_PARTITION_BYTES);
}

/** How long the first batch says that it is. */
function claimedBytes(records: FetchedPartition["records"]): number | string {
  const LENGTH_END = 12;
  return records.length < LENGTH_END ? "unknown" : LENGTH_END + records.readInt32BE(8);
}

/**
 * The batches as far as their offsets go forward. The last has to end behind what was asked for: or the
 * same would be asked for again.
 */
function inOrder(batches: StoredBatch[], from: number): StoredBatch[] {
  let after = 0;
  let count = 0;
  for (const { baseOffset, lastOffset, oldFormat } of batches) {
    // Where an old batch begins is known once it is unpacked.
    if ((oldFormat === undefined ? baseOffset : lastOffset) < after) break;
    after = lastOffset + 1;
    count++;
  }
  if (after <= from) {
    throw damagedBatch(from, `what came for it begins at offset ${batches[0].baseOffset}`);
  }
  return batches.slice(0, count);
}
