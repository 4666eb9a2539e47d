/** A Kafka input's fetcher without a broker: a test answers its fetches one by one. */
import { Buffer } from "node:buffer";
import { Fetcher } from "../../src/connectors/kafka/fetcher.ts";
import type { KafkaConnection } from "../../src/connectors/kafka/connection.ts";
import type { FetchedPartition } from "../../src/connectors/kafka/fetch.ts";
import {
  type KafkaProperties,
  readInputProperties,
} from "../../src/connectors/kafka/properties.ts";
import type { KafkaInputSettings } from "../../src/connectors/kafka/settings.ts";
import { fetchOffsets, startingStates } from "../../src/connectors/kafka/start.ts";
import { positionName, type TopicPartition } from "../../src/connectors/kafka/topic_partition.ts";
import { TopicWatch } from "../../src/connectors/kafka/topic_watch.ts";
import { storedBytes } from "./fetched.ts";
import { testPlace } from "./place.ts";

/** What the broker has of a partition. */
export interface ScriptedPartition {
  first: number;
  last: number;
  highWatermark: number;
}

export interface ScriptedOptions {
  readonly partitions?: ScriptedPartition[];
  readonly tail?: boolean;
  readonly properties?: KafkaProperties;
}

/** What a broker answers a fetch with. */
interface FetchAnswer {
  readonly errorCode: number;
  readonly partitions: FetchedPartition[];
}

/** The topic. */
export const TOPIC = "topic";

/** Partitions of one topic, led by one broker. */
export class ScriptedKafka implements AsyncDisposable {
  /** What the broker says when it is asked for offsets; a test may add partitions. */
  readonly partitions: ScriptedPartition[];
  readonly place = testPlace();
  /** When the broker answers what partitions there are. */
  metadata: Promise<void> = Promise.resolve();
  readonly connection = this.#scripted();
  readonly #settings: KafkaInputSettings;
  #fetcher: Fetcher | null = null;
  #fetch = Promise.withResolvers<PromiseWithResolvers<FetchAnswer>>();
  #back = Promise.withResolvers<void>();

  constructor({ partitions, tail = true, properties = {} }: ScriptedOptions = {}) {
    this.partitions = partitions ?? [{ first: 0, last: 0, highWatermark: 0 }];
    const input = readInputProperties(properties);
    this.#settings = { brokers: ["none:1"], topics: [TOPIC], tail, start: "beginning", input };
  }

  /** Begins to fetch all partitions from their first records. */
  async start(): Promise<Fetcher> {
    const all = this.partitions.map((_, partition) => ({ topic: TOPIC, partition }));
    const offsets = await fetchOffsets(all, "beginning", this.connection);
    const watch = new TopicWatch({
      ask: () => this.connection.metadata(),
      maxAgeMs: this.#settings.input.metadataMaxAgeMs,
    });
    const read = () => ({ topicId: null, isReplaced: false });
    const states = startingStates(this.#settings, new Map(), offsets, read, this.place.log);
    const { connection } = this;
    this.#fetcher = new Fetcher(this.#settings, { connection, watch, states }, this.place);
    this.#fetcher.start();
    return this.#fetcher;
  }

  /** Answers the fetch that is on its way, or comes next; resolves when the next one has come. */
  async answer(...partitions: FetchedPartition[]): Promise<void> {
    (await this.#nextFetch()).resolve({ errorCode: 0, partitions });
    await this.#fetch.promise;
  }

  /** The same, but only the answer: for the last one. */
  async answerLast(...partitions: FetchedPartition[]): Promise<void> {
    (await this.#nextFetch()).resolve({ errorCode: 0, partitions });
  }

  /** The broker goes away; `back` brings it back. */
  async goAway(): Promise<void> {
    this.#back = Promise.withResolvers();
    (await this.#nextFetch()).reject(new Error("away"));
  }

  back(): void {
    this.#back.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.#fetcher?.close();
    this.back();
    this.#fetch.promise.then((fetch) => fetch.resolve({ errorCode: 0, partitions: [] }));
    await closed;
  }

  async #nextFetch() {
    const fetch = await this.#fetch.promise;
    this.#fetch = Promise.withResolvers();
    return fetch;
  }

  #scripted(): KafkaConnection {
    const offsets = (asked: readonly TopicPartition[], of: keyof ScriptedPartition) =>
      Promise.resolve(
        new Map(asked.map((each) => [positionName(each), this.partitions[each.partition][of]])),
      );
    const broker = {
      versions: { 1: { maxVersion: 11 } },
      connectionPool: {
        send: () => {
          const answer = Promise.withResolvers<FetchAnswer>();
          this.#fetch.resolve(answer);
          return answer.promise;
        },
      },
    };
    return {
      leaders: async () => {
        await this.metadata;
        return new Map(this.partitions.map((_, partition) => [partition, 0]));
      },
      metadata: () => Promise.resolve({ topics: [{ errorCode: 0, topic: TOPIC, topicId: null }] }),
      broker: () => Promise.resolve(broker),
      offsets: (asked: readonly TopicPartition[], { fromBeginning }: { fromBeginning: boolean }) =>
        offsets(asked, fromBeginning ? "first" : "last"),
      highWatermarks: (asked: readonly TopicPartition[]) => offsets(asked, "highWatermark"),
      succeeded: () => {},
      drop: () => {},
      pause: () => this.#back.promise,
    } as unknown as KafkaConnection;
  }
}

/** What a fetch brings of a partition: nothing, unless it is said otherwise. */
export function fetched(answer: Partial<FetchedPartition> & { highWatermark: number }) {
  const lastStableOffset = answer.highWatermark;
  const records = Buffer.alloc(0);
  const nothing = { topic: TOPIC, partition: 0, errorCode: 0, aborted: [], records };
  return { ...nothing, lastStableOffset, ...answer };
}

/** One record, as it is fetched, with a value of so many bytes. */
export function recordAt(offset: number, bytes = 10): Buffer {
  const value = Buffer.alloc(bytes, "x");
  const record = { key: null, value, headers: [], timestamp: 1_700_000_000_000 };
  return storedBytes(BigInt(offset), [record]);
}
