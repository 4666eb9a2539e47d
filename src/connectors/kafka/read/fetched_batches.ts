/**
 * The batches that a broker sent of a partition, once it is certain that they follow the ones
 * before. No checksum covers a batch's offset and length, so these are checked here.
 * @module
 */
import { type LogBatch, readBatches } from "../wire/read_batch.ts";
import { damagedBatch, DamageError } from "../wire/damage.ts";
import type { FetchedPartition } from "../wire/fetch.ts";
import { LARGEST_PARTITION_BYTES, type PartitionCursor } from "./partition_cursor.ts";

/**
 * How often in a row a broker may send a batch that ends after the end of its partition. A broker
 * looks up the end first, so its answer may hold records that were written later.
 */
const MOST_BEYOND = 5;

/** Finds the batches in one answer after another. */
export class FetchedBatches {
  readonly #verify: boolean;
  readonly #beyond = new WeakMap<PartitionCursor, number>();
  /** The batches that overlap, and the offset at which they were requested. */
  readonly #overlaps = new WeakMap<PartitionCursor, { from: number; error: DamageError }>();

  /** `verify`: whether to compute checksums. */
  constructor(verify: boolean) {
    this.#verify = verify;
  }

  /**
   * Returns the whole batches that may be read, in order. If there are none, the same is requested
   * again; if less than one batch came, `asked` then requests more.
   *
   * Gaps between batches are normal: compaction and the markers of transactions cause them. The
   * first batch may begin before the requested offset, as a position may be in the middle of a
   * batch. After an unclean election, batches may also begin and end elsewhere.
   *
   * @throws {Error} If something is damaged. The same would come again.
   */
  of(answer: FetchedPartition, asked: PartitionCursor): LogBatch[] {
    const batches = readBatches(answer.records, this.#verify);
    if (batches.length === 0) {
      if (answer.records.length > 0) askForMore(answer, asked);
      return batches;
    }
    const certain = this.#certain(batches, answer.records, asked);
    return this.#ended(certain, answer.highWatermark, asked);
  }

  /**
   * Returns the batches before two that overlap, as either of the two may have the wrong offset.
   * The next time, the two are an error, even if only the first of them comes.
   */
  #certain(
    batches: LogBatch[],
    bytes: FetchedPartition["records"],
    asked: PartitionCursor,
  ): LogBatch[] {
    const known = this.#overlaps.get(asked);
    if (known !== undefined && known.from === asked.fetched) throw known.error;
    const spans = batches.map(spanOf);
    checkFirst(spans[0], asked.fetched);
    spans.push(...spansBehind(bytes, batches[batches.length - 1]));
    const second = firstOverlap(spans);
    if (second < 0) return batches;
    const [one, other] = [spans[second - 1], spans[second]];
    const error = damagedBatch(
      one.baseOffset ?? one.lastOffset,
      `it ends at offset ${one.lastOffset}, but the batch after it begins at offset ` +
        `${other.baseOffset ?? other.lastOffset}, so one of the two has a wrong offset`,
    );
    if (second === 1) throw error;
    this.#overlaps.set(asked, { from: spans[second - 2].lastOffset + 1, error });
    return batches.slice(0, second - 1);
  }

  /** Returns those that end below the high watermark. */
  #ended(batches: LogBatch[], end: number, asked: PartitionCursor): LogBatch[] {
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

function askForMore({ records }: FetchedPartition, asked: PartitionCursor): void {
  if (asked.maxBytes >= LARGEST_PARTITION_BYTES) {
    throw new DamageError(
      `the batch at offset ${asked.fetched} is damaged: of its ${claimedBytes(records)} bytes, ` +
        `${records.length} came though ${asked.maxBytes} were asked for`,
    );
  }
  asked.askForMore();
}

/** The length in the header of the first batch. */
function claimedBytes(records: FetchedPartition["records"]): number | string {
  const LENGTH_END = 12;
  return records.length < LENGTH_END ? "unknown" : LENGTH_END + records.readInt32BE(8);
}

/** Where a batch begins and ends. */
interface Span {
  /** `null` if that is known only after unpacking. */
  readonly baseOffset: number | null;
  readonly lastOffset: number;
}

function spanOf({ baseOffset, lastOffset, oldFormat }: LogBatch): Span {
  return { baseOffset: oldFormat === undefined ? baseOffset : null, lastOffset };
}

/**
 * @throws {DamageError} If the first batch cannot be the one at the requested offset.
 */
function checkFirst({ baseOffset, lastOffset }: Span, from: number): void {
  if (baseOffset !== null && baseOffset < 0) {
    throw damagedBatch(from, `what came for it begins at offset ${baseOffset}`);
  }
  if (lastOffset < from) throw damagedBatch(from, `what came for it ends at offset ${lastOffset}`);
}

/**
 * The index of the first batch that begins before the end of its predecessor; -1 if there is none.
 */
function firstOverlap(spans: readonly Span[]): number {
  return spans.findIndex(({ baseOffset, lastOffset }, i) =>
    i > 0 && (baseOffset ?? lastOffset) <= spans[i - 1].lastOffset
  );
}

/** The number of bytes of a batch up to its format. */
const FORMAT_END = 17;

/**
 * Where the batch after the last whole one begins. It is damaged or cut off, but its offset may be
 * there. The result is empty if it is not, and for an old format.
 */
function spansBehind(bytes: FetchedPartition["records"], last: LogBatch): Span[] {
  const { records } = last;
  if (records.buffer !== bytes.buffer) return []; // an old message, which was encoded again
  const at = records.byteOffset + records.length - bytes.byteOffset;
  if (at < 0 || at + FORMAT_END > bytes.length || bytes[at + FORMAT_END - 1] !== 2) return [];
  const baseOffset = Number(bytes.readBigInt64BE(at));
  return [{ baseOffset, lastOffset: baseOffset }];
}
