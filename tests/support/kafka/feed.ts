/**
 * Keeps a topic growing, for tests of faults: numbered records, each key in one partition, with
 * times of their own.
 *
 * Of what its producer has lost or repeated when a broker went away, the topic itself tells.
 */
import { Partitioners, type Producer } from "kafkajs";
import { kafkaClient } from "./client.ts";

/** The time between two records, in milliseconds of event time. */
export const EVERY_MS = 1_000;

/** Writes to one topic. */
export class Feed implements AsyncDisposable {
  readonly #brokers: string[];
  readonly #topic: string;
  readonly #partitions: number;
  #newKeys = { from: Infinity, partitions: 1, first: 0 };
  #keys: number;
  #producers = 0; // how many times a new one was wanted: an old one knows no new partitions
  #written = 0;
  #feeding: Promise<void> = Promise.resolve();
  #isFeeding = false;

  /** `partitions`: how many it writes to; the topic may have more. */
  constructor(
    brokers: string[],
    topic: string,
    { partitions, keys = 40 }: { readonly partitions: number; readonly keys?: number },
  ) {
    this.#keys = keys;
    this.#brokers = brokers;
    this.#topic = topic;
    this.#partitions = partitions;
  }

  /** How many records have been sent. */
  get written(): number {
    return this.#written;
  }

  /** How many keys it writes. */
  get keys(): number {
    return this.#keys;
  }

  /** The partition that the records of a key go to. */
  partitionOf(key: string): number {
    return this.#partitionOf(Number(key.split(" ")[1]));
  }

  /** Writes to more partitions from now on. What is new has keys of its own. */
  widen(partitions: number): void {
    const added = partitions - this.#partitions;
    this.#newKeys = { from: this.#keys, partitions: added, first: this.#partitions };
    this.#keys += 10 * added;
    this.#producers++;
  }

  /** Writes records. */
  async write(count: number): Promise<void> {
    await this.#producing((producer) => this.#send(producer, count));
  }

  /** Keeps writing, a few records at a time, until {@linkcode rest}. A broker may be away. */
  start(perSend = 20, pauseMs = 25): void {
    this.#isFeeding = true;
    const feeding = async (producer: Producer) => {
      for (const wanted = this.#producers; this.#isFeeding && wanted === this.#producers;) {
        await this.#send(producer, perSend);
        await pause(pauseMs);
      }
    };
    this.#feeding = (async () => {
      while (this.#isFeeding) {
        // Unacknowledged records may exist or not, so the next producer is a new one.
        await this.#producing(feeding).catch(() => pause(50));
      }
    })();
  }

  /** Stops writing. */
  async rest(): Promise<void> {
    this.#isFeeding = false;
    await this.#feeding;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.rest();
  }

  async #producing(use: (producer: Producer) => Promise<void>): Promise<void> {
    const producer = kafkaClient(this.#brokers).producer({
      createPartitioner: Partitioners.DefaultPartitioner,
      allowAutoTopicCreation: false,
      retry: { retries: 2, initialRetryTime: 50, maxRetryTime: 200 },
    });
    try {
      await producer.connect();
      await use(producer);
    } finally {
      await producer.disconnect();
    }
  }

  async #send(producer: Producer, count: number): Promise<void> {
    const messages = Array.from({ length: count }, (_, i) => {
      const n = this.#written + i;
      const key = n * 7919 % this.#keys;
      return {
        key: `key ${key}`,
        value: `${n}`,
        partition: this.#partitionOf(key),
        timestamp: `${(n + 1) * EVERY_MS}`, // the broker takes 0 for none
      };
    });
    this.#written += count;
    await producer.send({ topic: this.#topic, messages });
  }

  #partitionOf(key: number): number {
    const { from, partitions, first } = this.#newKeys;
    return key < from ? key % this.#partitions : first + (key - from) % partitions;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
