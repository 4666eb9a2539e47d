/**
 * Creates, checks and deletes the topics of a store.
 *
 * @module
 */
import { type Clock, elapsedOf, systemClock } from "../../core/clock.ts";
import { counted } from "../../core/counted.ts";
import type { KafkaConnection } from "../kafka/client/connection.ts";
import { type ErrorKind, errorKind, errorName } from "../kafka/client/errors.ts";
import type { ConfigEntry } from "../kafka/client/kafkajs.ts";
import { NoStoreError, RecoveryError } from "../../recovery/store.ts";
import { refuse, type StoreTopics } from "./store_topics.ts";
import { pause, requireCompaction } from "./topic_settings.ts";

/** The number of partitions of a new topic for state. They are written and read in parallel. */
const PARTITIONS = 8;

/** The protocol's number of the kind of resource. */
const BROKER_RESOURCE = 4;

const COMPACT: readonly ConfigEntry[] = [{ name: "cleanup.policy", value: "compact" }];
const LARGE_RECORDS = [...COMPACT, { name: "max.message.bytes", value: String(8 << 20) }];

/**
 * Settings of a new topic: all of them, or as many as the broker lets us set. The newest segment is
 * never compacted, so it should stay small. Only compaction is required.
 */
const CONFIGS: readonly (readonly ConfigEntry[])[] = [
  [...LARGE_RECORDS, { name: "segment.bytes", value: String(64 << 20) }],
  LARGE_RECORDS,
  COMPACT,
];

/** Requests the broker's default number of replicas. Kafka before 2.4 does not support it. */
const DEFAULT_FACTOR = -1;

/** How long a deleted topic may still exist, in milliseconds. */
const GONE_MS = 10_000;

/** How long a broker may list a deleted topic, or not know a new one, in milliseconds. */
const STALE_MS = 1_000;

/** The settings that each topic was made with in this call. The answer may have been lost. */
type Made = Map<string, readonly ConfigEntry[]>;

/**
 * Makes sure that the topics exist, and keep what is written to them.
 *
 * @throws {RecoveryError} If they do not keep it, or one is missing.
 */
export async function ensureTopics(
  connection: KafkaConnection,
  storeTopics: StoreTopics,
  clock: Clock = systemClock,
): Promise<void> {
  const { stateTopic, metaTopic } = storeTopics;
  const made: Made = new Map(); // topics of this call are not remains of a store
  await asking(connection, async () => {
    let [hasState, hasMeta] = [false, false];
    for (const deadline = elapsedOf(clock) + STALE_MS;;) {
      hasState = await isThere(connection, stateTopic);
      hasMeta = await isThere(connection, metaTopic);
      if (hasState || !hasMeta || made.has(metaTopic) || elapsedOf(clock) >= deadline) break;
      await pause(clock); // both may just have been deleted, one after the other
    }
    if (hasMeta && !hasState && !made.has(metaTopic)) {
      throw missing(storeTopics, stateTopic, metaTopic);
    }
    // Not both at once: if the second exists, the first must have existed.
    for (const [topic, isThere] of [[stateTopic, hasState], [metaTopic, hasMeta]] as const) {
      if (isThere) continue;
      await create(connection, storeTopics, topic, { made, clock });
    }
    for (const topic of [stateTopic, metaTopic]) {
      await requireCompaction(connection, storeTopics, topic, { given: made.get(topic), clock });
    }
  });
}

/**
 * Checks that a store exists, and creates nothing.
 *
 * @throws {RecoveryError} If it does not exist.
 */
export async function requireTopics(
  connection: KafkaConnection,
  storeTopics: StoreTopics,
  clock: Clock = systemClock,
): Promise<void> {
  await asking(connection, async () => {
    const deadline = elapsedOf(clock) + STALE_MS;
    const { metaTopic, stateTopic } = storeTopics;
    for (const [topic, other] of [[metaTopic, stateTopic], [stateTopic, metaTopic]]) {
      while (!await isThere(connection, topic)) {
        if (elapsedOf(clock) >= deadline) {
          if (await isThere(connection, other)) throw missing(storeTopics, topic, other);
          const reason = `there is no topic "${topic}": no run has used it yet`;
          throw new NoStoreError(refuse(storeTopics, reason).message);
        }
        await pause(clock); // a run may just have created it
      }
    }
  });
}

function missing(storeTopics: StoreTopics, topic: string, other: string): RecoveryError {
  return refuse(
    storeTopics,
    `its topic "${topic}" is missing, and "${other}" is there: was it deleted? Delete ` +
      "the other too (--from-scratch) to begin again without state and positions",
  );
}

/**
 * Connects, and waits until the leaders of both topics can be asked, as new topics take a moment.
 *
 * @returns How many partitions the topic for state has.
 */
export async function reachTopics(
  connection: KafkaConnection,
  { stateTopic, metaTopic }: StoreTopics,
): Promise<number> {
  return await connection.open(async () => {
    const { size } = await connection.leaders(stateTopic);
    const all = Array.from({ length: size }, (_, partition) => ({ topic: stateTopic, partition }));
    await connection.offsets([...all, { topic: metaTopic, partition: 0 }], "last");
    return size;
  }, { missingMs: Infinity });
}

/** Deletes the topics that exist, and waits until the broker knows that they are gone. */
export async function deleteTopics(
  connection: KafkaConnection,
  storeTopics: StoreTopics,
  clock: Clock = systemClock,
): Promise<void> {
  await asking(connection, async () => {
    const topics: string[] = [];
    for (const topic of [storeTopics.stateTopic, storeTopics.metaTopic]) {
      if (await isThere(connection, topic)) topics.push(topic);
    }
    if (topics.length === 0) return;
    for (const topic of topics) await requireCreatable(connection, storeTopics, topic);
    const broker = await connection.controller();
    try {
      await broker.deleteTopics({ topics });
    } catch (error) {
      if (errorKind(error) === "deletionDisabled") {
        throw refuse(
          storeTopics,
          "the cluster does not let topics be deleted (delete.topic.enable)",
          error,
        );
      }
      throw error;
    }
    for (const deadline = elapsedOf(clock) + GONE_MS;;) {
      const left = await Promise.all(topics.map((topic) => isThere(connection, topic)));
      if (!left.includes(true)) return;
      if (elapsedOf(clock) >= deadline) {
        throw refuse(
          storeTopics,
          `its topics are not gone ${GONE_MS / 1000} s after they were deleted`,
        );
      }
      await pause(clock);
    }
  });
}

/** Asks the broker, and again if it is not ready. Its answer about the store is final. */
async function asking(connection: KafkaConnection, ask: () => Promise<void>): Promise<void> {
  const refusal = await connection.open(async () => {
    try {
      await ask();
      return null;
    } catch (error) {
      if (error instanceof RecoveryError) return error;
      throw error;
    }
  });
  if (refusal !== null) throw refusal;
}

/** Asks the broker that creates topics, as it is the first to know them. */
async function isThere(connection: KafkaConnection, topic: string): Promise<boolean> {
  const broker = await connection.controller();
  try {
    await broker.metadata([topic]);
    return true;
  } catch (error) {
    if (errorKind(error) === "unknownTopic") return false;
    throw error;
  }
}

async function create(
  connection: KafkaConnection,
  storeTopics: StoreTopics,
  topic: string,
  { made, clock }: { made: Made; clock: Clock },
) {
  for (const deadline = elapsedOf(clock) + GONE_MS;;) {
    const refusal = await tryToCreate(connection, topic, partitionsOf(storeTopics, topic), {
      made,
    });
    if (refusal === null) return;
    const { kind } = refusal;
    if (kind !== "topicExists") throw cannotCreate(storeTopics, topic, refusal);
    // A topic that is being deleted is invisible, but its name is not free yet.
    if (await isThere(connection, topic)) return;
    if (elapsedOf(clock) >= deadline) {
      throw refuse(
        storeTopics,
        `its topic "${topic}" is being deleted, and is not gone after ${GONE_MS / 1000} s: wait ` +
          "until the cluster has deleted it, or give the store another prefix",
        refusal.error,
      );
    }
    await pause(clock);
  }
}

/**
 * Makes sure that a topic could be created again before it is deleted. Otherwise, a topic that was
 * created by hand would be lost.
 */
async function requireCreatable(
  connection: KafkaConnection,
  storeTopics: StoreTopics,
  topic: string,
) {
  const partitions = partitionsOf(storeTopics, topic);
  // The broker checks permissions first, then whether the topic exists, then the settings.
  const itself = await tryToCreate(connection, topic, partitions, { validateOnly: true });
  const another = `${topic}.check`;
  const other = await tryToCreate(connection, another, partitions, { validateOnly: true });
  const refusal = itself !== null && itself.kind !== "topicExists" ? itself : other;
  if (refusal === null || refusal.kind === "topicExists") return;
  if (refusal === other && refusal.kind === "denied") return; // the permission is for that name
  throw refuse(
    storeTopics,
    `its topic "${topic}" is not deleted, as it could not be made again ${
      why(refusal)
    }: delete it ` +
      `by hand, and make it with ${settingsOf(partitions)}`,
    refusal.error,
  );
}

/** Why a topic is not created. */
interface Refusal {
  readonly kind: ErrorKind;
  readonly error: Error;
}

/**
 * Creates a topic, with fewer settings if the broker does not let us choose them.
 *
 * @returns `null` once it exists; else why it was not created.
 * @throws {Error} If the broker may create it the next time.
 */
async function tryToCreate(
  connection: KafkaConnection,
  topic: string,
  numPartitions: number,
  { validateOnly = false, made = new Map() }: { validateOnly?: boolean; made?: Made } = {},
): Promise<Refusal | null> {
  const broker = await connection.controller();
  let replicationFactor = DEFAULT_FACTOR;
  for (let settings = 0;;) {
    const configEntries = [...CONFIGS[settings]];
    const topics = [{ topic, numPartitions, replicationFactor, configEntries }];
    const before = made.get(topic);
    made.set(topic, configEntries); // first, as an answer may get lost
    try {
      await broker.createTopics({ topics, validateOnly });
      return null;
    } catch (error) {
      const refusal = refusalOf(error);
      const { kind } = refusal;
      if (before === undefined) made.delete(topic);
      else made.set(topic, before);
      const isSetting = kind === "settingRefused" || kind === "againstPolicy";
      if (isSetting && settings < CONFIGS.length - 1) settings++;
      else if (kind === "replicationRefused" && replicationFactor === DEFAULT_FACTOR) {
        const factor = await defaultFactor(connection);
        if (factor === null) return refusal;
        replicationFactor = factor;
      } else return refusal;
    }
  }
}

/** The broker's reason for not creating a topic. Throws errors that may be over the next time. */
function refusalOf(error: unknown): Refusal {
  // KafkaJS wraps the errors of single topics in one error.
  const { errors } = error as { errors?: Error[] };
  if (errors === undefined) throw error;
  const [first] = errors;
  const kind = errorKind(first);
  if (kind === "notController") throw first;
  return { kind, error: first };
}

/**
 * How many replicas brokers give a topic by default; `null` if they do not report it. Each broker
 * has to be asked for its own settings, by its number.
 */
async function defaultFactor(connection: KafkaConnection): Promise<number | null> {
  const name = "default.replication.factor";
  const { brokers: [{ nodeId }] } = await connection.metadata();
  const broker = await connection.broker(nodeId);
  const { resources: [{ configEntries }] } = await broker.describeConfigs({
    resources: [{ type: BROKER_RESOURCE, name: String(nodeId), configNames: [name] }],
  });
  const value = configEntries.find(({ configName }) => configName === name)?.configValue;
  return value === undefined || value === null ? null : Number(value);
}

function cannotCreate(storeTopics: StoreTopics, topic: string, refusal: Refusal): RecoveryError {
  return refuse(
    storeTopics,
    `its topic "${topic}" cannot be made ${why(refusal)}: allow Create, or make it with ` +
      settingsOf(partitionsOf(storeTopics, topic)),
    refusal.error,
  );
}

function why({ kind, error }: Refusal): string {
  const hint = kind === "replicationRefused"
    ? "; Kafka before 2.4 needs a number of replicas, which it takes from its setting " +
      "default.replication.factor if it may be read"
    : "";
  return `(${errorName(error)}: ${error.message}${hint})`;
}

function settingsOf(partitions: number): string {
  return `cleanup.policy=compact and ${counted(partitions, "partition")}`;
}

function partitionsOf({ stateTopic }: StoreTopics, topic: string): number {
  return topic === stateTopic ? PARTITIONS : 1;
}
