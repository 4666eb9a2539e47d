/**
 * The topics of a store: made, checked, deleted.
 *
 * @module
 */
import type { KafkaConnection } from "../kafka/connection.ts";
import { kindOf } from "../kafka/connection.ts";
import { RecoveryError } from "../../recovery/store.ts";
import { type KafkaPlace, refuse } from "./place.ts";

/** So many partitions has a new topic for state: written and read side by side. */
const PARTITIONS = 8;

/** What a topic needs of the protocol's kinds of resources. */
const TOPIC_RESOURCE = 2;

/** What a new topic is given. Its newest segment is never compacted, so it must not become large. */
const CONFIG: readonly { name: string; value: string }[] = [
  { name: "cleanup.policy", value: "compact" },
  { name: "segment.bytes", value: String(64 << 20) },
  { name: "max.message.bytes", value: String(8 << 20) },
];

const GONE_MS = 10_000;

/**
 * Makes sure that the topics are there and keep what they are given.
 *
 * @returns How many partitions the one for state has.
 * @throws {RecoveryError} If they do not, or one is missing.
 */
export async function ensureTopics(connection: KafkaConnection, place: KafkaPlace): Promise<void> {
  const { stateTopic, metaTopic } = place;
  await asking(connection, async () => {
    const [hasState, hasMeta] = [
      await isThere(connection, stateTopic),
      await isThere(connection, metaTopic),
    ];
    if (hasMeta && !hasState) {
      throw refuse(
        place,
        `its topic "${stateTopic}" is missing, and "${metaTopic}" is there: was it deleted? Delete ` +
          "the other too (--from-scratch) to begin anew without state and positions",
      );
    }
    // Not both at once: where there is the second, there must have been the first.
    if (!hasState) await create(connection, place, stateTopic, PARTITIONS);
    if (!hasMeta) await create(connection, place, metaTopic, 1);
    for (const topic of [stateTopic, metaTopic]) await checkPolicy(connection, place, topic);
  });
}

/** Deletes what there is of the topics, and waits until the broker knows that they are gone. */
export async function deleteTopics(connection: KafkaConnection, place: KafkaPlace): Promise<void> {
  await asking(connection, async () => {
    const topics: string[] = [];
    for (const topic of [place.stateTopic, place.metaTopic]) {
      if (await isThere(connection, topic)) topics.push(topic);
    }
    if (topics.length === 0) return;
    const broker = await connection.anyBroker();
    try {
      await broker.deleteTopics({ topics });
    } catch (error) {
      if (kindOf(error) === "TOPIC_DELETION_DISABLED") {
        throw refuse(
          place,
          "the cluster does not let topics be deleted (delete.topic.enable)",
          error,
        );
      }
      throw error;
    }
    for (const deadline = performance.now() + GONE_MS;;) {
      const left = await Promise.all(topics.map((topic) => isThere(connection, topic)));
      if (!left.includes(true)) return;
      if (performance.now() >= deadline) {
        throw refuse(place, `its topics are not gone ${GONE_MS / 1000} s after they were deleted`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });
}

/** Asks the broker, again where it is not ready; what it says of the store is final. */
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

async function isThere(connection: KafkaConnection, topic: string): Promise<boolean> {
  const broker = await connection.anyBroker();
  try {
    await broker.metadata([topic]);
    return true;
  } catch (error) {
    if (kindOf(error) === "UNKNOWN_TOPIC_OR_PARTITION") return false;
    throw error;
  }
}

async function create(
  connection: KafkaConnection,
  place: KafkaPlace,
  topic: string,
  partitions: number,
): Promise<void> {
  const broker = await connection.anyBroker();
  try {
    await broker.createTopics({
      topics: [{
        topic,
        numPartitions: partitions,
        replicationFactor: -1, // the broker's default
        configEntries: [...CONFIG],
      }],
    });
  } catch (error) {
    // KafkaJS has an error for each topic in one for all.
    const { errors: [first] = [error] } = error as { errors?: unknown[] };
    const kind = kindOf(first);
    if (kind === "TOPIC_ALREADY_EXISTS") return;
    if (kind === "NOT_CONTROLLER" || kind === "REQUEST_TIMED_OUT") throw first;
    if (!Array.isArray((error as { errors?: unknown[] }).errors)) throw error;
    throw refuse(
      place,
      `its topic "${topic}" cannot be made (${kind}: ${
        (first as Error).message
      }): allow Create, or ` +
        `make it with cleanup.policy=compact and ${partitions} partition${
          partitions > 1 ? "s" : ""
        }`,
      first,
    );
  }
}

async function checkPolicy(
  connection: KafkaConnection,
  place: KafkaPlace,
  topic: string,
): Promise<void> {
  const broker = await connection.anyBroker();
  const { resources: [{ configEntries }] } = await broker.describeConfigs({
    resources: [{ type: TOPIC_RESOURCE, name: topic, configNames: ["cleanup.policy"] }],
  });
  const policy = configEntries.find(({ configName }) => configName === "cleanup.policy")
    ?.configValue;
  if (policy === "compact") return;
  throw refuse(
    place,
    `its topic "${topic}" has cleanup.policy=${policy}, which loses state: set it to compact, or give ` +
      "the store another prefix",
  );
}
