/**
 * The membership of a machine in a group, from what a process that has loaded the flow found out.
 *
 * @module
 */
import { UsageError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { Membership, Topology } from "../../group/membership.ts";
import {
  changelogTopic,
  type GroupTopology,
  shuffleTopic,
  type SubTopology,
} from "../../group/topology.ts";
import { type GroupProtocol, openMembership } from "../kafka/group/open_membership.ts";
import type { ConnectionSettings } from "../kafka/properties/connection_settings.ts";
import type { Brokers } from "../kafka/properties/options.ts";

/** How to reach the cluster of a group. Plain data, as it goes from process to process. */
export interface GroupPlace {
  readonly brokers: Brokers;
  /** Without `sasl` if a token is needed for it. */
  readonly settings: ConnectionSettings;
}

/** The setting of a streams group that says how many copies of a task's state it has. */
const STANDBYS = "streams.num.standby.replicas";

/** What a machine joins with. */
export interface JoinGroupOptions {
  readonly place: GroupPlace;
  /** Returns a token for the cluster; `null` if none is needed. */
  readonly token: (() => Promise<string>) | null;
  readonly app: string;
  readonly groupId: string;
  readonly topology: GroupTopology;
  readonly protocol: string;
  /** How many copies of each task's state the group has; `null` leaves that as it is. */
  readonly standbys: number | null;
  /** As `OpenMembershipOptions.handOverMs`. */
  readonly handOverMs: number;
  /** How long a classic group waits for a silent member, in milliseconds; `null`: the default. */
  readonly sessionMs: number | null;
  /** The id of the machine's state. */
  readonly processId: string;
  readonly log: Log;
  /** Ends all waiting. */
  readonly signal: AbortSignal;
}

/**
 * Opens the membership of a machine.
 *
 * @throws {UsageError} If it is to have another session than the brokers give a streams group.
 * @throws {Error} If no broker is in reach, or it refuses us.
 */
export async function joinGroup(options: JoinGroupOptions): Promise<Membership> {
  const { place, token, app, groupId, topology, protocol, processId, log, signal } = options;
  const { standbys, sessionMs } = options;
  if (protocol === "streams" && sessionMs !== null) {
    throw new UsageError(
      `--session-timeout is an option of classic groups, and "${app}" has a streams group, for ` +
        "which the brokers decide (group.streams.session.timeout.ms): leave it out",
    );
  }
  return await openMembership({
    brokers: place.brokers,
    settings: settingsOf(place, token),
    log,
    signal,
    groupId,
    processId,
    handOverMs: options.handOverMs,
    topology: memberTopology(app, topology, protocol),
    standbys,
    ...sessionMs === null ? {} : { sessionTimeoutMs: sessionMs },
    ...standbys === null ? {} : { groupConfigs: { [STANDBYS]: String(standbys) } },
  }, protocol as GroupProtocol);
}

/** The settings of a place, with what makes tokens for it; `null` if none is needed. */
export function settingsOf(
  { settings }: GroupPlace,
  token: (() => Promise<string>) | null,
): ConnectionSettings {
  return token === null ? settings : { ...settings, sasl: { mechanism: "oauthbearer", token } };
}

/**
 * What the members of a group are told of its topology. We make our own topics for both protocols,
 * so a shuffle topic is a topic like any other to the brokers. A changelog says that tasks have a
 * state, of which there may be copies. A streams group wants it to have a partition for each task.
 * So such a group is told of one only if nothing but a shuffle topic says how many tasks there are.
 */
export function memberTopology(
  app: string,
  { subtopologies }: GroupTopology,
  protocol: string,
): Topology {
  const isTold = ({ hasState, sourceTopics }: SubTopology) =>
    hasState && (protocol !== "streams" || sourceTopics.length === 0);
  return {
    epoch: 0,
    subtopologies: subtopologies.map((each) => ({
      subtopologyId: each.name,
      sourceTopics: [
        ...each.sourceTopics,
        ...each.hasShuffle ? [shuffleTopic(app, each.name)] : [],
      ],
      changelogTopics: isTold(each)
        ? [{
          name: changelogTopic(app, each.name),
          partitions: 0,
          replicationFactor: 0,
          configs: [],
        }]
        : [],
      repartitionSinkTopics: [],
      repartitionSourceTopics: [],
    })),
  };
}
