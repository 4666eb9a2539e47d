/**
 * How many partitions a topic has that is written to. More can be added while a flow runs, and an
 * output that has nothing to write meanwhile has to know them before its next record.
 *
 * @module
 */
import type { Log } from "../../../core/log.ts";
import type { KafkaConnection } from "../client/connection.ts";
import { messageOfKafka } from "../client/errors.ts";

/** A broker is not asked more often than this, in milliseconds, whatever the properties say. */
const SHORTEST_MS = 100;

/** Follows the number of a topic's partitions. */
export class PartitionCount {
  readonly #connection: KafkaConnection;
  readonly #topic: string;
  readonly #intervalMs: number;
  readonly #log: Log;
  #count = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  /** Asks for nothing yet. Once it is open, it asks again every `maxAgeMs` milliseconds. */
  constructor(connection: KafkaConnection, topic: string, maxAgeMs: number, log: Log) {
    this.#connection = connection;
    this.#topic = topic;
    this.#intervalMs = Math.max(maxAgeMs, SHORTEST_MS);
    this.#log = log;
  }

  /** How many there are, as far as is known. A topic never loses any. */
  get count(): number {
    return this.#count;
  }

  /** Asks for the first time. */
  async open(): Promise<void> {
    this.#take((await this.#connection.leaders(this.#topic)).size);
  }

  /** Begins to ask again and again. */
  start(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(async () => {
      try {
        await this.refresh();
      } catch (error) {
        // What is written next finds the same error, and says so.
        this.#log.debug(`kafka: cannot ask for new partitions: ${messageOfKafka(error)}`);
      }
      this.start();
    }, this.#intervalMs);
  }

  /**
   * Asks now.
   *
   * @throws {Error} If no broker answers.
   */
  async refresh(): Promise<void> {
    await this.#connection.metadata();
    this.#take((await this.#connection.leaders(this.#topic)).size);
  }

  /** Asks no more. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #take(count: number): void {
    if (count <= this.#count) return;
    if (this.#count > 0) {
      this.#log.info("the topic has more partitions", { topic: this.#topic, partitions: count });
    }
    this.#count = count;
  }
}
