/**
 * The StreamsGroupDescribe request (KIP-1071): a group's members, with the tasks that they have and
 * are to have.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { errorOfCode } from "./error_codes.ts";
import { type RequestBroker, sendRequest } from "./request.ts";
import { readTasks, type SubtopologyTasks } from "./streams_tasks.ts";
import { WireReader, WireWriter } from "./wire.ts";
import { WrongAnswerError } from "./wrong_answer.ts";

/** A member of a streams group. */
export interface DescribedStreamsMember {
  readonly memberId: string;
  readonly memberEpoch: number;
  readonly topologyEpoch: number;
  readonly processId: string;
  readonly clientHost: string;
  /** The tasks that it may run: what its heartbeats were told. */
  readonly activeTasks: readonly SubtopologyTasks[];
  /** The tasks that it is to keep copies of. */
  readonly standbyTasks: readonly SubtopologyTasks[];
  /** The tasks that it is to run once others have given them up. */
  readonly targetTasks: readonly SubtopologyTasks[];
}

/** A streams group. */
export interface DescribedStreamsGroup {
  /** Such as `Stable`, `Reconciling`, `NotReady` or `Empty`. */
  readonly state: string;
  readonly epoch: number;
  readonly assignmentEpoch: number;
  /** `null` if the group has none. */
  readonly topologyEpoch: number | null;
  readonly members: readonly DescribedStreamsMember[];
}

const API_KEY = 89;
const API_NAME = "StreamsGroupDescribe";

/** The version that we write and read. */
const VERSION = 0;

const FLEXIBLE_FROM = 0;

/**
 * Describes a group. `broker` is its coordinator. It answers from what it has stored, which may be
 * a moment older than what it has told a member.
 *
 * @throws {Error} If the broker refuses, or the group does not exist.
 */
export async function streamsGroupDescribe(
  broker: RequestBroker,
  groupId: string,
): Promise<DescribedStreamsGroup> {
  const { groups } = await sendRequest(broker, {
    apiKey: API_KEY,
    apiName: API_NAME,
    oldest: VERSION,
    newest: VERSION,
    flexibleFrom: FLEXIBLE_FROM,
    encode: () => encodeStreamsGroupDescribe(groupId),
    decode: decodeStreamsGroupDescribe,
  });
  const found = groups.find((group) => group.groupId === groupId);
  if (found === undefined) throw new WrongAnswerError(API_NAME, `does not name group "${groupId}"`);
  if (found.errorCode !== 0) throw errorOfCode(found.errorCode, API_NAME);
  return found;
}

/** The body of a request. */
export function encodeStreamsGroupDescribe(groupId: string): Buffer {
  const out = new WireWriter(true);
  out.array([groupId], (each) => out.string(each));
  out.boolean(false); // without what we may do with it
  out.tags();
  return out.written;
}

/** Reads the body of a response. */
export function decodeStreamsGroupDescribe(payload: Buffer): {
  groups: (DescribedStreamsGroup & { errorCode: number; groupId: string })[];
  clientSideThrottleTime: number;
} {
  const from = new WireReader(payload, true);
  const clientSideThrottleTime = from.int32();
  const groups = from.array(() => {
    const errorCode = from.int16();
    from.string(); // the error in words
    const groupId = from.string() ?? "";
    const state = from.string() ?? "";
    const epoch = from.int32();
    const assignmentEpoch = from.int32();
    const topologyEpoch = from.nullable(() => skipTopology(from));
    const members = from.array(() => readMember(from));
    from.int32(); // what we may do with the group
    from.tags();
    return { errorCode, groupId, state, epoch, assignmentEpoch, topologyEpoch, members };
  });
  return { groups, clientSideThrottleTime };
}

/** Reads a topology, and returns its epoch. */
function skipTopology(from: WireReader): number {
  const epoch = from.int32();
  from.nullableArray(() => {
    from.string(); // the sub-topology
    from.array(() => from.string()); // its source topics
    from.array(() => from.string()); // shuffle topics that it writes to
    from.array(() => skipTopic(from)); // changelogs
    from.array(() => skipTopic(from)); // shuffle topics that it reads
    from.tags();
  });
  from.tags();
  return epoch;
}

function skipTopic(from: WireReader): void {
  from.string(); // name
  from.int32(); // partitions
  from.int16(); // replication factor
  from.array(() => skipPair(from)); // settings
  from.tags();
}

function skipPair(from: WireReader): void {
  from.string(); // key
  from.string(); // value
  from.tags();
}

function readMember(from: WireReader): DescribedStreamsMember {
  const memberId = from.string() ?? "";
  const memberEpoch = from.int32();
  from.string(); // instance id
  from.string(); // rack
  from.string(); // client id
  const clientHost = from.string() ?? "";
  const topologyEpoch = from.int32();
  const processId = from.string() ?? "";
  from.nullable(() => {
    from.string(); // host of the user's endpoint
    from.int16(); // and port
    from.tags();
  });
  from.array(() => skipPair(from)); // client tags
  from.array(() => skipOffset(from)); // task offsets
  from.array(() => skipOffset(from)); // their end offsets
  const { active: activeTasks, standby: standbyTasks } = readAssignment(from);
  const { active: targetTasks } = readAssignment(from);
  from.boolean(); // whether it speaks the classic protocol
  from.tags();
  return {
    memberId,
    memberEpoch,
    topologyEpoch,
    processId,
    clientHost,
    activeTasks,
    standbyTasks,
    targetTasks,
  };
}

function skipOffset(from: WireReader): void {
  from.string(); // the sub-topology
  from.int32(); // partition
  from.int64(); // offset
  from.tags();
}

function readAssignment(
  from: WireReader,
): { active: SubtopologyTasks[]; standby: SubtopologyTasks[] } {
  const active = readTasks(from) ?? [];
  const standby = readTasks(from) ?? [];
  readTasks(from); // warm-up tasks
  from.tags();
  return { active, standby };
}
