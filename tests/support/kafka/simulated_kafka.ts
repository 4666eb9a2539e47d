/** Brokers with records for the reader of a Kafka input, without sockets. They need no script. */
import { Buffer } from "node:buffer";
import type { KafkaConnection } from "../../../src/connectors/kafka/client/connection.ts";
import { TopicWatch } from "../../../src/connectors/kafka/client/topic_watch.ts";
import type { KafkaProperties } from "../../../src/connectors/kafka/properties/given_properties.ts";
import { readInputProperties } from "../../../src/connectors/kafka/properties/input_settings.ts";
import { Fetcher } from "../../../src/connectors/kafka/read/fetcher.ts";
import { locate } from "../../../src/connectors/kafka/read/locate.ts";
import { shareOfWorker } from "../../../src/connectors/kafka/read/partition_share.ts";
import { KafkaReader } from "../../../src/connectors/kafka/read/source.ts";
import { startingCursors } from "../../../src/connectors/kafka/read/start.ts";
import { WorkerPartitions } from "../../../src/connectors/kafka/read/worker_partitions.ts";
import type { FetchedPartition, FetchResponse } from "../../../src/connectors/kafka/wire/fetch.ts";
import {
  positionName,
  type TopicPartition,
} from "../../../src/connectors/kafka/wire/topic_partition.ts";
import { WireReader } from "../../../src/connectors/kafka/wire/wire.ts";
import type { SourceAlignment } from "../../../src/graph/contracts.ts";
import { testPlace } from "../runtime/test_place.ts";
import { TOPIC } from "./scripted_kafka.ts";
import { storedBytes } from "./wire_bytes.ts";

/** A partition as its broker has it. */
export interface SimulatedPartition {
  /** How many records it has. A test may append some, and then calls `appended`. */
  records: number;
  /** The broker that leads it. */
  readonly broker?: number;
  /** Whether its leader cannot be asked where it begins. */
  isLost?: boolean;
  /** The offset from which on an open transaction hides its records. */
  stable?: number;
}

export interface SimulatedOptions {
  readonly partitions: SimulatedPartition[];
  readonly tail?: boolean;
  readonly properties?: KafkaProperties;
  /** How long each broker takes to answer, in milliseconds; none by default. */
  readonly latency?: readonly number[];
  /** How many records a batch has. */
  readonly batchRecords?: number;
  /** How many bytes a value has. */
  readonly valueBytes?: number;
}

/** What a fetch asked for, with all that its session has. */
export interface SimulatedFetch {
  readonly broker: number;
  readonly maxWaitMs: number;
  /** The partitions, and from which offset on. */
  readonly asked: ReadonlyMap<number, number>;
}

interface Member {
  offset: number;
  maxBytes: number;
  isNew: boolean;
}

const TOPIC_ID = "AAAAAAAAAAAAAAAAAAAAAQ";

/** The key of Fetch, and a version with sessions and topics by name. */
const FETCH = 1;
const VERSION = 11;

/** A request as it is sent. */
interface Exchange {
  readonly request: { encode(): Promise<{ readonly buf: Buffer }> };
}

export class SimulatedKafka implements AsyncDisposable {
  /** All fetches, in order. */
  readonly fetches: SimulatedFetch[] = [];
  readonly place = testPlace();
  readonly #options: SimulatedOptions;
  readonly #sessions = new Map<number, Map<number, Member>>(); // by broker
  readonly #away = new Set<number>();
  #open: { close(): Promise<void> } | null = null;
  #onChange: (() => void)[] = [];
  #isClosed = false;
  #failure: Error | null = null;

  constructor(options: SimulatedOptions) {
    this.#options = options;
  }

  /** A reader of all partitions, from their first records. Items are records with a partition. */
  async reader(alignment: SourceAlignment | null): Promise<KafkaReader<SimulatedItem>> {
    const parts = await this.#parts();
    const place = { ...this.place, alignment };
    const toItem = ({ offset }: { offset: number }, _: string, partition: number) => ({
      partition,
      offset,
    });
    return this.#open = new KafkaReader(this.#settings, parts, toItem, place);
  }

  /** Only what fetches for a reader with alignment. */
  async fetcher(alignment: SourceAlignment): Promise<Fetcher> {
    const fetcher = new Fetcher(this.#settings, await this.#parts(), { ...this.place, alignment });
    fetcher.start();
    return this.#open = fetcher;
  }

  /** Something has been appended, or a transaction has ended. */
  appended(): void {
    for (const wake of this.#onChange.splice(0)) wake();
  }

  /** A broker goes away, or comes back. */
  set(broker: number, isAway: boolean): void {
    if (isAway) this.#away.add(broker);
    else this.#away.delete(broker);
    this.appended();
  }

  /** Fetches fail with an error that no broker can help against. */
  fail(error: Error): void {
    this.#failure = Object.assign(error, { type: "TOPIC_AUTHORIZATION_FAILED", code: 29 });
    this.appended();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.appended();
    await this.#open?.close();
  }

  get #settings() {
    const { properties = {}, tail = false } = this.#options;
    const input = readInputProperties({ "retry.backoff.ms": 1, ...properties });
    return {
      brokers: ["none:1"] as const,
      topics: [TOPIC],
      tail,
      start: "beginning" as const,
      input,
    };
  }

  async #parts() {
    const connection = this.#connection();
    const watch = new TopicWatch({ ask: () => connection.metadata(), maxAgeMs: 60_000 });
    await watch.look();
    const all = this.#options.partitions.map((_, partition) => ({ topic: TOPIC, partition }));
    const { offsets } = await locate(all, "beginning", connection);
    const partitions = new WorkerPartitions();
    const origin = () => ({ topicId: TOPIC_ID, isReplaced: false, stored: undefined });
    for (const each of all) partitions.found({ ...each, start: "beginning", isReplaced: false });
    for (const cursor of startingCursors(this.#settings, offsets, origin, this.place.log)) {
      partitions.begin(cursor);
    }
    return { connection, watch, partitions, share: shareOfWorker(this.place) };
  }

  #connection(): KafkaConnection {
    const { partitions } = this.#options;
    const isLost = ({ partition }: TopicPartition) => partitions[partition].isLost === true;
    const offsets = (asked: readonly TopicPartition[], isFirst: boolean) => ({
      found: new Map(
        asked.filter((each) => !isLost(each)).map((each) => [
          positionName(each),
          isFirst ? 0 : partitions[each.partition].records,
        ]),
      ),
      failed: new Map(
        asked.filter(isLost).map((each) => [positionName(each), new Error("lost")]),
      ),
    });
    return {
      leaders: () => Promise.resolve(new Map(partitions.map(({ broker = 0 }, p) => [p, broker]))),
      metadata: () =>
        Promise.resolve({ topics: [{ errorCode: 0, topic: TOPIC, topicId: TOPIC_ID }] }),
      broker: (id: number) =>
        Promise.resolve({
          versions: { [FETCH]: { minVersion: 4, maxVersion: VERSION } },
          connectionPool: { send: (exchange: Exchange) => this.#fetch(id, exchange) },
        }),
      offsets: (asked: readonly TopicPartition[], which: string) =>
        Promise.resolve(offsets(asked, which === "first").found),
      offsetsOf: (asked: readonly TopicPartition[], which: string) =>
        Promise.resolve(offsets(asked, which === "first")),
      succeeded: () => {},
      drop: () => {},
      dropBroker: (id: number) => void this.#sessions.delete(id),
      backoff: () => ({
        over: () => {},
        giveUp: () => {},
        pause: () => new Promise((resolve) => setTimeout(resolve, 1)),
        answerTo: <R>(request: Promise<R>) => request,
      }),
      close: () => Promise.resolve(),
    } as unknown as KafkaConnection;
  }

  async #fetch(broker: number, { request }: Exchange): Promise<FetchResponse> {
    const { maxWaitMs, maxBytes } = this.#join(broker, (await request.encode()).buf);
    const session = this.#sessions.get(broker)!;
    const asked = new Map(Array.from(session, ([partition, { offset }]) => [partition, offset]));
    this.fetches.push({ broker, maxWaitMs, asked });
    await new Promise((resolve) => setTimeout(resolve, this.#options.latency?.[broker] ?? 0));
    const until = performance.now() + maxWaitMs;
    for (;;) {
      if (this.#isClosed || this.#away.has(broker)) throw new Error("the broker is away");
      if (this.#failure !== null) throw this.#failure;
      const partitions = this.#answer(session, maxBytes);
      const hasRecords = partitions.some(({ records }) => records.length > 0);
      if (hasRecords || performance.now() >= until) {
        for (const { partition } of partitions) sent(session, partition);
        return { errorCode: 0, sessionId: broker + 1, partitions, clientSideThrottleTime: 0 };
      }
      await this.#change(until - performance.now());
    }
  }

  #change(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#onChange.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Changes the session as a request says. */
  #join(broker: number, body: Buffer): { maxWaitMs: number; maxBytes: number } {
    const from = new WireReader(body, false);
    from.int32(); // the replica
    const maxWaitMs = from.int32();
    from.int32(); // the least bytes
    const maxBytes = from.int32();
    from.boolean(); // the isolation level
    const id = from.int32();
    from.int32(); // the epoch
    if (id === 0) this.#sessions.set(broker, new Map());
    const session = this.#sessions.get(broker)!;
    from.array(() => {
      from.string();
      from.array(() => {
        const partition = from.int32();
        from.int32(); // the leader's epoch
        const offset = Number(from.int64());
        from.int64(); // the start of the log
        const isNew = !session.has(partition);
        session.set(partition, { offset, maxBytes: from.int32(), isNew });
      });
    });
    from.array(() => {
      from.string();
      from.array(() => session.delete(from.int32()));
    });
    return { maxWaitMs, maxBytes };
  }

  /** The partitions that have something new. */
  #answer(session: Map<number, Member>, maxBytes: number): FetchedPartition[] {
    const answers: FetchedPartition[] = [];
    let left = maxBytes;
    for (const [partition, member] of [...session]) {
      const { records: highWatermark, stable = highWatermark } =
        this.#options.partitions[partition];
      const most = Math.min(member.maxBytes, left);
      const isFirst = left === maxBytes;
      const records = this.#recordsOf(member.offset, stable, most, isFirst);
      left = Math.max(0, left - records.length);
      if (records.length === 0 && !member.isNew) continue;
      const lastStableOffset = stable;
      answers.push({
        topic: TOPIC,
        partition,
        errorCode: 0,
        highWatermark,
        lastStableOffset,
        aborted: [],
        records,
      });
    }
    return answers;
  }

  /** Whole batches up to a size, the last one cut off; the first of an answer whole in any case. */
  #recordsOf(from: number, end: number, most: number, isFirst: boolean): Buffer {
    const { batchRecords = 10, valueBytes = 10 } = this.#options;
    if (from >= end) return Buffer.alloc(0);
    const batches: Buffer[] = [];
    let bytes = 0;
    for (let first = from - from % batchRecords; first < end; first += batchRecords) {
      if (bytes >= most && !(isFirst && bytes === 0)) break;
      const count = Math.min(batchRecords, end - first);
      const batch = storedBytes(
        BigInt(first),
        Array.from({ length: count }, () => ({
          key: null,
          value: Buffer.alloc(valueBytes, "x"),
          headers: [],
          timestamp: 1_700_000_000_000,
        })),
      );
      batches.push(batch);
      bytes += batch.length;
    }
    const all = Buffer.concat(batches);
    return all.subarray(0, isFirst ? Math.max(most, batches[0]?.length ?? 0) : most);
  }
}

/** A partition has been answered: it comes last the next time. */
function sent(session: Map<number, Member>, partition: number): void {
  const member = session.get(partition)!;
  member.isNew = false;
  session.delete(partition);
  session.set(partition, member);
}

/** A record, by its place. */
export interface SimulatedItem {
  readonly partition: number;
  readonly offset: number;
}
