/**
 * The brokers of a cluster, and their metadata of some topics.
 *
 * @module
 */
import { errorOfCode } from "../wire/error_codes.ts";
import { type Coordinated, findCoordinator } from "../wire/find_coordinator.ts";
import { fetchMetadata, type Metadata } from "../wire/metadata.ts";
import { type BrokerPool, UnknownBrokerError } from "./broker_pool.ts";
import type { KafkaBroker } from "./kafkajs.ts";

const UNKNOWN_TOPIC_OR_PARTITION = 3;

/** The last metadata of our topics. */
interface View {
  readonly at: number;
  readonly controllerId: number;
  readonly topics: ReadonlyMap<string, TopicView>;
}

/** One topic of a view. */
interface TopicView {
  readonly errorCode: number;
  /** The broker that leads each partition; -1 for none. */
  readonly leaders: ReadonlyMap<number, number>;
}

/** Keeps the metadata of a cluster until an error, or until it is too old. */
export class Cluster {
  readonly #topics: readonly string[];
  readonly #pool: BrokerPool;
  readonly #maxAgeMs: number;
  #view: View | null = null;
  #clusterId: string | null = null;
  #looking: Promise<Metadata> | null = null;

  /** Asks nothing yet. It asks about `topics` again after `maxAgeMs` milliseconds. */
  constructor(topics: readonly string[], pool: BrokerPool, maxAgeMs: number) {
    this.#topics = topics;
    this.#pool = pool;
    this.#maxAgeMs = maxAgeMs;
  }

  /**
   * The partitions of a topic by number, with the broker that leads each; -1 for none. After an
   * error, they are asked for again.
   */
  async leaders(topic: string): Promise<ReadonlyMap<number, number>> {
    const view = (await this.#fresh()).topics.get(topic);
    if (view === undefined) throw errorOfCode(UNKNOWN_TOPIC_OR_PARTITION, "Metadata");
    if (view.errorCode !== 0) throw errorOfCode(view.errorCode, "Metadata");
    return view.leaders;
  }

  async #fresh(): Promise<View> {
    const oldest = performance.now() - this.#maxAgeMs;
    if (this.#view === null || this.#view.at < oldest) await this.metadata();
    return this.#view!;
  }

  /** A broker of the cluster, connected. */
  async broker(nodeId: number): Promise<KafkaBroker> {
    await this.#fresh();
    try {
      return await this.#pool.node(nodeId);
    } catch (error) {
      if (!(error instanceof UnknownBrokerError)) throw error;
      await this.metadata(); // it may be new
      return await this.#pool.node(nodeId);
    }
  }

  /** A broker for requests that any broker can answer. */
  async anyBroker(): Promise<KafkaBroker> {
    return await this.#pool.any();
  }

  /**
   * The broker that creates and deletes topics; only that needs it. It is any other broker if the
   * metadata does not name the controller, or does not list it.
   */
  async controller(): Promise<KafkaBroker> {
    const { controllerId } = await this.#fresh();
    try {
      return await this.broker(controllerId);
    } catch (error) {
      if (!(error instanceof UnknownBrokerError)) throw error;
      return await this.anyBroker(); // newer brokers pass such requests on
    }
  }

  /** The broker that keeps a consumer group or a transactional id. */
  async coordinator(of: Coordinated): Promise<KafkaBroker> {
    return await this.broker(await this.coordinatorId(of));
  }

  /** The number of that broker. */
  async coordinatorId(of: Coordinated): Promise<number> {
    return await findCoordinator(await this.anyBroker(), of);
  }

  /** The cluster's id in the last metadata; `null` if its brokers report none. */
  get clusterId(): string | null {
    return this.#clusterId;
  }

  /** The brokers' current metadata of our topics, never an older copy. */
  metadata(): Promise<Metadata> {
    return this.#looking ??= this.#look().finally(() => this.#looking = null);
  }

  async #look(): Promise<Metadata> {
    const metadata = await this.#pool.ask((broker) => fetchMetadata(broker, this.#topics));
    this.#pool.learn(metadata.brokers);
    const topics = new Map(metadata.topics.map(({ topic, errorCode, partitions }) => [topic, {
      errorCode,
      leaders: new Map(partitions.map(({ partition, leader }) => [partition, leader])),
    }]));
    this.#view = { at: performance.now(), controllerId: metadata.controllerId, topics };
    this.#clusterId = metadata.clusterId;
    return metadata;
  }

  /** Drops all connections. The next call makes new ones. */
  drop(): void {
    this.#view = null;
    this.#pool.drop();
  }

  /** Drops the connection to one broker. The leaders are asked for again. */
  dropBroker(nodeId: number): void {
    this.#view = null;
    this.#pool.dropNode(nodeId);
  }

  /** Closes all connections. Requests under way fail. */
  async close(): Promise<void> {
    this.#view = null;
    await this.#pool.close();
  }
}
