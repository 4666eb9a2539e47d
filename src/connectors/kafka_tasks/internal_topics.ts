/**
 * The internal topics of a group: created if they are missing, and checked if they are there.
 *
 * @module
 */
import { type Clock, elapsedOf, waitFor } from "../../core/clock.ts";
import { counted } from "../../core/counted.ts";
import {
  changelogTopic,
  controlTopic,
  type GroupTopology,
  shuffleTopic,
} from "../../group/topology.ts";
import type { KafkaConnection } from "../kafka/client/connection.ts";
import { errorKind, errorName } from "../kafka/client/errors.ts";
import type { ConfigEntry } from "../kafka/client/kafkajs.ts";
import { otherId } from "../kafka/client/topic_watch.ts";
import { errorOfCode } from "../kafka/wire/error_codes.ts";
import type { MetadataTopic } from "../kafka/wire/metadata.ts";
import { OPENING_MS, persistingInReach } from "./persisting.ts";
import { TaskLogError, toBeginAgain } from "./task_log_error.ts";

/** A topic as a group needs it. */
export interface InternalTopic {
  readonly topic: string;
  readonly partitions: number;
  /** Settings without which it would lose what the group needs. */
  readonly required: Readonly<Record<string, string>>;
}

/** The settings of a shuffle topic: records stay until all of their tasks have read them. */
const SHUFFLE = { "cleanup.policy": "delete", "retention.ms": "-1" };

/** The settings of a topic that keeps the last value of each key. */
const COMPACTED = { "cleanup.policy": "compact" };

/** How large a batch a topic accepts, in bytes: its setting, and what brokers have by default. */
const BATCH_LIMIT = "max.message.bytes";
const USUAL_BATCH_LIMIT = 1_048_588;

/** Records may be as large as a frame or the state of one key; not all brokers allow to say so. */
const LARGE_RECORDS: ConfigEntry = { name: BATCH_LIMIT, value: String(8 << 20) };

/** Requests the broker's default number of replicas. */
const DEFAULT_FACTOR = -1;

/** The protocol's number of the kind of resource. */
const TOPIC_RESOURCE = 2;

/** How long a topic may take until it is there, in milliseconds. */
const PATIENCE_MS = 10_000;

/** How long a broker may not know the settings of a new topic, in milliseconds. */
const STALE_MS = 1_000;

/** How long to wait before a broker is asked again, in milliseconds. */
const PAUSE_MS = 50;

/** The topics that a group has. */
export function internalTopics(
  app: string,
  { subtopologies, shards }: GroupTopology,
): InternalTopic[] {
  const topics: InternalTopic[] = [
    { topic: controlTopic(app), partitions: 1, required: COMPACTED },
  ];
  for (const { name, hasShuffle, hasState } of subtopologies) {
    if (hasShuffle) {
      topics.push({ topic: shuffleTopic(app, name), partitions: shards, required: SHUFFLE });
    }
    if (hasState) {
      topics.push({ topic: changelogTopic(app, name), partitions: shards, required: COMPACTED });
    }
  }
  return topics;
}

/**
 * Creates the topics that are missing, and checks those that are there.
 *
 * @param connection Must know all of the topics.
 * @param openingMs How long brokers may be away, in milliseconds; `Infinity`: without a limit.
 * @returns How large a batch each of them accepts, in bytes.
 * @throws {TaskLogError} If one differs, or cannot be created. The message names it and the cure.
 * @throws {Error} If brokers are away for too long. The message names them.
 */
export async function ensureInternalTopics(
  connection: KafkaConnection,
  topics: readonly InternalTopic[],
  clock: Clock,
  openingMs = OPENING_MS,
): Promise<ReadonlyMap<string, number>> {
  return await persistingInReach(connection, async () => {
    await makeMissing(connection, topics, clock);
    const limits = new Map<string, number>();
    for (const each of topics) {
      const settings = await requireSettings(connection, each, clock);
      limits.set(each.topic, batchLimitIn(settings));
    }
    return limits;
  }, openingMs);
}

/** Asks how large a batch a topic accepts, in bytes. */
export async function batchLimitOf(connection: KafkaConnection, topic: string): Promise<number> {
  return batchLimitIn(await settingsOf(connection, topic, [BATCH_LIMIT]));
}

function batchLimitIn(settings: ReadonlyMap<string, string | null>): number {
  return Number(settings.get(BATCH_LIMIT) ?? USUAL_BATCH_LIMIT);
}

/**
 * Makes sure that the topics are the ones that they were at the start. What is written to a topic
 * that was deleted and created again lacks what was there before.
 *
 * @param ids The ids that they had; `null` where the broker has none.
 * @throws {TaskLogError} If one is another topic by now.
 */
export async function requireSameTopics(
  app: string,
  connection: KafkaConnection,
  ids: ReadonlyMap<string, string | null>,
): Promise<void> {
  const { topics } = await connection.metadata();
  for (const { topic, topicId, errorCode } of topics) {
    if (errorCode !== 0) throw Object.assign(errorOfCode(errorCode, "Metadata"), { topic });
    const evidence = otherId(ids.get(topic) ?? null, topicId);
    if (evidence === null) continue;
    throw new TaskLogError(
      `topic "${topic}" was deleted and created again while the group runs (${evidence}): what it had ` +
        `is lost: ${toBeginAgain(app)}`,
    );
  }
}

async function makeMissing(
  connection: KafkaConnection,
  topics: readonly InternalTopic[],
  clock: Clock,
): Promise<void> {
  for (const deadline = elapsedOf(clock) + PATIENCE_MS;;) {
    const missing: InternalTopic[] = [];
    const found = (await connection.metadata()).topics;
    for (const wanted of topics) {
      if (isThere(found.find(({ topic }) => topic === wanted.topic))) {
        requireCount(wanted, found.find(({ topic }) => topic === wanted.topic)!);
      } else missing.push(wanted);
    }
    if (missing.length === 0) return;
    for (const each of missing) await create(connection, each);
    if (elapsedOf(clock) >= deadline) {
      throw new TaskLogError(
        `the topic "${missing[0].topic}" of the group is not there ${
          PATIENCE_MS / 1000
        } s after it ` +
          "was created: is it being deleted? Wait until the cluster has deleted it",
      );
    }
    await waitFor(clock, PAUSE_MS);
  }
}

function isThere(found: MetadataTopic | undefined): boolean {
  if (found === undefined) return false;
  if (found.errorCode === 0) return found.partitions.every(({ leader }) => leader >= 0);
  const error = errorOfCode(found.errorCode, "Metadata");
  if (errorKind(error) === "unknownTopic") return false;
  throw error;
}

function requireCount({ topic, partitions }: InternalTopic, found: MetadataTopic): void {
  const { length } = found.partitions;
  if (length === partitions) return;
  throw new TaskLogError(
    `topic "${topic}" has ${counted(length, "partition")}, and the group needs ${partitions}: ` +
      (partitions === 1
        ? "delete it, or give the group another name"
        : `start with --shards ${length} if that is what the group has always had; if not, delete the ` +
          "topics of the group, which hold its state, or give the group another name"),
  );
}

/** Creates a topic, with the broker's own limit of a record's size if it has to be so. */
async function create(
  connection: KafkaConnection,
  { topic, partitions: numPartitions, required }: InternalTopic,
): Promise<void> {
  const least = Object.entries(required).map(([name, value]): ConfigEntry => ({ name, value }));
  for (const configEntries of [[...least, LARGE_RECORDS], least]) {
    const broker = await connection.controller();
    try {
      await broker.createTopics({
        topics: [{ topic, numPartitions, replicationFactor: DEFAULT_FACTOR, configEntries }],
      });
      return;
    } catch (error) {
      const [first] = (error as { errors?: Error[] }).errors ?? []; // of the one topic
      if (first === undefined) throw error;
      const kind = errorKind(first);
      if (kind === "topicExists") return; // another machine has created it, or it is being deleted
      if (kind === "notController") throw first;
      const isSetting = kind === "settingRefused" || kind === "againstPolicy";
      if (isSetting && configEntries !== least) continue;
      const settings = Object.entries(required).map(([name, value]) => `${name}=${value}`);
      throw new TaskLogError(
        `topic "${topic}" of the group cannot be created (${
          errorName(first)
        }: ${first.message}): ` +
          `allow Create, or create it with ${counted(numPartitions, "partition")}, ${
            settings.join(" and ")
          }`,
        { cause: first },
      );
    }
  }
}

async function requireSettings(
  connection: KafkaConnection,
  { topic, required }: InternalTopic,
  clock: Clock,
): Promise<ReadonlyMap<string, string | null>> {
  for (const deadline = elapsedOf(clock) + STALE_MS;;) {
    const settings = await settingsOf(connection, topic, [...Object.keys(required), BATCH_LIMIT]);
    const other = Object.entries(required).find(([name, value]) => settings.get(name) !== value);
    if (other === undefined) return settings;
    const [name, value] = other;
    if (elapsedOf(clock) >= deadline) {
      throw new TaskLogError(
        `topic "${topic}" has ${name}=${
          settings.get(name) ?? "unknown"
        }, which loses what the group ` +
          `needs: set it to ${value}`,
      );
    }
    await waitFor(clock, PAUSE_MS);
  }
}

/**
 * Returns settings of a topic, by name.
 *
 * @throws {TaskLogError} If they may not be read.
 */
export async function settingsOf(
  connection: KafkaConnection,
  topic: string,
  configNames: string[],
): Promise<ReadonlyMap<string, string | null>> {
  const broker = await connection.anyBroker();
  try {
    const { resources: [{ configEntries }] } = await broker.describeConfigs({
      resources: [{ type: TOPIC_RESOURCE, name: topic, configNames }],
    });
    return new Map(configEntries.map(({ configName, configValue }) => [configName, configValue]));
  } catch (error) {
    if (errorKind(error) !== "denied") throw error;
    throw new TaskLogError(
      `the settings of topic "${topic}" of the group cannot be checked: allow Describe and ` +
        "DescribeConfigs on it",
      { cause: error },
    );
  }
}
