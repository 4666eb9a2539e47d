/**
 * Gathers the records of a transaction into rounds of requests.
 *
 * @module
 */
import type { WireRecord } from "../kafka/wire/write_batch.ts";
import type { TransactionalProducer } from "./transaction.ts";

/**
 * The size of a partition's batch. Other people's topics accept 1 MB. A larger record goes alone.
 */
const BATCH_BYTES = 900_000;

/** The size of all partitions in one round of requests. */
const ROUND_BYTES = 4 << 20;

/** The most bytes of a record, apart from its key and value. */
const OVERHEAD = 40;

const NO_HEADERS: WireRecord["headers"] = Object.freeze([]);

/**
 * Records on their way to one topic. While a round of requests is under way, the next is filled.
 */
export class Round {
  readonly #producer: TransactionalProducer;
  readonly #topic: string;
  readonly #timestamp = Date.now();
  #records = new Map<number, WireRecord[]>();
  readonly #sizes = new Map<number, number>();
  #bytes = 0;
  #sending: Promise<void> = Promise.resolve();

  /** `producer` begins a transaction with the first round. */
  constructor(producer: TransactionalProducer, topic: string) {
    this.#producer = producer;
    this.#topic = topic;
  }

  /** Adds a record. If it returns a promise, that has to be awaited before the next call. */
  add(partition: number, key: Uint8Array, value: Uint8Array | null): Promise<void> | undefined {
    const size = OVERHEAD + key.length + (value?.length ?? 0);
    const before = this.#sizes.get(partition) ?? 0;
    const isFull = (before > 0 && before + size > BATCH_BYTES) || this.#bytes >= ROUND_BYTES;
    const sent = isFull ? this.#send() : undefined;
    const record = { key, value, headers: NO_HEADERS, timestamp: this.#timestamp };
    const records = this.#records.get(partition);
    if (records === undefined) this.#records.set(partition, [record]);
    else records.push(record);
    this.#sizes.set(partition, (isFull ? 0 : before) + size);
    this.#bytes += size;
    return sent;
  }

  /** Waits until everything has been written. */
  async flush(): Promise<void> {
    await this.#send();
    await this.#sending;
  }

  /** Waits for the requests under way, and ignores their errors. */
  async settled(): Promise<void> {
    await this.#sending.catch(() => {});
  }

  /** Waits for the round before, then sends this one. */
  async #send(): Promise<void> {
    const records = this.#records;
    this.#records = new Map();
    this.#sizes.clear();
    this.#bytes = 0;
    await this.#sending;
    this.#sending = this.#producer.send(this.#topic, records);
    this.#sending.catch(() => {}); // it is awaited later
  }
}
