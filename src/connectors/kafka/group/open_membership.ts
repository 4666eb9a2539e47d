/**
 * Opens the membership of a process in a group, in the protocol that the brokers speak.
 *
 * @module
 */
import { messageOf } from "../../../core/errors.ts";
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
import { sessionTimeoutOf, STREAMS_SESSION_MS } from "./session_timeout.ts";
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
   * After this time without an answer, the members drop their tasks. A streams group is asked for
   * its own (`streams.session.timeout.ms`), which this must not exceed.
   *
   * @default {what a streams group has, and `CLASSIC_SESSION_MS` in a classic one}
   */
  readonly sessionTimeoutMs?: number;
  /** Settings of a streams group to set first, such as `streams.initial.rebalance.delay.ms`. */
  readonly groupConfigs?: Readonly<Record<string, string>>;
  /**
   * How many standbys this machine wants each task of a classic group to have. The group has as
   * many as one of its members wants. Default: others are to say.
   */
  readonly standbys?: number | null;
  /** How often a member asks while the group changes, in milliseconds. @default {200} */
  readonly heartbeatMs?: number;
  /** How often a process asks while nothing happens, in milliseconds. @default {1000} */
  readonly scoutMs?: number;
  /**
   * How long tasks that are to move may run on where they are, in milliseconds. Members are told
   * what they await if it is not 0. @default {0}
   */
  readonly handOverMs?: number;
}

const STREAMS_HEARTBEAT = 88;

/** How long a classic group waits for a silent member by default, in milliseconds. */
const CLASSIC_SESSION_MS = 6_000;

/** The group assigns at once when members change, and not once a second. */
const QUICK = { "streams.assignment.interval.ms": "0" };

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
    const { groupId, groupConfigs = {}, log } = options;
    if (Object.keys(groupConfigs).length > 0) {
      await connection.open(async () =>
        setGroupConfigs(await connection.anyBroker(), groupId, groupConfigs)
      );
    }
    await preferQuick(connection, options);
    const sessionTimeoutMs = options.sessionTimeoutMs ??
      await sessionTimeoutOf(await connection.anyBroker(), { groupId, protocol: "streams", log }) ??
      STREAMS_SESSION_MS;
    return streamsMembers(connection, { ...options, sessionTimeoutMs });
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** Has tasks move sooner, where we may: brokers before 4.3 do not know the setting. */
async function preferQuick(
  connection: KafkaConnection,
  { groupId, groupConfigs = {}, log }: OpenMembershipOptions,
): Promise<void> {
  if (Object.keys(QUICK).every((name) => name in groupConfigs)) return;
  try {
    await setGroupConfigs(await connection.anyBroker(), groupId, QUICK);
  } catch (error) {
    log?.debug("the group keeps its assignment interval", {
      group: groupId,
      error: messageOf(error),
    });
  }
}

function streamsMembers(
  connection: KafkaConnection,
  options: OpenMembershipOptions & { readonly sessionTimeoutMs: number },
): Membership {
  const { groupId, processId, topology, sessionTimeoutMs, handOverMs = 0 } = options;
  const link = streamsLink(connection, groupId);
  return new Members({
    sessionTimeoutMs,
    machineFor: ({ id }) =>
      new StreamsMachine({
        groupId,
        memberId: id,
        processId,
        topology,
        sessionTimeoutMs,
        rebalanceTimeoutMs: Math.max(sessionTimeoutMs, 60_000) + handOverMs,
        awaits: handOverMs > 0,
        ...paceOf(options),
        requestTimeoutMs: Math.min(REQUEST_MS, sessionTimeoutMs / 4),
      }),
    linkFor: () => link,
    close: () => connection.close(), // also if no member has joined
  });
}

function classicMembers(options: OpenMembershipOptions): Membership {
  const { groupId, processId, topology, sessionTimeoutMs = CLASSIC_SESSION_MS, standbys = null } =
    options;
  return new Members({
    sessionTimeoutMs,
    machineFor: ({ id, onDisk }) =>
      new ClassicMachine({
        groupId,
        instanceId: id,
        topology,
        sessionTimeoutMs,
        ...paceOf(options),
        requestTimeoutMs: Math.min(REQUEST_MS, sessionTimeoutMs / 4),
        topicCheckMs: TOPIC_CHECK_MS,
        onDisk: onDisk ?? (() => new Map()),
        keepsCopies: onDisk !== undefined,
        standbysWanted: standbys,
      }),
    ownLinks: true,
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
