/**
 * Where the inputs and outputs of a flow are. The tasks of a group need all of them in one cluster,
 * as a transaction cannot span two.
 *
 * @module
 */
import { FlowDefinitionError } from "../../core/errors.ts";
import type { StepId } from "../../core/ids.ts";
import type { Log } from "../../core/log.ts";
import { KafkaConnection } from "../kafka/client/connection.ts";
import { knownInput, knownOutput } from "../kafka/known_configs.ts";
import type { ConnectionSettings } from "../kafka/properties/connection_settings.ts";
import type { Brokers } from "../kafka/properties/options.ts";

/** A Kafka input or output, and its cluster. */
export interface KafkaPlace {
  readonly stepId: StepId;
  readonly kind: "input" | "output";
  readonly brokers: Brokers;
  /** The topics that it reads or writes. */
  readonly topics: readonly string[];
  readonly settings: ConnectionSettings;
}

/** Returns where an input or output is; `null` if it is not one of Kafka. */
export function kafkaPlaceOf(config: object, stepId: StepId): KafkaPlace | null {
  const input = knownInput(config);
  if (input !== null) {
    const { brokers, topics, input: settings } = input.settings;
    return { stepId, kind: "input", brokers, topics, settings };
  }
  const output = knownOutput(config);
  if (output === null) return null;
  const { brokers, topic, output: settings } = output;
  return { stepId, kind: "output", brokers, topics: [topic], settings };
}

/** The cluster of a group. */
export interface KafkaCluster {
  /** `null` if its brokers report none. */
  readonly clusterId: string | null;
  readonly brokers: Brokers;
  readonly settings: ConnectionSettings;
}

/**
 * Makes sure that all inputs and outputs are in one cluster. It asks the brokers, as one cluster
 * has many addresses. The cluster is that of the first place, with its connection settings.
 *
 * @param places At least one.
 * @throws {Error} If there are two clusters, or brokers do not answer. The message names the steps.
 */
export async function requireOneCluster(
  places: readonly KafkaPlace[],
  at: { readonly log: Log; readonly signal: AbortSignal },
): Promise<KafkaCluster> {
  const [first, ...others] = places;
  if (first === undefined) {
    throw new FlowDefinitionError(
      "a group needs a Kafka input: the flow has none, so nothing can be shared",
    );
  }
  const known = new Map<string, string | null>(); // ids by addresses
  const clusterId = await clusterIdOf(first, at);
  known.set(addressesOf(first), clusterId);
  for (const other of others) {
    const addresses = addressesOf(other);
    const id = known.has(addresses) ? known.get(addresses)! : await clusterIdOf(other, at);
    known.set(addresses, id);
    if (id === clusterId && (id !== null || addresses === addressesOf(first))) continue;
    throw new Error(
      `${nameOf(first)} is in ${clusterNamed(first, clusterId)}, and ${nameOf(other)} in ` +
        `${clusterNamed(other, id)}: all inputs and outputs of a group must be in one cluster, ` +
        "as a transaction cannot span two. Copy topics into one cluster first, with a flow that " +
        "runs without --group",
    );
  }
  return { clusterId, brokers: first.brokers, settings: first.settings };
}

async function clusterIdOf(
  { brokers, topics, settings }: KafkaPlace,
  at: { readonly log: Log; readonly signal: AbortSignal },
): Promise<string | null> {
  const connection = new KafkaConnection(brokers, topics, settings, at);
  try {
    await connection.open(() => Promise.resolve());
    return connection.clusterId;
  } finally {
    await connection.close();
  }
}

function addressesOf({ brokers }: KafkaPlace): string {
  return [...brokers].sort().join();
}

function nameOf({ kind, stepId }: KafkaPlace): string {
  return `${kind} "${stepId}"`;
}

function clusterNamed({ brokers }: KafkaPlace, id: string | null): string {
  return `cluster ${id ?? "without an id"} (${brokers.join(", ")})`;
}
