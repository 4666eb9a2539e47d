import type { ShuffleReader, ShuffleRecord } from "../../group/log.ts";
import type { ShardReader } from "./shuffle_task.ts";

/** Reads one shard of the log, and parts of it again. */
export class ShardLog implements ShardReader {
  readonly #open: (from: bigint | null) => ShuffleReader;
  #reader: ShuffleReader;

  /** `open` begins to read at an offset; `null` for the beginning. */
  constructor(open: (from: bigint | null) => ShuffleReader, from: bigint | null) {
    this.#open = open;
    this.#reader = open(from);
  }

  next(): ShuffleRecord | null {
    return this.#reader.next();
  }

  ready(): Promise<void> {
    return this.#reader.ready();
  }

  unreadable(record: ShuffleRecord, cause: Error): Error {
    return this.#reader.unreadable(record, cause);
  }

  seek(offset: bigint): void {
    this.#reader.close();
    this.#reader = this.#open(offset);
  }

  /** How many records are known to wait in the log. */
  get lag(): number {
    return this.#reader.lag;
  }

  close(): void {
    this.#reader.close();
  }
}
