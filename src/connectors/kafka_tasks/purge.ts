/**
 * Drops what tasks have read of shuffle topics, which keep everything by themselves.
 *
 * @module
 */
import { type Clock, elapsedOf } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import type { KafkaConnection } from "../kafka/client/connection.ts";
import { errorKind, messageOfKafka } from "../kafka/client/errors.ts";
import { deleteRecords, type RecordsBefore } from "../kafka/wire/delete_records.ts";
import { positionName } from "../kafka/wire/topic_partition.ts";
import type { ReadOffset } from "./positions.ts";

/** How often records are dropped, in milliseconds. */
const INTERVAL_MS = 30_000;

/** How long replicas may take, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** Drops records now and then, next to everything else. It never fails: records may stay. */
export class Purge {
  readonly #connection: KafkaConnection;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #committed = new Map<string, ReadOffset>();
  #lastAt: number;
  #isDenied = false;
  #work: Promise<void> | null = null;

  /** Drops nothing yet. */
  constructor(connection: KafkaConnection, { log, clock }: { log: Log; clock: Clock }) {
    this.#connection = connection;
    this.#log = log;
    this.#clock = clock;
    this.#lastAt = elapsedOf(clock);
  }

  /** These offsets of shuffle topics are committed, so nobody reads what is before them. */
  committed(offsets: Iterable<ReadOffset>): void {
    for (const each of offsets) this.#committed.set(positionName(each), each);
    const now = elapsedOf(this.#clock);
    if (this.#work !== null || this.#isDenied || now - this.#lastAt < INTERVAL_MS) return;
    this.#lastAt = now;
    const all = Array.from(this.#committed.values(), ({ topic, partition, offset: before }) => ({
      topic,
      partition,
      before,
    })).filter(({ before }) => before > 0n);
    this.#committed.clear();
    this.#work = this.#drop(all).finally(() => this.#work = null);
  }

  async #drop(all: readonly RecordsBefore[]): Promise<void> {
    try {
      const byLeader = new Map<number, RecordsBefore[]>();
      for (const each of all) {
        const leader = (await this.#connection.leaders(each.topic)).get(each.partition) ?? -1;
        if (leader < 0) continue;
        const led = byLeader.get(leader);
        if (led === undefined) byLeader.set(leader, [each]);
        else led.push(each);
      }
      for (const [leader, led] of byLeader) {
        await deleteRecords(await this.#connection.broker(leader), led, TIMEOUT_MS);
      }
    } catch (error) {
      this.#isDenied = errorKind(error) === "denied" || errorKind(error) === "unsupported";
      const fields = { error: messageOfKafka(error) };
      if (this.#isDenied) {
        this.#log.warn(
          "records that have been read stay in the shuffle topics of the group: allow Delete on them",
          fields,
        );
      } else this.#log.debug("records of shuffle topics were not deleted", fields);
    }
  }

  /** Waits until nothing is being dropped. */
  async close(): Promise<void> {
    await this.#work;
  }
}
