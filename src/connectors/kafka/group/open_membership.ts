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
import { streamsLink } from "./coordinator_link.ts";
import { Members } from "./members.ts";
import { GroupRefusedError, type Membership, type Topology } from "./membership.ts";
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
   * After this time without an answer, the members drop their tasks. It must not be more than what
   * the group has (`streams.session.timeout.ms`).
   *
   * @default {45000} for streams groups, as brokers have it
   */
  readonly sessionTimeoutMs?: number;
  /** Settings of the group to set first, such as `streams.initial.rebalance.delay.ms`. */
  readonly groupConfigs?: Readonly<Record<string, string>>;
  /** How often a member asks, in milliseconds. @default {200} */
  readonly heartbeatMs?: number;
}

const STREAMS_HEARTBEAT = 88;

/** The protocol that brokers offer: streams if the cluster has such groups, else classic. */
export async function protocolOf(broker: RequestBroker): Promise<GroupProtocol> {
  if (broker.versions[STREAMS_HEARTBEAT] === undefined) return "classic";
  const level = (await finalizedFeatures(broker)).get("streams.version") ?? 0;
  return level >= 1 ? "streams" : "classic";
}

/** How long a streams group may take to answer, in milliseconds. */
const REQUEST_MS = 5_000;

/**
 * Opens the membership of a process in a streams group.
 *
 * @throws {Error} If no broker is in reach, or it refuses us.
 * @throws {GroupRefusedError} If the cluster has no streams groups.
 */
export async function openStreamsMembership(options: OpenMembershipOptions): Promise<Membership> {
  const { groupId, processId, topology, sessionTimeoutMs = 45_000, heartbeatMs = 200 } = options;
  const { groupConfigs = {} } = options;
  const connection = connectionOf(options);
  try {
    const protocol = await connection.open(async () => protocolOf(await connection.anyBroker()));
    if (protocol === "streams" && Object.keys(groupConfigs).length > 0) {
      await connection.open(async () =>
        setGroupConfigs(await connection.anyBroker(), groupId, groupConfigs)
      );
    }
    if (protocol !== "streams") {
      throw new GroupRefusedError(
        "the cluster has no streams groups: choose the classic protocol, or a cluster of Kafka 4.2 " +
          "or newer with streams.version 1 (kafka-features.sh)",
      );
    }
  } catch (error) {
    await connection.close();
    throw error;
  }
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
        heartbeatMs,
        requestTimeoutMs: Math.min(REQUEST_MS, sessionTimeoutMs / 4),
      }),
    linkFor: () => link,
  });
}

function connectionOf({ brokers, settings, log, signal }: OpenMembershipOptions): KafkaConnection {
  return new KafkaConnection(brokers, [], settings, { log: log ?? silentLog, signal });
}
