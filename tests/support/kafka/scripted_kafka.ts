/** A Kafka input's fetcher without a broker: a test answers its fetches one by one. */
import { Buffer } from "node:buffer";
import { Fetcher } from "../../../src/connectors/kafka/read/fetcher.ts";
import type { KafkaConnection } from "../../../src/connectors/kafka/client/connection.ts";
import type { FetchedPartition, FetchResponse } from "../../../src/connectors/kafka/wire/fetch.ts";
import type { KafkaProperties } from "../../../src/connectors/kafka/properties/given_properties.ts";
import { readInputProperties } from "../../../src/connectors/kafka/properties/input_settings.ts";
import type { KafkaInputSettings } from "../../../src/connectors/kafka/properties/settings.ts";
import type { RequestBroker } from "../../../src/connectors/kafka/wire/request.ts";
import { locate } from "../../../src/connectors/kafka/read/locate.ts";
import { shareOfWorker } from "../../../src/connectors/kafka/read/partition_share.ts";
import { startingCursors } from "../../../src/connectors/kafka/read/start.ts";
import { WorkerPartitions } from "../../../src/connectors/kafka/read/worker_partitions.ts";
import {
  positionName,
  type TopicPartition,
} from "../../../src/connectors/kafka/wire/topic_partition.ts";
import { TopicWatch } from "../../../src/connectors/kafka/client/topic_watch.ts";
import { storedBytes } from "./wire_bytes.ts";
import { testPlace } from "../runtime/test_place.ts";

/** A partition as the broker has it. */
export interface ScriptedPartition {
  first: number;
  last: number;
  highWatermark: number;
}

export interface ScriptedOptions {
  readonly partitions?: ScriptedPartition[];
  readonly tail?: boolean;
  readonly properties?: KafkaProperties;
  /** The topic's id; `null` for a broker that has none. */
  readonly topicId?: string | null;
}

/** The topic. */
export const TOPIC = "topic";

/** Partitions of one topic, led by one broker. */
export class ScriptedKafka implements AsyncDisposable {
  /** The broker's answer to requests for offsets. A test may add partitions. */
  readonly partitions: ScriptedPartition[];
  readonly place = testPlace();
  /** The errors that caused a pause, in order. */
  readonly pauses: unknown[] = [];
  /** Resolves when the broker answers which partitions there are. */
  metadata: Promise<void> = Promise.resolve();
  readonly connection = this.#scripted();
  readonly #settings: KafkaInputSettings;
  readonly #topicId: string | null;
  #fetcher: Fetcher | null = null;
  /** The broker that leads each partition; -1 for none. A test may change it. */
  readonly leaders: number[] = [];
  readonly #fetches = new Map<number, PromiseWithResolvers<PromiseWithResolvers<FetchResponse>>>();
  readonly #unanswered = new Set<PromiseWithResolvers<FetchResponse>>();
  /** How long the broker may wait at each fetch, in milliseconds. */
  readonly waits: number[] = [];
  #back = Promise.withResolvers<void>(); // resolves when a lost broker is back

  constructor(
    { partitions, tail = true, properties = {}, topicId = "id" }: ScriptedOptions = {},
  ) {
    this.#topicId = topicId;
    this.partitions = partitions ?? [{ first: 0, last: 0, highWatermark: 0 }];
    const input = readInputProperties(properties);
    this.back();
    this.#settings = { brokers: ["none:1"], topics: [TOPIC], tail, start: "beginning", input };
  }

  /** Begins to fetch all partitions from their first records. */
  async start(): Promise<Fetcher> {
    const all = this.partitions.map((_, partition) => ({ topic: TOPIC, partition }));
    const { offsets } = await locate(all, "beginning", this.connection);
    const watch = new TopicWatch({
      ask: () => this.connection.metadata(),
      maxAgeMs: this.#settings.input.metadataMaxAgeMs,
    });
    await watch.look();
    const origin = () => ({ topicId: this.#topicId, isReplaced: false, stored: undefined });
    const partitions = new WorkerPartitions();
    for (const cursor of startingCursors(this.#settings, offsets, origin, this.place.log)) {
      const { topic, partition } = cursor;
      partitions.found({ topic, partition, start: "beginning", isReplaced: false });
      partitions.begin(cursor);
    }
    const share = shareOfWorker(this.place);
    const found = { connection: this.connection, watch, partitions, share };
    this.#fetcher = new Fetcher(this.#settings, found, this.place);
    this.#fetcher.start();
    return this.#fetcher;
  }

  /** Answers the fetch under way, or the next one. Resolves when another one has come. */
  async answer(...partitions: FetchedPartition[]): Promise<void> {
    await this.answerFrom(0, ...partitions);
  }

  /** The same for one of several brokers. */
  async answerFrom(broker: number, ...partitions: FetchedPartition[]): Promise<void> {
    (await this.#nextFetch(broker)).resolve(responseOf(partitions));
    await this.#fetchOf(broker).promise;
  }

  /** The same for a broker that throttles: it names the time, and no partition. */
  async throttle(): Promise<void> {
    (await this.#nextFetch()).resolve({ ...responseOf([]), clientSideThrottleTime: 1 });
    await this.#fetchOf(0).promise;
  }

  /** Answers only, without waiting for another fetch: for the last one. */
  async answerLast(...partitions: FetchedPartition[]): Promise<void> {
    (await this.#nextFetch()).resolve(responseOf(partitions));
  }

  /** The next fetch from a broker, once it has come, for a test that answers it later. */
  async fetchFrom(broker: number): Promise<PromiseWithResolvers<FetchResponse>> {
    return await this.#nextFetch(broker);
  }

  /** The broker goes away; `back` brings it back. */
  async goAway(broker = 0): Promise<void> {
    this.#back = Promise.withResolvers();
    (await this.#nextFetch(broker)).reject(new Error("away"));
  }

  back(): void {
    this.#back.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#fetcher?.close();
  }

  /** Ends all waiting. */
  #close(): void {
    this.back();
    for (const fetch of this.#unanswered) fetch.reject(new Error("closed"));
  }

  async #pause(error: unknown): Promise<void> {
    this.pauses.push(error);
    await this.#back.promise;
    await new Promise((resolve) => setTimeout(resolve, 0));
  }

  /** The next fetch from a broker, once it has come. */
  #fetchOf(broker: number): PromiseWithResolvers<PromiseWithResolvers<FetchResponse>> {
    const next = this.#fetches.get(broker) ?? Promise.withResolvers();
    this.#fetches.set(broker, next);
    return next;
  }

  async #nextFetch(broker = 0): Promise<PromiseWithResolvers<FetchResponse>> {
    const fetch = await this.#fetchOf(broker).promise;
    this.#fetches.delete(broker);
    return fetch;
  }

  #scripted(): KafkaConnection {
    const offsets = (asked: readonly TopicPartition[], of: keyof ScriptedPartition) =>
      Promise.resolve({
        found: new Map(
          asked.map((each) => [positionName(each), this.partitions[each.partition][of]]),
        ),
        failed: new Map(),
      });
    const broker = (id: number) => ({
      versions: { 1: { maxVersion: 11 } },
      connectionPool: {
        send: ({ request }: Parameters<RequestBroker["connectionPool"]["send"]>[0]) => {
          request.encode().then(({ buf }) => this.waits.push(buf.readInt32BE(4)));
          const answer = Promise.withResolvers<FetchResponse>();
          this.#unanswered.add(answer);
          this.#fetchOf(id).resolve(answer);
          return answer.promise;
        },
      },
    });
    return {
      leaders: async () => {
        await this.metadata;
        return new Map(this.partitions.map((_, p) => [p, this.leaders[p] ?? 0]));
      },
      metadata: async () => {
        await this.metadata;
        return { topics: [{ errorCode: 0, topic: TOPIC, topicId: this.#topicId }] };
      },
      broker: (id: number) => Promise.resolve(broker(id)),
      offsets: async (asked: readonly TopicPartition[], which: "first" | "last") =>
        (await offsets(asked, which)).found,
      offsetsOf: (asked: readonly TopicPartition[], which: string, isolation?: string) =>
        offsets(asked, which === "first" ? "first" : isolation ? "highWatermark" : "last"),
      succeeded: () => {},
      drop: () => {},
      dropBroker: () => {},
      backoff: () => ({
        over: () => {},
        giveUp: () => {},
        pause: (error: unknown) => this.#pause(error),
        answerTo: <R>(request: Promise<R>) => request,
      }),
      close: () => Promise.resolve(this.#close()),
    } as unknown as KafkaConnection;
  }
}

/** The answer of a fetch for a partition. It is empty by default. */
export function fetched(answer: Partial<FetchedPartition> & { highWatermark: number }) {
  const lastStableOffset = answer.highWatermark;
  const records = Buffer.alloc(0);
  const nothing = { topic: TOPIC, partition: 0, errorCode: 0, aborted: [], records };
  return { ...nothing, lastStableOffset, ...answer };
}

/** One fetched record, with a value of `bytes` bytes. */
export function recordAt(offset: number, bytes = 10): Buffer {
  const value = Buffer.alloc(bytes, "x");
  const record = { key: null, value, headers: [], timestamp: 1_700_000_000_000 };
  return storedBytes(BigInt(offset), [record]);
}

/** An answer to a fetch, from a broker that keeps no sessions. */
export function responseOf(partitions: FetchedPartition[]): FetchResponse {
  return { errorCode: 0, sessionId: 0, partitions, clientSideThrottleTime: 0 };
}
