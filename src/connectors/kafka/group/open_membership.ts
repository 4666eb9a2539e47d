/**
 * Opens the membership of a process in a group, in the protocol that the brokers speak.
 *
 * @module
 */
import { type Log, silentLog } from "../../../core/log.ts";
import { KafkaConnection } from "../client/connection.ts";
import type { ConnectionSettings } from "../properties/connection_settings.ts";
import type { Brokers } from "../properties/options.ts";
import { finalizedFeatures } from "../wire/api_versions.ts";
import { setGroupConfigs } from "../wire/incremental_alter_configs.ts";
import type { RequestBroker } from "../wire/request.ts";
import { ClassicMachine, topicsRead } from "./classic_machine.ts";
import { classicLink, streamsLink } from "./coordinator_link.ts";
import { Members } from "./members.ts";
import { GroupRefusedError, type Membership, type Topology } from "../../../group/membership.ts";
import type { PaceOptions } from "./pace.ts";
import { StreamsMachine } from "./streams_machine.ts";

/** The protocol of a group. */
export type GroupProtocol = "streams" | "classic";

/** What the membership of a process is. */
export interface OpenMembershipOptions {
  readonly brokers: Brokers;
  readonly settings: ConnectionSettings;
  readonly log?: Log;
  /** Ends all waiting, and the connections' attempts. */
  readonly signal: AbortSignal;
  readonly groupId: string;
  /** The id of the machine's state, which its workers have in common. */
  readonly processId: string;
  readonly topology: Topology;
  /**
   * After this time without an answer, the members drop their tasks. In a streams group, it must
   * not be more than what the group has (`streams.session.timeout.ms`).
   *
   * @default {45000} in a streams group, and 6000 in a classic one, as brokers have it
   */
  readonly sessionTimeoutMs?: number;
  /** Settings of a streams group to set first, such as `streams.initial.rebalance.delay.ms`. */
  readonly groupConfigs?: Readonly<Record<string, string>>;
  /** How often a member asks while the group changes, in milliseconds. @default {200} */
  readonly heartbeatMs?: number;
  /** How often a process asks while nothing happens, in milliseconds. @default {1000} */
  readonly scoutMs?: number;
}

const STREAMS_HEARTBEAT = 88;

/** The protocol that brokers offer: streams if the cluster has such groups, else classic. */
export async function protocolOf(broker: RequestBroker): Promise<GroupProtocol> {
  if (broker.versions[STREAMS_HEARTBEAT] === undefined) return "classic";
  const level = (await finalizedFeatures(broker)).get("streams.version") ?? 0;
  return level >= 1 ? "streams" : "classic";
}

/** How long a group may take to answer, in milliseconds, if its session is not shorter. */
const REQUEST_MS = 5_000;

/** How often a classic group's leader looks whether topics have grown, in milliseconds. */
const TOPIC_CHECK_MS = 1_000;

/**
 * Opens the membership of a process in a group.
 *
 * @param protocol `auto` is what {@linkcode protocolOf} chooses. All processes of a group must have
 * the same.
 * @throws {Error} If no broker is in reach, or it refuses us or a setting of the group.
 * @throws {GroupRefusedError} If the cluster does not have the protocol.
 */
export async function openMembership(
  options: OpenMembershipOptions,
  protocol: GroupProtocol | "auto" = "auto",
): Promise<Membership> {
  const connection = connectionOf(options);
  try {
    const offered = await connection.open(async () => protocolOf(await connection.anyBroker()));
    if (protocol === "classic" || (protocol === "auto" && offered === "classic")) {
      await connection.close();
      return classicMembers(options);
    }
    if (offered !== "streams") {
      throw new GroupRefusedError(
        "the cluster has no streams groups: choose the classic protocol, or a cluster of Kafka 4.2 " +
          "or newer with streams.version 1 (kafka-features.sh)",
      );
    }
    const { groupId, groupConfigs = {} } = options;
    if (Object.keys(groupConfigs).length > 0) {
      await connection.open(async () =>
        setGroupConfigs(await connection.anyBroker(), groupId, groupConfigs)
      );
    }
    return streamsMembers(connection, options);
  } catch (error) {
    await connection.close();
    throw error;
  }
}

function streamsMembers(
  connection: KafkaConnection,
  options: OpenMembershipOptions,
): Membership {
  const { groupId, processId, topology, sessionTimeoutMs = 45_000 } = options;
  const link = streamsLink(connection, groupId);
  return new Members({
    machineFor: ({ id }) =>
      new StreamsMachine({
        groupId,
        memberId: id,
        processId,
        topology,
        sessionTimeoutMs,
        rebalanceTimeoutMs: Math.max(sessionTimeoutMs, 60_000),
        ...paceOf(options),
        requestTimeoutMs: Math.min(REQUEST_MS, sessionTimeoutMs / 4),
      }),
    linkFor: () => link,
  });
}

function classicMembers(options: OpenMembershipOptions): Membership {
  const { groupId, processId, topology, sessionTimeoutMs = 6_000 } = options;
  return new Members({
    machineFor: ({ id, onDisk = () => new Map() }) =>
      new ClassicMachine({
        groupId,
        instanceId: id,
        topology,
        sessionTimeoutMs,
        ...paceOf(options),
        requestTimeoutMs: Math.min(REQUEST_MS, sessionTimeoutMs / 4),
        topicCheckMs: TOPIC_CHECK_MS,
        onDisk,
      }),
    linkFor: ({ id }) =>
      classicLink(
        connectionOf(options),
        { groupId, instanceId: id, processId, topics: topicsRead(topology) },
        { sessionTimeoutMs },
      ),
  });
}

function paceOf({ heartbeatMs = 200, scoutMs = 1_000 }: OpenMembershipOptions): PaceOptions {
  return { heartbeatMs, scoutMs };
}

function connectionOf({ brokers, settings, log, signal }: OpenMembershipOptions): KafkaConnection {
  return new KafkaConnection(brokers, [], settings, { log: log ?? silentLog, signal });
}
