/**
 * Warns of transactions that stay open for a long time.
 *
 * @module
 */
import type { Log } from "../../../core/log.ts";
import type { FetchedPartition } from "../wire/fetch.ts";
import type { PartitionCursor } from "./partition_cursor.ts";

/** Kafka's default `transaction.timeout.ms`. Few transactions are meant to take longer. */
const LONG_MS = 60_000;

/** A partition that has records, but sends none. */
interface Wait {
  readonly cursor: PartitionCursor;
  readonly offset: number;
  readonly since: number;
  warned: boolean;
}

/** Watches the partitions with records that cannot be read yet. */
export class OpenTransactions {
  readonly #log: Log;
  readonly #now: () => number;
  readonly #waits = new Map<string, Wait>();

  /** `now` returns milliseconds of a clock that never goes back. */
  constructor(log: Log, now: () => number = () => performance.now()) {
    this.#log = log;
    this.#now = now;
  }

  /** A fetch from a partition returned no records. */
  nothingCame(cursor: PartitionCursor, answer: FetchedPartition): void {
    const { name, fetched: offset } = cursor;
    const { highWatermark, lastStableOffset } = answer;
    if (offset < lastStableOffset || offset >= highWatermark) this.#waits.delete(name);
    else if (this.#waits.get(name)?.offset !== offset) {
      this.#waits.set(name, { cursor, offset, since: this.#now(), warned: false });
    }
    this.look();
  }

  /**
   * Warns of transactions that have been open for long. Called between fetches too, as a broker may
   * take long to answer.
   */
  look(): void {
    for (const [name, wait] of this.#waits) {
      const { cursor: { topic, partition, fetched }, offset, since } = wait;
      const ms = this.#now() - since;
      if (fetched !== offset) this.#waits.delete(name);
      else if (!wait.warned && ms >= LONG_MS) {
        wait.warned = true;
        this.#log.warn(
          "a transaction has been open for long: what follows it cannot be read until it ends",
          { topic, partition, offset, seconds: Math.round(ms / 1000) },
        );
      }
    }
  }
}
