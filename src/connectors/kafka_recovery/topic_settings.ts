/**
 * Makes sure that a store's topics are compacted.
 *
 * With ZooKeeper, Kafka deletes a topic in two steps: first what it is, which frees the name, and
 * then the settings of that name. A topic that is created between the two loses its settings, for
 * good. So settings that this run has just given are set again if they are not there.
 *
 * @module
 */
import { type Clock, elapsedOf, waitFor } from "../../core/clock.ts";
import type { KafkaConnection } from "../kafka/client/connection.ts";
import { type ErrorKind, errorKind, errorName } from "../kafka/client/errors.ts";
import type { ConfigEntry } from "../kafka/client/kafkajs.ts";
import { refuse, type StoreTopics } from "./store_topics.ts";

/** The protocol's number of the kind of resource. */
const TOPIC_RESOURCE = 2;

const POLICY = "cleanup.policy";

/** How long a broker may not know a topic's settings, in milliseconds. */
const STALE_MS = 1_000;

/** How long to wait before a broker is asked again, in milliseconds. */
const PAUSE_MS = 50;

/** What the broker says to settings that it will not take the next time either. */
const REFUSED: ReadonlySet<ErrorKind> = new Set([
  "denied",
  "unsupported",
  "settingRefused",
  "againstPolicy",
]);

/** Waits before a broker is asked again. */
export async function pause(clock: Clock): Promise<void> {
  await waitFor(clock, PAUSE_MS);
}

/**
 * Makes sure that a topic is compacted. For a moment, a broker may not know its settings.
 *
 * @param given The settings that this run has just made the topic with, if it has.
 * @throws {RecoveryError} If it is not compacted.
 */
export async function requireCompaction(
  connection: KafkaConnection,
  storeTopics: StoreTopics,
  topic: string,
  { given, clock }: { given: readonly ConfigEntry[] | undefined; clock: Clock },
): Promise<void> {
  let refused: Error | null = null;
  for (const deadline = elapsedOf(clock) + STALE_MS;;) {
    const policy = await policyOf(connection, topic);
    if (policy === "compact") return;
    if (elapsedOf(clock) >= deadline) {
      if (refused !== null) throw lost(storeTopics, topic, refused);
      throw refuse(
        storeTopics,
        `its topic "${topic}" has ${POLICY}=${policy}, which loses state: set it to compact, or ` +
          "give the store another prefix",
      );
    }
    if (given !== undefined && refused === null) {
      refused = await setAgain(connection, topic, given);
    }
    await pause(clock);
  }
}

async function policyOf(connection: KafkaConnection, topic: string): Promise<string | null> {
  const broker = await connection.anyBroker();
  const { resources: [{ configEntries }] } = await broker.describeConfigs({
    resources: [{ type: TOPIC_RESOURCE, name: topic, configNames: [POLICY] }],
  });
  return configEntries.find(({ configName }) => configName === POLICY)?.configValue ?? null;
}

/** Sets a topic's settings. Returns why the broker does not allow it; `null` if it does. */
async function setAgain(
  connection: KafkaConnection,
  topic: string,
  given: readonly ConfigEntry[],
): Promise<Error | null> {
  const broker = await connection.controller();
  const resource = { type: TOPIC_RESOURCE, name: topic, configEntries: [...given] };
  try {
    await broker.alterConfigs({ resources: [resource] });
    return null;
  } catch (error) {
    if (error instanceof Error && REFUSED.has(errorKind(error))) return error;
    throw error;
  }
}

function lost(storeTopics: StoreTopics, topic: string, refused: Error) {
  return refuse(
    storeTopics,
    `its topic "${topic}" has lost the settings that it was made with, as the topic before it was ` +
      `still being deleted, and they cannot be set again (${errorName(refused)}: ` +
      `${refused.message}): allow AlterConfigs, or set ${POLICY}=compact by hand`,
    refused,
  );
}
