/**
 * A connection to a Kafka cluster that recovers from errors. Both connectors use it.
 *
 * @module
 */
import type { Log } from "../../../core/log.ts";
import type { ConnectionReading } from "../../../core/connection_reading.ts";
import type { ConnectionSettings } from "../properties/connection_settings.ts";
import type { Isolation } from "../properties/input_settings.ts";
import type { Brokers } from "../properties/options.ts";
import { errorOfCode } from "../wire/error_codes.ts";
import type { Coordinated } from "../wire/find_coordinator.ts";
import type { ListedOffsets, WhichOffset } from "../wire/list_offsets.ts";
import type { Metadata } from "../wire/metadata.ts";
import type { TopicPartition } from "../wire/topic_partition.ts";
import { Backoff, Outage, type WaitedFor } from "./backoff.ts";
import { BrokerPool } from "./broker_pool.ts";
import { Cluster } from "./cluster.ts";
import { ConnectionCounts } from "./connection_counts.ts";
import { limited } from "./concurrency.ts";
import { errorKind, isFatal, messageOfKafka } from "./errors.ts";
import { commitGroup } from "./group_commit.ts";
import type { KafkaBroker } from "./kafkajs.ts";
import {
  MissingTopicError,
  type Opened,
  refusedError,
  unanswered,
  unreachableError,
} from "./open_errors.ts";
import { offsetsOf } from "./partition_offsets.ts";
import { refusalOf } from "./security.ts";
import { Throttling } from "./throttling.ts";
import { unknownHostHint } from "./unreachable.ts";

/** How long the first connection may take, in milliseconds. */
const FIRST_CONNECTION_MS = 10_000;

/**
 * How long brokers may not know a topic before it counts as missing, in milliseconds. The brokers
 * of a cluster learn of a new topic one after the other.
 */
const MISSING_TOPIC_MS = 1_000;

/** Asks a cluster again after errors. While it is away, there are pauses and a line of log. */
export class KafkaConnection {
  readonly #brokers: Brokers;
  readonly #topics: readonly string[];
  readonly #isolation: Isolation;
  readonly #settings: ConnectionSettings;
  readonly #signal: AbortSignal;
  readonly #pool: BrokerPool;
  readonly #cluster: Cluster;
  readonly #outage: Outage;
  readonly #backoff: Backoff;
  readonly #counts = new ConnectionCounts();

  /** Connects to nothing yet. `signal` ends all waiting. */
  constructor(
    brokers: Brokers,
    topics: readonly string[],
    settings: ConnectionSettings,
    { log, signal, isolation = "read_committed" }: {
      log: Log;
      signal: AbortSignal;
      isolation?: Isolation;
    },
  ) {
    this.#brokers = brokers;
    this.#topics = topics;
    this.#isolation = isolation;
    this.#settings = settings;
    this.#signal = signal;
    const throttling = new Throttling(log);
    const counts = this.#counts;
    this.#pool = new BrokerPool(brokers, settings, {
      log,
      onThrottled: (broker, ms) => {
        throttling.asked(broker, ms);
        counts.throttled(broker, ms);
      },
      onConnected: (broker) => counts.connected(broker),
      choose: (errors) => errors.find((error) => this.#refusalOf(error) !== null) ?? errors[0],
    });
    this.#cluster = new Cluster(topics, this.#pool, settings.metadataMaxAgeMs);
    this.#outage = new Outage(
      (error, what) => {
        if (what === "topic") {
          const { topic = topics.join(",") } = error as { topic?: string };
          return log.warn("waiting for topic", {
            topic,
            error: "the brokers do not have it: was it deleted? If so, create it again",
          });
        }
        const hint = unknownHostHint(error, brokers);
        log.warn("waiting for broker", {
          brokers: brokers.join(","),
          topics: topics.join(","),
          error: messageOfKafka(error) + (hint === null ? "" : ` (${hint})`),
        });
      },
      (what) => log.warn(`${what} is back`, { topics: topics.join(",") }),
    );
    this.#backoff = this.backoff();
  }

  /**
   * Connects for the first time, checks that the topics exist, and asks for what the start needs.
   * If that fails, all of it is tried again, within one limit.
   *
   * @param options.limitMs The limit, in milliseconds; `Infinity` for none.
   * @param options.missingMs How long brokers may report a topic as missing before that is an
   * error, in milliseconds. Meanwhile, each attempt asks another broker.
   * @param options.isWhole Whether the answer is complete. If it returns false, the log reports the
   * broker as back only after {@linkcode succeeded} is called.
   * @throws {Error} If no broker is in reach in time, it refuses us, or has no such topic.
   */
  async open<R>(
    ask: () => Promise<R>,
    { limitMs = FIRST_CONNECTION_MS, missingMs = MISSING_TOPIC_MS, isWhole = () => true }: {
      readonly limitMs?: number;
      readonly missingMs?: number;
      readonly isWhole?: (answer: R) => boolean;
    } = {},
  ): Promise<R> {
    const deadline = performance.now() + limitMs;
    let missingUntil = Infinity; // set when a topic is first missing; refused after that
    let before: unknown = null; // the last error
    for (;;) {
      const cut = new Error("the brokers do not answer");
      try {
        const answer = await limited(this.#begin(ask), {
          ms: Math.max(deadline - performance.now(), 0),
          signal: this.#signal,
          cut: () => cut,
        });
        // An output may have nothing to send for a while, and would go on waiting.
        if (isWhole(answer)) this.succeeded();
        return answer;
      } catch (error) {
        const silent = this.#pool.unanswered;
        this.drop();
        const isMissing = error instanceof MissingTopicError;
        if (isMissing) {
          const now = performance.now();
          missingUntil = Math.min(missingUntil, now + missingMs, deadline);
          if (now >= missingUntil) throw error;
        }
        const refusal = this.#refusalOf(error);
        if (refusal !== null) throw refusedError(this.#opened, refusal, error);
        if (this.#signal.aborted) throw new Error("the run ended before a broker was in reach");
        const cause = error !== cut ? error : before ?? unanswered(silent, cut);
        if (performance.now() >= deadline) throw unreachableError(this.#opened, cause, limitMs);
        before = cause;
        await this.pause(error, isMissing ? missingUntil : deadline);
      }
    }
  }

  async #begin<R>(ask: () => Promise<R>): Promise<R> {
    const { topics } = await this.metadata();
    const missing = topics.filter(({ errorCode }) =>
      errorCode !== 0 && errorKind(errorOfCode(errorCode)) === "unknownTopic"
    );
    if (missing.length > 0) {
      throw new MissingTopicError(this.#brokers, missing.map(({ topic }) => topic));
    }
    for (const { errorCode } of topics) {
      if (errorCode !== 0) throw errorOfCode(errorCode, "Metadata");
    }
    return await ask(); // a leader may not know an existing topic yet
  }

  get #opened(): Opened {
    return { brokers: this.#brokers, topics: this.#topics, settings: this.#settings };
  }

  #refusalOf(error: unknown): string | null {
    return refusalOf(error, this.#settings) ?? (isFatal(error) ? messageOfKafka(error) : null);
  }

  /**
   * The partitions of a topic by number, with the broker that leads each; -1 for none. After an
   * error, they are asked for again.
   */
  leaders(topic: string): Promise<ReadonlyMap<number, number>> {
    return this.#cluster.leaders(topic);
  }

  /** A broker of the cluster, connected. */
  broker(nodeId: number): Promise<KafkaBroker> {
    return this.#cluster.broker(nodeId);
  }

  /** A broker for requests that any broker can answer. */
  anyBroker(): Promise<KafkaBroker> {
    return this.#cluster.anyBroker();
  }

  /** The broker that creates and deletes topics; any other if the metadata does not say which. */
  controller(): Promise<KafkaBroker> {
    return this.#cluster.controller();
  }

  /** The broker that keeps a consumer group or a transactional id. */
  coordinator(of: Coordinated): Promise<KafkaBroker> {
    return this.#cluster.coordinator(of);
  }

  /** The number of that broker, which may be asked for again after its connection was dropped. */
  coordinatorId(of: Coordinated): Promise<number> {
    return this.#cluster.coordinatorId(of);
  }

  /** The cluster's id, once it has been connected to; `null` if its brokers report none. */
  get clusterId(): string | null {
    return this.#cluster.clusterId;
  }

  /** The brokers' current metadata of our topics, never an older copy. */
  metadata(): Promise<Metadata> {
    return this.#cluster.metadata();
  }

  /** Drops all connections. The next call makes new ones. */
  drop(): void {
    this.#cluster.drop();
  }

  /** Drops the connection to one broker. The leaders are asked for again. */
  dropBroker(nodeId: number): void {
    this.#cluster.dropBroker(nodeId);
  }

  /**
   * Offsets of partitions, by the name of their position.
   *
   * @throws {Error} If a leader does not answer, or returns an error.
   */
  async offsets(
    partitions: readonly TopicPartition[],
    which: WhichOffset,
    isolation = this.#isolation,
  ): Promise<Map<string, number>> {
    const { found, failed } = await this.offsetsOf(partitions, which, isolation);
    for (const error of failed.values()) throw error;
    return found;
  }

  /** The same, with a separate error for each partition. */
  async offsetsOf(
    partitions: readonly TopicPartition[],
    which: WhichOffset,
    isolation = this.#isolation,
  ): Promise<ListedOffsets> {
    return await offsetsOf(this, partitions, which, isolation);
  }

  /** Commits positions to a consumer group without joining it, for tools that show lag. */
  async commitGroup(
    groupId: string,
    offsets: readonly (TopicPartition & { offset: bigint; metadata?: string })[],
  ): Promise<void> {
    await commitGroup(this, groupId, offsets, this.#signal);
  }

  /** Whether the signal has ended all waiting. */
  get isEnded(): boolean {
    return this.#signal.aborted;
  }

  /** What is being waited for, from the line in the log until it is back; `null` for nothing. */
  get waitingFor(): WaitedFor | null {
    return this.#outage.waitingFor;
  }

  /** What needs the connection has been opened. From now on, connections made again are counted. */
  opened(): void {
    this.#counts.opened(this.#pool.connected);
  }

  /** What has happened to the connections to brokers since {@linkcode opened}. */
  connections(): ConnectionReading[] {
    return this.#counts.read();
  }

  /** Pauses for an operation with its own attempts, such as the requests to one broker. */
  backoff(): Backoff {
    return new Backoff(this.#settings, this.#signal, this.#outage);
  }

  /** Resolves like the request. If no answer comes for a while, the log says so. */
  answerTo<R>(request: Promise<R>): Promise<R> {
    return this.#backoff.answerTo(request);
  }

  /** A request has succeeded. */
  succeeded(): void {
    this.#backoff.over();
  }

  /** Waits after an error, longer each time. Logs that once, if it takes more than a moment. */
  pause(error: unknown, deadline = Infinity): Promise<void> {
    return this.#backoff.pause(error, deadline);
  }

  /** The error of who has waited for `ms` milliseconds in vain. `cause` is the last error. */
  unreachable(cause: unknown, ms: number): Error {
    return unreachableError(this.#opened, cause, ms);
  }

  /** Closes all connections. Requests under way fail. */
  async close(): Promise<void> {
    await this.#cluster.close();
  }
}
