/** What the broker knows of a group: its members, and the tasks of each. */
import { decodeGrant } from "../../../src/connectors/kafka/group/user_data.ts";
import { fromWire } from "../../../src/connectors/kafka/group/tasks.ts";
import { decodeAssignment } from "../../../src/connectors/kafka/wire/consumer_protocol.ts";
import { streamsGroupDescribe } from "../../../src/connectors/kafka/wire/streams_group_describe.ts";
import type { TaskId } from "../../../src/core/task_id.ts";
import { kafkaClient } from "../kafka/client.ts";
import { connect } from "../kafka/transactions.ts";

/** A group. */
export interface DescribedGroup {
  readonly state: string;
  /** The epoch of a streams group, which goes up with each new assignment; `null` for others. */
  readonly epoch: number | null;
  /** The tasks of each member, by the id that it has on its disk. */
  readonly tasks: ReadonlyMap<string, readonly TaskId[]>;
  /** Tasks of a classic group that are to move. Those of others are not known. */
  readonly moving: readonly TaskId[];
}

/** How many characters the id of a member has on disk. */
const ID_LENGTH = 36;

/** Errors by which the broker that keeps a group is starting, or away. */
const COMING: ReadonlySet<unknown> = new Set([
  "GROUP_LOAD_IN_PROGRESS",
  "GROUP_COORDINATOR_NOT_AVAILABLE",
  "NOT_COORDINATOR_FOR_GROUP",
]);

/** The group of an app; `null` if there is none, or its broker is not there at present. */
export async function groupOf(
  brokers: string[],
  app: string,
  protocol: "streams" | "classic",
): Promise<DescribedGroup | null> {
  try {
    const [groupId] = await groupsOf(brokers, app);
    return groupId === undefined ? null : await describeGroup(brokers, groupId, protocol);
  } catch (error) {
    const { type, cause = null } = error as { type?: unknown; cause?: { type?: unknown } | null };
    if (COMING.has(type) || COMING.has(cause?.type)) return null;
    throw error;
  }
}

/** The names of the groups of an app that have members. */
export async function groupsOf(brokers: string[], app: string): Promise<string[]> {
  const admin = kafkaClient(brokers).admin();
  await admin.connect();
  try {
    const { groups } = await admin.listGroups();
    return groups.map(({ groupId }) => groupId).filter((id) =>
      id === app || (id.startsWith(`${app}.`) && /^\d+$/.test(id.slice(app.length + 1)))
    );
  } finally {
    await admin.disconnect();
  }
}

async function describeGroup(
  brokers: string[],
  groupId: string,
  protocol: "streams" | "classic",
): Promise<DescribedGroup> {
  return protocol === "streams"
    ? await describeStreams(brokers, groupId)
    : await describeClassic(brokers, groupId);
}

async function describeStreams(brokers: string[], groupId: string): Promise<DescribedGroup> {
  await using at = connect(brokers, []);
  const { connection } = at;
  const nodeId = await connection.coordinatorId({ kind: "group", id: groupId });
  const { state, epoch, members } = await streamsGroupDescribe(
    await connection.broker(nodeId),
    groupId,
  );
  const tasks = members.map(({ memberId, activeTasks }) =>
    [memberId, [...fromWire(activeTasks)].sort()] as const
  );
  return { state, epoch, tasks: new Map(tasks), moving: [] };
}

async function describeClassic(brokers: string[], groupId: string): Promise<DescribedGroup> {
  const admin = kafkaClient(brokers).admin();
  await admin.connect();
  try {
    const { groups: [{ state, members }] } = await admin.describeGroups([groupId]);
    const grants = members.filter(({ memberAssignment }) => memberAssignment.length > 0)
      .map(({ memberId, memberAssignment }) => ({
        id: memberId.slice(0, ID_LENGTH),
        ...decodeGrant(decodeAssignment(memberAssignment)),
      }));
    return {
      state,
      epoch: null,
      tasks: new Map(grants.map(({ id, tasks }) => [id, [...tasks].sort()])),
      moving: grants.flatMap(({ awaits = new Set<TaskId>() }) => [...awaits]),
    };
  } finally {
    await admin.disconnect();
  }
}
