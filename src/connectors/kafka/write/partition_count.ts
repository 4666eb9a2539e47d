/**
 * The number of partitions of a topic that is written to. More can be added while a flow runs. An
 * output that has nothing to write meanwhile must know them before its next record.
 *
 * @module
 */
import type { Log } from "../../../core/log.ts";
import type { KafkaConnection } from "../client/connection.ts";
import { messageOfKafka } from "../client/errors.ts";

/** The shortest interval between two requests, in milliseconds, whatever the properties say. */
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

  /** The known number of partitions. A topic never loses any. */
  get count(): number {
    return this.#count;
  }

  /** Asks for the first time. */
  async open(): Promise<void> {
    this.#take((await this.#connection.leaders(this.#topic)).size);
  }

  /** Begins to ask regularly. */
  start(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(async () => {
      try {
        await this.refresh();
      } catch (error) {
        // The next write meets the same error, and reports it.
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

  /** Stops asking. */
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
