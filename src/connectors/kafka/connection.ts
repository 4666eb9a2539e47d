/**
 * A connection to a Kafka cluster that comes back: what both connectors share.
 *
 * @module
 */
import { sleep, within } from "../../core/promises.ts";
import type { Log } from "../../core/log.ts";
import { type Coordinated, findCoordinator } from "./find_coordinator.ts";
import {
  type Broker,
  type Cluster,
  connectedBroker,
  controllerBroker,
  createCluster,
  type KafkaBroker,
  uncommitted,
} from "./kafkajs.ts";
import { fetchMetadata, type Metadata } from "./metadata.ts";
import type { Brokers } from "./options.ts";
import { positionName, type TopicPartition } from "./topic_partition.ts";
import type { ConnectionSettings, Isolation } from "./properties.ts";
import { missingRequest } from "./request_versions.ts";
import { hintOf, refusalOf } from "./security.ts";

/** How long the first connection may take, in milliseconds. */
const FIRST_CONNECTION_MS = 10_000;

/** Shorter waits are not worth a line: a leader has moved, a coordinator is loading. */
const QUIET_MS = 1_000;

/** How long a commit waits for a group's coordinator, in milliseconds: epochs wait for it meanwhile. */
const COORDINATOR_MS = 3_000;
const COORDINATOR_PAUSE_MS = 50;

/** How long a connection that is being made may hold up the close, in milliseconds. */
const CONNECTING_MS = 500;

/** What is said of a group that has just come to a broker: the first one of a cluster, for example. */
const NOT_YET_COORDINATED: ReadonlySet<string> = new Set([
  "GROUP_COORDINATOR_NOT_AVAILABLE",
  "GROUP_LOAD_IN_PROGRESS",
  "NOT_COORDINATOR_FOR_GROUP",
  "KafkaJSBrokerNotFound", // the coordinator, in metadata that is older than it
]);

/** What KafkaJS throws for a request that the broker does not have. */
const MISSING_REQUEST = "KafkaJSServerDoesNotSupportApiKey";

/** Errors that say nothing without the request that they answer. */
const VAGUE_TYPES: ReadonlySet<string> = new Set([
  "UNKNOWN",
  "INVALID_REQUEST",
  "UNSUPPORTED_VERSION",
  "KAFKAJS_UNKNOWN_ERROR_CODE",
]);

/** Errors after which trying again is no use. */
const FATAL_TYPES: ReadonlySet<string> = new Set([
  "TOPIC_AUTHORIZATION_FAILED",
  "CLUSTER_AUTHORIZATION_FAILED",
  "GROUP_AUTHORIZATION_FAILED",
  "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
  "UNSUPPORTED_SASL_MECHANISM",
  "INVALID_TOPIC_EXCEPTION",
  "UNSUPPORTED_VERSION",
]);

/** Whether an error of KafkaJS will be the same the next time. */
export function isFatal(error: unknown): boolean {
  const { name, type } = error as { name?: string; type?: string };
  // A RangeError: a response that ends too early for what it says it holds.
  return error instanceof RangeError || isDenied(error) ||
    name === "KafkaJSSASLAuthenticationError" ||
    name === "KafkaSecurityError" ||
    name === "KafkaJSNotImplemented" ||
    name === "UnsupportedRequestError" ||
    name === MISSING_REQUEST ||
    (type !== undefined && FATAL_TYPES.has(type));
}

/** Whether a permission is missing. KafkaJS keeps of such an error only what it says. */
function isDenied(error: unknown): boolean {
  return error instanceof Error && /\bRequires \w+ access to "/.test(error.message);
}

/** What kind of error KafkaJS reports, such as `UNKNOWN_TOPIC_OR_PARTITION`; else its name. */
export function kindOf(error: unknown): string {
  const { name, type } = error as { name?: string; type?: string };
  return type ?? name ?? "unknown";
}

/**
 * Holds a cluster, and makes a new one after an error: a cluster of KafkaJS that has met one may stay
 * in a state that it does not find out of.
 */
export class KafkaConnection {
  readonly #brokers: Brokers;
  readonly #topics: readonly string[];
  readonly #isolation: Isolation;
  readonly #settings: ConnectionSettings;
  readonly #log: Log;
  readonly #signal: AbortSignal;
  #cluster: Cluster | null = null;
  readonly #pending = new Set<Promise<unknown>>(); // connections that are being made
  #closing: Promise<unknown>[] = [];
  #failures = 0; // in a row
  #failingSince = 0;
  #announced = false;
  #attempts = 0;
  #socketError: Error | null = null; // the first of an attempt; KafkaJS may report a later one

  /** Connects to nothing yet. `signal` ends all waiting. */
  constructor(
    brokers: Brokers,
    topics: readonly string[],
    settings: ConnectionSettings,
    options: { log: Log; signal: AbortSignal; isolation?: Isolation },
  ) {
    this.#brokers = brokers;
    this.#topics = topics;
    this.#isolation = options.isolation ?? "read_committed";
    this.#settings = settings;
    this.#log = options.log;
    this.#signal = options.signal;
  }

  /**
   * Connects for the first time, makes sure that the topic is there, and asks for what is needed to
   * begin, all of it again where that fails.
   *
   * @param options.mustExist Whether a topic that is not there is an error at once. A broker that has
   * just been told of a new topic may not know it yet.
   * @throws {Error} If no broker is in reach in time, it refuses us, or has no such topic.
   */
  async open<R>(ask: () => Promise<R>, { mustExist = true } = {}): Promise<R> {
    const deadline = performance.now() + FIRST_CONNECTION_MS;
    for (;;) {
      let found = false; // a leader may not know yet of a topic that is there
      try {
        await this.cluster();
        found = true;
        const answer = await ask();
        this.succeeded(); // an output may have nothing to send for long, and would go on waiting
        return answer;
      } catch (error) {
        this.drop();
        const missing = mustExist && !found && kindOf(error) === "UNKNOWN_TOPIC_OR_PARTITION";
        if (missing) throw this.#noTopic(error);
        const refusal = this.#refusalOf(error);
        if (refusal !== null) throw this.#refused(refusal, error);
        if (performance.now() >= deadline || this.#signal.aborted) throw this.#unreachable(error);
        await this.pause(error, deadline);
        this.#socketError = null;
      }
    }
  }

  /** Each attempt begins with another broker: KafkaJS does not come to the third of three. */
  #nextBrokers(): Brokers {
    const first = this.#attempts++ % this.#brokers.length;
    return [...this.#brokers.slice(first), ...this.#brokers.slice(0, first)];
  }

  #refusalOf(error: unknown): string | null {
    return refusalOf(error, this.#settings) ??
      (this.#socketError === null ? null : refusalOf(this.#socketError, this.#settings)) ??
      (isFatal(error) ? messageOfKafka(error) : null);
  }

  /** The cluster, connected and with the topic's metadata. Throws what KafkaJS does. */
  async cluster(): Promise<Cluster> {
    if (this.#cluster !== null) return this.#cluster;
    const cluster = await createCluster(this.#nextBrokers(), this.#settings, this.#isolation, {
      log: this.#log,
      onSocketError: (error) => this.#socketError ??= error,
    });
    this.#cluster = cluster;
    await this.#connecting(cluster.connect());
    await cluster.addMultipleTargetTopics([...this.#topics]);
    await this.#requireCurrent(cluster, cluster);
    return cluster;
  }

  /**
   * Disconnects what was connected while its cluster was dropped: the cluster does not know it any more,
   * and the timers of its connection would keep the process alive.
   *
   * @throws {Error} If the cluster was dropped.
   */
  async #requireCurrent(cluster: Cluster, connected: Cluster | Broker): Promise<void> {
    if (this.#cluster === cluster) return;
    await disconnect(connected, this.#log);
    throw new Error("the connection was closed while it was being made");
  }

  /** A topic's partitions by number, with the broker that leads each. Fresh after an error. */
  async leaders(topic: string): Promise<ReadonlyMap<number, number>> {
    const cluster = await this.cluster();
    await cluster.refreshMetadataIfNecessary();
    const partitions = cluster.findTopicPartitionMetadata(topic);
    return new Map(partitions.map(({ partitionId, leader }) => [partitionId, leader]));
  }

  /** A broker of the cluster, connected. */
  async broker(nodeId: number): Promise<KafkaBroker> {
    const cluster = await this.cluster();
    return await this.#connected(cluster, cluster.findBroker({ nodeId: String(nodeId) }));
  }

  /** A broker that any request without a leader can go to. */
  async anyBroker(): Promise<KafkaBroker> {
    const cluster = await this.cluster();
    return await this.#connected(cluster, connectedBroker(cluster));
  }

  /** The broker that makes and deletes topics: nothing else needs it. */
  async controller(): Promise<KafkaBroker> {
    const cluster = await this.cluster();
    return await this.#connected(cluster, controllerBroker(cluster));
  }

  /** The broker that keeps a consumer group, or a transactional id. */
  async coordinator(of: Coordinated): Promise<KafkaBroker> {
    const nodeId = String(await findCoordinator(await this.anyBroker(), of));
    const cluster = await this.cluster();
    const finding = cluster.findBroker({ nodeId }).catch((error) => {
      if (kindOf(error) !== "KafkaJSBrokerNotFound") throw error;
      return cluster.findBroker({ nodeId }); // with newer metadata, which the first call asked for
    });
    return await this.#connected(cluster, finding);
  }

  /** A broker of a cluster, once it is connected, and only if the cluster has not been dropped. */
  async #connected(cluster: Cluster, finding: Promise<Broker>): Promise<KafkaBroker> {
    const broker = await this.#connecting(finding);
    await this.#requireCurrent(cluster, broker);
    return broker as KafkaBroker;
  }

  /** What a broker knows of our topics now: nothing that was kept from before. */
  async metadata(): Promise<Metadata> {
    return await fetchMetadata(await this.anyBroker(), this.#topics);
  }

  /** Offsets of partitions, by the name of their position. */
  async offsets(
    partitions: readonly TopicPartition[],
    which: { fromBeginning: boolean } | { fromTimestamp: number },
  ): Promise<Map<string, number>> {
    return await this.#offsets(await this.cluster(), partitions, which);
  }

  /** Where partitions end, counting records of open transactions too. */
  async highWatermarks(partitions: readonly TopicPartition[]): Promise<Map<string, number>> {
    const cluster = uncommitted(await this.cluster());
    return await this.#offsets(cluster, partitions, { fromBeginning: false });
  }

  async #offsets(
    cluster: Cluster,
    partitions: readonly TopicPartition[],
    which: { fromBeginning: boolean } | { fromTimestamp: number },
  ): Promise<Map<string, number>> {
    const request = [...Map.groupBy(partitions, ({ topic }) => topic)].map(([topic, asked]) => ({
      topic,
      partitions: asked.map(({ partition }) => ({ partition })),
      ...which,
    }));
    const asking = request as Parameters<typeof cluster.fetchTopicsOffset>[0];
    const found = await this.#connecting(cluster.fetchTopicsOffset(asking)); // from the leaders
    return new Map(
      found.flatMap(({ topic, partitions }) =>
        partitions.map(({ partition, offset }) =>
          [positionName({ topic, partition }), Number(offset)] as const
        )
      ),
    );
  }

  /** Commits positions to a consumer group, without being a member: for tools that show lag. */
  async commitGroup(
    groupId: string,
    offsets: readonly (TopicPartition & { offset: bigint })[],
  ): Promise<void> {
    const topics = [...Map.groupBy(offsets, ({ topic }) => topic)].map(([topic, committed]) => ({
      topic,
      partitions: committed.map(({ partition, offset }) => ({ partition, offset: String(offset) })),
    }));
    for (const deadline = performance.now() + COORDINATOR_MS;;) {
      try {
        const coordinator = await this.coordinator({ kind: "group", id: groupId });
        await coordinator.offsetCommit({ groupId, groupGenerationId: -1, memberId: "", topics });
        return;
      } catch (error) {
        const late = performance.now() >= deadline || this.#signal.aborted;
        if (late || !NOT_YET_COORDINATED.has(kindOf(error))) throw error;
        await sleep(COORDINATOR_PAUSE_MS, this.#signal);
      }
    }
  }

  /** `"broker"` from the line that says so on, until it is back. */
  get waitingFor(): "broker" | null {
    return this.#announced ? "broker" : null;
  }

  /** A request has gone well. */
  succeeded(): void {
    if (this.#announced) this.#log.warn("broker is back", { topics: this.#topics.join(",") });
    this.#announced = false;
    this.#failures = 0;
  }

  /**
   * Waits after an error, longer each time, and says so, once, if it takes more than a moment. The wait
   * is spread by chance, so that workers do not come back all at once.
   */
  async pause(error: unknown, deadline = Infinity): Promise<void> {
    if (this.#failures === 0) this.#failingSince = performance.now();
    const failingFor = performance.now() - this.#failingSince;
    if (!this.#announced && failingFor >= QUIET_MS) {
      this.#announced = true;
      this.#log.warn("waiting for broker", {
        brokers: this.#brokers.join(","),
        topics: this.#topics.join(","),
        error: messageOfKafka(error),
      });
    }
    const { retryBackoffMs, retryBackoffMaxMs } = this.#settings;
    const longest = Math.min(retryBackoffMs * 2 ** this.#failures++, retryBackoffMaxMs);
    const ms = Math.min(longest * (0.5 + Math.random() / 2), deadline - performance.now());
    await sleep(ms, this.#signal);
  }

  /** Drops the cluster: the next call makes a new one. Does not wait for the old one's end. */
  drop(): void {
    const cluster = this.#cluster;
    this.#cluster = null;
    if (cluster !== null) this.#closing.push(disconnect(cluster, this.#log));
  }

  /** Notes a connection that is being made. */
  #connecting<R>(connection: Promise<R>): Promise<R> {
    this.#pending.add(connection);
    const over = () => void this.#pending.delete(connection);
    connection.then(over, over);
    return connection;
  }

  /**
   * Closes all connections. Those that are being made come first, for a moment: one that KafkaJS is told
   * to close before it is there leaves a timer behind.
   */
  async close(): Promise<void> {
    await within(Promise.allSettled(this.#pending), CONNECTING_MS);
    this.drop();
    await Promise.all(this.#closing);
  }

  #names(): string {
    return this.#topics.map((topic) => `"${topic}"`).join(" or ");
  }

  #noTopic(cause: unknown): Error {
    return new Error(
      `topic ${this.#names()} does not exist on ${this.#brokers.join(", ")}: create it first, or ` +
        `check its name`,
      { cause },
    );
  }

  #refused(reason: string, cause: unknown): Error {
    const of = this.#brokers.join(", ");
    const what = this.#topics.length === 0 ? "" : ` for topic ${this.#names()}`;
    return new Error(`cannot connect to ${of}${what}: ${reason}`, { cause });
  }

  #unreachable(cause: unknown): Error {
    return new Error(
      `no Kafka broker in reach at ${this.#brokers.join(", ")} within ` +
        `${FIRST_CONNECTION_MS / 1000} s: ${messageOfKafka(cause)} (${
          hintOf(cause, this.#settings)
        })`,
      { cause },
    );
  }
}

/** What KafkaJS says, without its class names and its advice to report a bug. */
export function messageOfKafka(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { name, message, type, apiName } = error as Error & { type?: string; apiName?: string };
  if (apiName === undefined) return message;
  if (name === MISSING_REQUEST) return missingRequest(apiName).message;
  return VAGUE_TYPES.has(type ?? "") ? `${apiName}: ${message}` : message;
}

async function disconnect(connected: Cluster | Broker, log: Log): Promise<void> {
  try {
    await connected.disconnect();
  } catch (error) {
    log.debug(`kafka connection did not close cleanly: ${messageOfKafka(error)}`);
  }
}
