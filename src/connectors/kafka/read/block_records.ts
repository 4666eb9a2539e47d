/**
 * The records of batches that wait, one batch unpacked at a time.
 *
 * @module
 */
import type { RecordCursor } from "../wire/record_cursor.ts";
import type { WaitingBatch } from "./waiting_batch.ts";

/** How far the batches of a block have been read. */
export class BlockRecords {
  readonly #batches: readonly WaitingBatch[];
  #next = 0; // the next batch to unpack
  #records: RecordCursor | null = null; // in the batch before that
  #more: RecordCursor[] = []; // in what else is in that batch

  /** Unpacks nothing yet. */
  constructor(batches: readonly WaitingBatch[]) {
    this.#batches = batches;
  }

  /** Whether all records have been read. */
  get isOver(): boolean {
    return this.#next === this.#batches.length && this.#more.length === 0 &&
      (this.#records === null || this.#records.done);
  }

  /**
   * Returns where the next record is, with at least one to read; `null` at the end.
   *
   * @throws {Error} If the next batch cannot be unpacked.
   */
  current(withHeaders: boolean): RecordCursor | null {
    while (this.#records === null || this.#records.done) {
      if (this.#more.length === 0) {
        if (this.#next === this.#batches.length) return null;
        this.#records = null; // frees its bytes before more is unpacked
        this.#more = this.#batches[this.#next++].read(withHeaders);
      }
      this.#records = this.#more.shift() ?? null;
    }
    return this.#records;
  }
}
