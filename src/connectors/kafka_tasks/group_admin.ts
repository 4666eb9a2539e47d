/**
 * What tools ask a cluster about the groups of an app, and what they have it do.
 *
 * @module
 */
import { type Log, silentLog } from "../../core/log.ts";
import { sleep } from "../../core/promises.ts";
import { controlTopic } from "../../group/topology.ts";
import { KafkaConnection } from "../kafka/client/connection.ts";
import { errorKind, errorName, ofGroup } from "../kafka/client/errors.ts";
import type { KafkaBroker } from "../kafka/client/kafkajs.ts";
import { offsetsOf } from "../kafka/client/partition_offsets.ts";
import { sessionTimeoutOf } from "../kafka/group/session_timeout.ts";
import {
  type ConnectionSettings,
  connectionSettings,
} from "../kafka/properties/connection_settings.ts";
import { givenToRecovery, type KafkaProperties } from "../kafka/properties/given_properties.ts";
import { type Brokers, checkBrokers } from "../kafka/properties/options.ts";
import { deleteGroup } from "../kafka/wire/delete_groups.ts";
import { errorOfCode } from "../kafka/wire/error_codes.ts";
import { type ListedGroup, listGroups } from "../kafka/wire/list_groups.ts";
import { fetchMetadata, type MetadataTopic } from "../kafka/wire/metadata.ts";
import { committedOffsets } from "../kafka/wire/offset_fetch.ts";
import { positionName, type TopicPartition } from "../kafka/wire/topic_partition.ts";
import { type Control, forgetBegun, readControl } from "./control_topic.ts";
import { describeClassic, describeStreams, type GroupDescription } from "./group_description.ts";
import { type GroupPlace, settingsOf } from "./join_group.ts";
import { TaskLogError } from "./task_log_error.ts";

/** How long brokers may take to drop a topic, in milliseconds. */
const GONE_MS = 30_000;

/** How long to wait before a broker is asked again, in milliseconds. */
const PAUSE_MS = 50;

/** A topic with the number of its partitions. */
export interface TopicSize {
  readonly topic: string;
  readonly partitions: number;
}

/** Where a partition begins and ends. */
export interface PartitionEnds {
  readonly first: number;
  /** After the last committed record, and after what closes transactions. */
  readonly last: number;
}

/** A committed position. */
export type CommittedPosition = TopicPartition & { readonly offset: bigint };

/** A cluster, as the tools see it. */
export interface GroupAdmin {
  /** The topics that we may see. */
  topics(): Promise<readonly TopicSize[]>;
  /** The groups that we may see. */
  groups(): Promise<readonly ListedGroup[]>;
  /** What the app's control topic says, which must exist. */
  control(app: string): Promise<Control>;
  describe(groupId: string, protocol: "streams" | "classic"): Promise<GroupDescription>;
  /** How long a group waits for a silent member, in milliseconds; `null` if that is not told. */
  sessionMs(groupId: string, protocol: string): Promise<number | null>;
  committed(groupId: string): Promise<readonly CommittedPosition[]>;
  /** By the name of the position. Partitions without a leader are left out. */
  ends(partitions: readonly TopicPartition[]): Promise<ReadonlyMap<string, PartitionEnds>>;
  /**
   * Deletes a group with its positions, if it is there.
   *
   * @returns Whether it has no members: with some, it stays.
   */
  deleteGroup(groupId: string): Promise<boolean>;
  /** Deletes a topic, if it is there. */
  deleteTopic(topic: string): Promise<void>;
  /** Has the control topic say that nothing has ever been committed. */
  forgetBegun(app: string): Promise<void>;
}

/** How to reach the cluster. */
export interface GroupAdminOptions {
  readonly brokers: Brokers;
  readonly settings: ConnectionSettings;
  readonly log?: Log;
  readonly signal: AbortSignal;
}

/**
 * Returns the cluster of these brokers. It connects with the first request.
 *
 * @param properties Kafka properties for the connection.
 * @throws {TypeError} If brokers or properties are wrong.
 */
export function groupAdminAt(
  { brokers, properties }: {
    readonly brokers: readonly string[];
    readonly properties: KafkaProperties;
  },
): KafkaGroupAdmin {
  return new KafkaGroupAdmin({
    brokers: checkBrokers("--brokers", brokers),
    settings: connectionSettings(givenToRecovery(properties)),
    signal: new AbortController().signal,
  });
}

/**
 * Returns the cluster that a flow was found to use.
 *
 * @param token Returns a token for the cluster; `null` if none is needed.
 */
export function groupAdminIn(
  place: GroupPlace,
  token: (() => Promise<string>) | null,
): KafkaGroupAdmin {
  const { signal } = new AbortController();
  return new KafkaGroupAdmin({
    brokers: place.brokers,
    settings: settingsOf(place, token),
    signal,
  });
}

/** A Kafka cluster. Each request is tried for a while. */
export class KafkaGroupAdmin implements GroupAdmin, AsyncDisposable {
  readonly #options: GroupAdminOptions;
  readonly #connection: KafkaConnection;

  /** Connects to nothing yet. */
  constructor(options: GroupAdminOptions) {
    this.#options = options;
    this.#connection = this.#connect([]);
  }

  #connect(topics: readonly string[]): KafkaConnection {
    const { brokers, settings, log = silentLog, signal } = this.#options;
    const isolation = "read_uncommitted"; // the end of the control topic includes open transactions
    return new KafkaConnection(brokers, topics, settings, { log, signal, isolation });
  }

  async topics(): Promise<readonly TopicSize[]> {
    return (await this.#open(() => this.#metadata(null)))
      .filter(({ errorCode }) => errorCode === 0)
      .map(({ topic, partitions }) => ({ topic, partitions: partitions.length }));
  }

  async #metadata(topics: readonly string[] | null): Promise<readonly MetadataTopic[]> {
    return (await fetchMetadata(await this.#connection.anyBroker(), topics)).topics;
  }

  async groups(): Promise<readonly ListedGroup[]> {
    return await this.#open(async () => {
      const { brokers } = await this.#connection.metadata();
      const listed = await Promise.all(
        brokers.map(async ({ nodeId }) => listGroups(await this.#connection.broker(nodeId))),
      );
      return listed.flat();
    });
  }

  async control(app: string): Promise<Control> {
    return await this.#atControl(app, (connection) => readControl({ app, connection }));
  }

  async forgetBegun(app: string): Promise<void> {
    const { log = silentLog } = this.#options;
    await this.#atControl(app, (connection) => forgetBegun({ app, connection, log }));
  }

  async #atControl<T>(app: string, work: (connection: KafkaConnection) => Promise<T>): Promise<T> {
    const connection = this.#connect([controlTopic(app)]);
    try {
      await connection.open(() => connection.leaders(controlTopic(app)));
      return await work(connection);
    } finally {
      await connection.close();
    }
  }

  async describe(groupId: string, protocol: "streams" | "classic"): Promise<GroupDescription> {
    return await this.#atCoordinator(
      groupId,
      (broker) =>
        protocol === "streams"
          ? describeStreams(broker, groupId)
          : describeClassic(broker, groupId),
    );
  }

  async sessionMs(groupId: string, protocol: string): Promise<number | null> {
    const { log } = this.#options;
    return await this.#open(async () =>
      sessionTimeoutOf(await this.#connection.anyBroker(), { groupId, protocol, log })
    );
  }

  async committed(groupId: string): Promise<readonly CommittedPosition[]> {
    return await this.#atCoordinator(
      groupId,
      (broker) => ofGroup([], () => committedOffsets(broker, groupId)),
    );
  }

  async ends(
    partitions: readonly TopicPartition[],
  ): Promise<ReadonlyMap<string, PartitionEnds>> {
    const topics = [...new Set(partitions.map(({ topic }) => topic))];
    if (topics.length === 0) return new Map();
    return await this.#open(async () => {
      const found = new Map((await this.#metadata(topics)).map((each) => [each.topic, each]));
      const leaders = (topic: string) => {
        const { partitions = [] } = found.get(topic) ?? {};
        return Promise.resolve(new Map(partitions.map((each) => [each.partition, each.leader])));
      };
      const at = { leaders, broker: (nodeId: number) => this.#connection.broker(nodeId) };
      const [first, last] = await Promise.all([
        offsetsOf(at, partitions, "first", "read_committed"),
        offsetsOf(at, partitions, "last", "read_committed"),
      ]);
      for (const error of [...first.failed.values(), ...last.failed.values()]) {
        if (errorKind(error) === "denied") throw error;
      }
      const ends = new Map<string, PartitionEnds>();
      for (const each of partitions) {
        const name = positionName(each);
        const [begin, end] = [first.found.get(name), last.found.get(name)];
        if (begin !== undefined && end !== undefined) ends.set(name, { first: begin, last: end });
      }
      return ends;
    });
  }

  async deleteGroup(groupId: string): Promise<boolean> {
    return await this.#atCoordinator(groupId, async (broker) => {
      try {
        await ofGroup(undefined, () => deleteGroup(broker, groupId));
        return true;
      } catch (error) {
        if (errorName(error) === "NON_EMPTY_GROUP") return false;
        throw error;
      }
    });
  }

  async deleteTopic(topic: string): Promise<void> {
    for (const deadline = performance.now() + GONE_MS;;) {
      const left = await this.#open(() => this.#delete(topic));
      if (left === "gone") return;
      if (left === "refused") {
        throw new TaskLogError(
          `topic "${topic}" cannot be deleted: the cluster does not let topics be deleted ` +
            "(delete.topic.enable)",
        );
      }
      if (performance.now() >= deadline) {
        throw new TaskLogError(
          `topic "${topic}" is not gone ${GONE_MS / 1000} s after it was deleted: does something ` +
            "create it again, such as a machine that still runs?",
        );
      }
      await sleep(PAUSE_MS, this.#options.signal);
    }
  }

  async #delete(topic: string): Promise<"gone" | "leaving" | "refused"> {
    const [found] = await this.#metadata([topic]);
    if (found === undefined || isUnknown(found)) return "gone";
    try {
      await (await this.#connection.controller()).deleteTopics({ topics: [topic] });
    } catch (error) {
      const kind = errorKind(error);
      if (kind === "deletionDisabled") return "refused";
      if (kind !== "unknownTopic") throw error;
    }
    return "leaving";
  }

  #atCoordinator<T>(groupId: string, ask: (broker: KafkaBroker) => Promise<T>): Promise<T> {
    return this.#open(async () =>
      await ask(await this.#connection.coordinator({ kind: "group", id: groupId }))
    );
  }

  #open<T>(ask: () => Promise<T>): Promise<T> {
    return this.#connection.open(ask);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.close();
  }
}

function isUnknown({ errorCode }: MetadataTopic): boolean {
  return errorCode !== 0 && errorKind(errorOfCode(errorCode)) === "unknownTopic";
}
