/**
 * What a group says of itself, whatever protocol it speaks.
 *
 * @module
 */
import type { TaskId, Tasks } from "../../core/task_id.ts";
import { ofGroup } from "../kafka/client/errors.ts";
import type { KafkaBroker } from "../kafka/client/kafkajs.ts";
import { fromWire } from "../kafka/group/tasks.ts";
import { decodeClaim, decodeGrant } from "../kafka/group/user_data.ts";
import { decodeAssignment, decodeSubscription } from "../kafka/wire/consumer_protocol.ts";
import { type DescribedClassicMember, describeGroup } from "../kafka/wire/describe_groups.ts";
import { streamsGroupDescribe } from "../kafka/wire/streams_group_describe.ts";

/** A member, whatever protocol it speaks. */
export interface GroupMember {
  /** Its own id, which a restart keeps. */
  readonly id: string;
  /** The id of its machine's state; `null` if it is not known. */
  readonly processId: string | null;
  readonly host: string;
  /** `null` in a classic group, whose generation no request tells. */
  readonly epoch: number | null;
  readonly owned: Tasks;
  /** What it is to own, once others have given it up; equal to `owned` if that is not known. */
  readonly target: Tasks;
  /** Tasks of whose state it keeps a copy. */
  readonly standbys: Tasks;
  /** Changelog offsets of tasks on its disk when it joined. */
  readonly onDisk: ReadonlyMap<TaskId, number>;
}

/** A group, whatever protocol it speaks. */
export interface GroupDescription {
  readonly protocol: "streams" | "classic";
  /** As brokers name it, such as `Stable` or `Empty`; `Dead` if there is no such group. */
  readonly state: string;
  readonly epoch: number | null;
  /** Why tasks do not run, by its leader; `null` if they do, or that is not known. */
  readonly status: string | null;
  readonly members: readonly GroupMember[];
}

const NO_GROUP: GroupDescription = {
  protocol: "streams",
  state: "Dead",
  epoch: null,
  status: null,
  members: [],
};

/** Describes a streams group. */
export async function describeStreams(
  broker: KafkaBroker,
  groupId: string,
): Promise<GroupDescription> {
  return await ofGroup(NO_GROUP, async () => {
    const { state, epoch, members } = await streamsGroupDescribe(broker, groupId);
    return {
      protocol: "streams",
      state,
      epoch,
      status: null,
      members: members.map((each) => ({
        id: each.memberId,
        processId: each.processId,
        host: each.clientHost,
        epoch: each.memberEpoch,
        owned: fromWire(each.activeTasks),
        target: fromWire(each.targetTasks),
        standbys: fromWire(each.standbyTasks),
        onDisk: new Map(),
      })),
    };
  });
}

/** Describes a classic group, as its leader has told it. */
export async function describeClassic(
  broker: KafkaBroker,
  groupId: string,
): Promise<GroupDescription> {
  const { state, members } = await describeGroup(broker, groupId);
  const read = members.map(readMember);
  const awaited: Tasks = new Set(read.flatMap(({ awaits }) => [...awaits]));
  return {
    protocol: "classic",
    state,
    epoch: null,
    status: read.find(({ status }) => status !== null)?.status ?? null,
    members: read.map(({ member, awaits }) => ({
      ...member,
      target: member.owned.difference(awaited).union(awaits),
    })),
  };
}

/** While the group rebalances, brokers keep back what members have told. */
function readMember(
  { memberId, instanceId, clientHost, metadata, assignment }: DescribedClassicMember,
): { readonly member: GroupMember; readonly awaits: Tasks; readonly status: string | null } {
  const claim = metadata.length === 0 ? null : decodeClaim(decodeSubscription(metadata));
  const grant = assignment.length === 0 ? null : decodeGrant(decodeAssignment(assignment));
  const owned = grant?.tasks ?? claim?.owned ?? new Set<TaskId>();
  const member: GroupMember = {
    id: instanceId ?? memberId,
    processId: claim?.processId ?? null,
    host: clientHost,
    epoch: null,
    owned,
    target: owned,
    standbys: grant?.standbys ?? new Set(),
    onDisk: claim?.onDisk ?? new Map(),
  };
  return { member, awaits: grant?.awaits ?? new Set(), status: grant?.status ?? null };
}
