/**
 * The log of a group on Kafka, as processes of the group import it.
 *
 * @module
 */
import type { InputConfig } from "../../graph/contracts.ts";
import type { FlowGraph } from "../../graph/graph.ts";
import type { GroupLog } from "../../group/log.ts";
import type {
  GroupOptions,
  Guarantee,
  LocatedCluster,
  LogModule,
  OpenLogOptions,
  PreparedGroup,
  PrepareGroupOptions,
} from "../../group/log_module.ts";
import { KafkaConnection } from "../kafka/client/connection.ts";
import { protocolOf } from "../kafka/group/open_membership.ts";
import { knownInput, requireOwnCopy } from "../kafka/known_configs.ts";
import type { ConnectionSettings } from "../kafka/properties/connection_settings.ts";
import type { Brokers } from "../kafka/properties/options.ts";
import { KafkaAppStore } from "./app_store.ts";
import { readFailure } from "./control_topic.ts";
import { enterApp } from "./enter_app.ts";
import { ensureInternalTopics, type InternalTopic, internalTopics } from "./internal_topics.ts";
import type { GroupPlace } from "./join_group.ts";
import { KafkaTaskLog, requireOneReader } from "./kafka_log.ts";
import { type KafkaPlace, kafkaPlaceOf, requireOneCluster } from "./kafka_place.ts";
import { requireSharedInput } from "./task_input.ts";
import { requireTaskOutput } from "./task_output.ts";
import { systemClock } from "../../core/clock.ts";

/** Returns the topics that an input reads; `null` if it is not one of Kafka. */
export function topicsOf(config: InputConfig<unknown>): readonly string[] | null {
  return knownInput(config)?.settings.topics ?? null;
}

/**
 * Makes sure that a group can read the inputs and write the outputs of a flow.
 *
 * @throws {FlowDefinitionError} If it cannot. The message names the step and the cure.
 */
export function checkFlow({ nodes, ids }: FlowGraph, guarantee: Guarantee): void {
  for (const node of nodes) {
    if (node.kind === "input") requireSharedInput(node.config, ids.get(node)!);
    if (node.kind === "capture") requireTaskOutput(node.config, ids.get(node)!, guarantee);
  }
}

/**
 * Makes sure that this machine may join the group, and creates the topics of the group.
 *
 * @throws {Error} If it may not. The message names the reason and the cure.
 */
export async function prepareGroup(options: PrepareGroupOptions): Promise<PreparedGroup> {
  const { graph, app, topology, log, signal, dropSteps, waits, itemsOf } = options;
  requireOneReader(topology);
  const { brokers, settings } = await requireOneCluster(placesOf(graph), { log, signal });
  const connect = (topics: readonly string[]) =>
    new KafkaConnection(brokers, topics, settings, {
      log,
      signal,
      isolation: "read_uncommitted", // the end of a partition includes open transactions
    });
  const [control, ...others] = internalTopics(app, topology);
  const connection = connect([control.topic]);
  try {
    await ensureInternalTopics(connection, [control], systemClock);
    await connection.open(() => connection.metadata(), { missingMs: Infinity });
    const change = { connect, itemsOf };
    const { groupId, protocol } = await enterApp({
      app,
      topology,
      protocol: options.protocol,
      offered: async () => await protocolOf(await connection.anyBroker()),
      drops: dropSteps,
      waits,
      store: new KafkaAppStore({ app, connection, change, log, signal }),
      log,
      signal,
    });
    await ensureTopics(connect, others);
    const failedAt = (await readFailure({ app, connection }))?.at ?? null;
    return { groupId, protocol, failedAt, ...placeOf(brokers, settings) };
  } finally {
    await connection.close();
  }
}

/**
 * Finds the cluster of a flow.
 *
 * @throws {Error} If there are two, or none. The message names the steps.
 */
export async function locateCluster(
  { graph, log, signal }: Pick<GroupOptions, "graph" | "log" | "signal">,
): Promise<LocatedCluster> {
  const { brokers, settings } = await requireOneCluster(placesOf(graph), { log, signal });
  return placeOf(brokers, settings);
}

/** They come after the app has been entered, as another layout has others. */
async function ensureTopics(
  connect: (topics: readonly string[]) => KafkaConnection,
  topics: readonly InternalTopic[],
): Promise<void> {
  if (topics.length === 0) return;
  const connection = connect(topics.map(({ topic }) => topic));
  try {
    await ensureInternalTopics(connection, topics, systemClock);
  } finally {
    await connection.close();
  }
}

/** Settings conceal their secrets in all texts. A copy is plain data, which has them. */
function placeOf(
  brokers: Brokers,
  { ssl, sasl, ...settings }: ConnectionSettings,
): LocatedCluster {
  const token = sasl?.mechanism === "oauthbearer" ? sasl.token : null;
  const place: GroupPlace = {
    brokers,
    settings: {
      ...settings,
      ssl: ssl === null ? null : { ...ssl },
      sasl: sasl === null || token !== null ? null : { ...sasl },
    },
  };
  return { place, token };
}

/** Opens the log of a worker. */
export async function openGroupLog(options: OpenLogOptions): Promise<GroupLog> {
  const { graph, ...ofLog } = options;
  // All of them are in one cluster, as `prepareGroup` has found.
  const [{ brokers, settings }] = placesOf(graph);
  return await KafkaTaskLog.open({ brokers, settings, ...ofLog });
}

function placesOf({ nodes, ids }: FlowGraph): KafkaPlace[] {
  const places: KafkaPlace[] = [];
  for (const node of nodes) {
    if (node.kind !== "input" && node.kind !== "capture") continue;
    const stepId = ids.get(node)!;
    requireOwnCopy(node.config, node.kind === "input" ? "input" : "output", stepId);
    const place = kafkaPlaceOf(node.config, stepId);
    if (place !== null) places.push(place);
  }
  return places;
}

// The engine imports this file by name only.
({ topicsOf, checkFlow, prepareGroup, locateCluster, openGroupLog }) satisfies LogModule;
