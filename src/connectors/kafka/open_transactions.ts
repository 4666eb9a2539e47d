/**
 * Warns of transactions that stay open for long.
 *
 * @module
 */
import type { Log } from "../../core/log.ts";
import type { FetchedPartition } from "./fetch.ts";
import type { PartitionState } from "./start.ts";

/** Kafka's default `transaction.timeout.ms`: few transactions are meant to take longer. */
const LONG_MS = 60_000;

/** An offset at which nothing came. */
interface Wait {
  readonly offset: number;
  readonly since: number;
  warned: boolean;
}

/** Follows the partitions that have records which cannot be read yet. */
export class OpenTransactions {
  readonly #log: Log;
  readonly #now: () => number;
  readonly #waits = new Map<string, Wait>();

  /** `now` returns milliseconds of a clock that never goes back. */
  constructor(log: Log, now: () => number = () => performance.now()) {
    this.#log = log;
    this.#now = now;
  }

  /** A fetch from a partition brought no records. */
  nothingCame({ name, topic, partition, fetched }: PartitionState, answer: FetchedPartition): void {
    const { highWatermark, lastStableOffset } = answer;
    if (fetched < lastStableOffset || fetched >= highWatermark) {
      this.#waits.delete(name);
      return;
    }
    const wait = this.#waits.get(name);
    if (wait?.offset !== fetched) {
      this.#waits.set(name, { offset: fetched, since: this.#now(), warned: false });
      return;
    }
    const ms = this.#now() - wait.since;
    if (wait.warned || ms < LONG_MS) return;
    wait.warned = true;
    this.#log.warn(
      "a transaction has been open for long: what is behind it cannot be read until it ends",
      { topic, partition, offset: fetched, seconds: Math.round(ms / 1000) },
    );
  }
}
