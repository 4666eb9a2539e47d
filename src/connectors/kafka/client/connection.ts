/**
 * A connection to a Kafka cluster that comes back: what both connectors share.
 *
 * @module
 */
import type { Log } from "../../../core/log.ts";
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
 * How long brokers may not know a topic before it counts as missing, in milliseconds: those of a
 * cluster learn of a new topic one after the other.
 */
const MISSING_TOPIC_MS = 1_000;

/** A cluster that is asked again after errors, with a pause and a line of log while it is away. */
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
    this.#pool = new BrokerPool(brokers, settings, {
      log,
      onThrottled: (broker, ms) => throttling.asked(broker, ms),
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
   * Connects for the first time, makes sure that the topics are there, and asks for what is needed
   * to begin, all of it again where that fails. All of that together has a limit.
   *
   * @param options.limitMs The limit, in milliseconds.
   * @param options.missingMs How long brokers may say that a topic is not there before that is an
   * error, in milliseconds. Meanwhile another one is asked each time.
   * @param options.isWhole Whether the answer leaves nothing to wait for. Where it returns false,
   * the log does not say that the broker is back before {@linkcode succeeded} is called.
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
    let missingUntil = Infinity; // then a missing topic is refused; set when one is missing first
    let before: unknown = null; // what went wrong last
    for (;;) {
      const cut = new Error("the brokers do not answer");
      try {
        const answer = await limited(this.#begin(ask), {
          ms: Math.max(deadline - performance.now(), 0),
          signal: this.#signal,
          cut: () => cut,
        });
        // An output may have nothing to send for long, and would go on waiting.
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
    return await ask(); // a leader may not know yet of a topic that is there
  }

  get #opened(): Opened {
    return { brokers: this.#brokers, topics: this.#topics, settings: this.#settings };
  }

  #refusalOf(error: unknown): string | null {
    return refusalOf(error, this.#settings) ?? (isFatal(error) ? messageOfKafka(error) : null);
  }

  /**
   * A topic's partitions by number, with the broker that leads each; -1 for none. Fresh after an
   * error.
   */
  leaders(topic: string): Promise<ReadonlyMap<number, number>> {
    return this.#cluster.leaders(topic);
  }

  /** A broker of the cluster, connected. */
  broker(nodeId: number): Promise<KafkaBroker> {
    return this.#cluster.broker(nodeId);
  }

  /** A broker that any request without a leader can go to. */
  anyBroker(): Promise<KafkaBroker> {
    return this.#cluster.anyBroker();
  }

  /**
   * The broker that makes and deletes topics, or any other where the metadata does not say which.
   */
  controller(): Promise<KafkaBroker> {
    return this.#cluster.controller();
  }

  /** The broker that keeps a consumer group, or a transactional id. */
  coordinator(of: Coordinated): Promise<KafkaBroker> {
    return this.#cluster.coordinator(of);
  }

  /** What a broker knows of our topics now: nothing that was kept from before. */
  metadata(): Promise<Metadata> {
    return this.#cluster.metadata();
  }

  /** Drops all connections: the next call makes new ones. */
  drop(): void {
    this.#cluster.drop();
  }

  /** Drops the connection to one broker. Who leads what is asked for again. */
  dropBroker(nodeId: number): void {
    this.#cluster.dropBroker(nodeId);
  }

  /**
   * Offsets of partitions, by the name of their position.
   *
   * @throws {Error} If a leader does not answer, or says that it cannot.
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

  /** The same, with what went wrong for each partition by itself. */
  async offsetsOf(
    partitions: readonly TopicPartition[],
    which: WhichOffset,
    isolation = this.#isolation,
  ): Promise<ListedOffsets> {
    return await offsetsOf(this, partitions, which, isolation);
  }

  /** Commits positions to a consumer group, without being a member: for tools that show lag. */
  async commitGroup(
    groupId: string,
    offsets: readonly (TopicPartition & { offset: bigint })[],
  ): Promise<void> {
    await commitGroup(this, groupId, offsets, this.#signal);
  }

  /** Whether nothing is waited for any more. */
  get isEnded(): boolean {
    return this.#signal.aborted;
  }

  /** What is waited for, from the line that says so on, until it is back. */
  get waitingFor(): WaitedFor | null {
    return this.#outage.waitingFor;
  }

  /** Pauses for something that is tried by itself, such as what goes to one broker. */
  backoff(): Backoff {
    return new Backoff(this.#settings, this.#signal, this.#outage);
  }

  /** Resolves as a request does, and says so in the log where no answer comes for long. */
  answerTo<R>(request: Promise<R>): Promise<R> {
    return this.#backoff.answerTo(request);
  }

  /** A request has gone well. */
  succeeded(): void {
    this.#backoff.over();
  }

  /** Waits after an error, longer each time, and says so, once, if it takes more than a moment. */
  pause(error: unknown, deadline = Infinity): Promise<void> {
    return this.#backoff.pause(error, deadline);
  }

  /** Closes all connections; what is under way fails. */
  async close(): Promise<void> {
    await this.#cluster.close();
  }
}
