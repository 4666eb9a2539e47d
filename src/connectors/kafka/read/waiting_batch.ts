/**
 * A batch that waits for the flow, packed if possible.
 *
 * The writers of a topic decide how far a batch unpacks. So a batch is unpacked when its first
 * record is requested, and only one at a time. Gzip is an exception: another thread can unpack it,
 * so that is done ahead, up to a budget.
 *
 * @module
 */
import { type LogBatch, unwrap } from "../wire/read_batch.ts";
import {
  CODEC_BITS,
  CODEC_MASK,
  codecOf,
  decompress,
  decompressNow,
  LARGEST_UNPACKED,
} from "../compression/compression.ts";
import { LimitError } from "../compression/codec.ts";
import { RecordCursor } from "../wire/record_cursor.ts";

/**
 * The most bytes to which a batch in a format before Kafka 0.11 may unpack. It is turned into
 * batches of today's format, which takes several times as much.
 */
const LARGEST_OLD: number = 64 << 20;

/** A batch of records. */
export class WaitingBatch {
  readonly #batch: LogBatch;
  #ahead: Uint8Array | null = null;

  constructor(batch: LogBatch) {
    this.#batch = batch;
  }

  /** How many bytes have been unpacked already. */
  get unpackedBytes(): number {
    return this.#ahead?.length ?? 0;
  }

  /**
   * Unpacks it on another thread if that is possible, to `budget` bytes at most. Resolves to
   * whether there may be room for more.
   */
  async unpackAhead(budget: number): Promise<boolean> {
    const { attributes, records } = this.#batch;
    if (!isGzip(attributes)) return true;
    if (budget <= 0) return false;
    try {
      this.#ahead = await decompress("gzip", records, Math.min(budget, this.#limit));
      return true;
    } catch {
      return false; // reported when it is read, after what comes before is handed out
    }
  }

  /**
   * Unpacks it, and reads its records.
   *
   * @throws {Error} If it cannot be unpacked, is too large, or has a codec that does not exist.
   */
  read(withHeaders: boolean): RecordCursor[] {
    const { count, records } = this.#batch;
    if (count === 0 && records.length === 0) return []; // compaction has emptied it
    const bytes = this.#ahead ?? this.#unpack();
    return unwrap(this.#batch, bytes)
      .map((each) => new RecordCursor(each.batch, each.bytes, withHeaders));
  }

  #unpack(): Uint8Array {
    const { attributes, records } = this.#batch;
    try {
      return decompressNow(codecOf(attributes), records, this.#limit);
    } catch (error) {
      throw error instanceof LimitError ? tooLarge(this.#limit, error) : error;
    }
  }

  get #limit(): number {
    return this.#batch.oldFormat === undefined ? LARGEST_UNPACKED : LARGEST_OLD;
  }
}

function tooLarge(limit: number, cause: LimitError): Error {
  return new Error(
    `its batch unpacks to more than ${limit >> 20} MiB, and a few bytes can claim any size. If ` +
      "it is meant to be so large, have another client copy its records to a topic in smaller " +
      'batches, which is a matter of the producer\'s "batch.size"',
    { cause },
  );
}

function isGzip(attributes: number): boolean {
  return (attributes & CODEC_MASK) === CODEC_BITS.gzip;
}
