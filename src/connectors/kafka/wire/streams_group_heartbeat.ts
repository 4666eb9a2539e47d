/**
 * The StreamsGroupHeartbeat request (KIP-1071): joins a streams group, tells it which tasks a
 * member runs, and returns which it is to run.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { InternalTopic, Topology } from "../../../group/membership.ts";
import { type RequestBroker, sendRequest } from "./request.ts";
import { readTasks, type SubtopologyTasks, writeTasks } from "./streams_tasks.ts";
import { WireReader, WireWriter } from "./wire.ts";

/** What a member tells its group. */
export interface StreamsHeartbeat {
  readonly groupId: string;
  readonly memberId: string;
  /** 0 to join, -1 to leave. */
  readonly memberEpoch: number;
  /** How long it may take to give tasks up, in milliseconds; -1 unless it joins. */
  readonly rebalanceTimeoutMs: number;
  /** Only, and always, of a member that joins. */
  readonly topology: Topology | null;
  /** The tasks that it runs; an empty list if it joins, `null` if it leaves. */
  readonly activeTasks: readonly SubtopologyTasks[] | null;
  /** The tasks that it keeps copies of. @default {[]} */
  readonly standbyTasks?: readonly SubtopologyTasks[];
  /** Members of one process have the same; `null` unless it joins. */
  readonly processId: string | null;
  /** Whether all members of the group are to end. */
  readonly shutsDown?: boolean;
}

/** What the group answers. */
export interface StreamsHeartbeatAnswer {
  /** The protocol's code; 0 if there is no error. */
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly memberEpoch: number;
  readonly heartbeatIntervalMs: number;
  readonly status: readonly { readonly code: number; readonly detail: string }[];
  /** The tasks that the member may run; `null` if this answer changes nothing. */
  readonly activeTasks: readonly SubtopologyTasks[] | null;
  /** The tasks that it is to keep copies of; `null` if this answer changes nothing. */
  readonly standbyTasks: readonly SubtopologyTasks[] | null;
}

const API_KEY = 88;
const API_NAME = "StreamsGroupHeartbeat";

/** The version that we write and read. */
const VERSION = 0;

const FLEXIBLE_FROM = 0;

/** Sends a heartbeat to a group's coordinator. */
export async function streamsGroupHeartbeat(
  broker: RequestBroker,
  heartbeat: StreamsHeartbeat,
): Promise<StreamsHeartbeatAnswer> {
  return await sendRequest(broker, {
    apiKey: API_KEY,
    apiName: API_NAME,
    oldest: VERSION,
    newest: VERSION,
    flexibleFrom: FLEXIBLE_FROM,
    encode: () => encodeStreamsGroupHeartbeat(heartbeat),
    decode: decodeStreamsGroupHeartbeat,
  });
}

/** The body of a request. */
export function encodeStreamsGroupHeartbeat(heartbeat: StreamsHeartbeat): Buffer {
  const { activeTasks, standbyTasks = [], topology } = heartbeat;
  const all = activeTasks !== null; // all three lists, or none of them
  const out = new WireWriter(true);
  out.string(heartbeat.groupId);
  out.string(heartbeat.memberId);
  out.int32(heartbeat.memberEpoch);
  out.int32(-1); // we do not ask for endpoints of other members
  out.string(null); // instance id: no broker accepts one yet
  out.string(null); // rack
  out.int32(heartbeat.rebalanceTimeoutMs);
  out.nullable(topology, (each) => writeTopology(out, each));
  writeTasks(out, activeTasks);
  writeTasks(out, all ? standbyTasks : null);
  writeTasks(out, all ? [] : null); // warm-up tasks, which no broker assigns yet
  out.string(heartbeat.processId);
  out.nullable(null, () => {}); // the user's endpoint
  out.nullableArray(topology === null ? null : [], () => {}); // client tags
  out.nullableArray(null, () => {}); // task offsets, which no broker accepts yet
  out.nullableArray(null, () => {}); // their end offsets
  out.boolean(heartbeat.shutsDown ?? false);
  out.tags();
  return out.written;
}

function writeTopology(out: WireWriter, { epoch, subtopologies }: Topology): void {
  out.int32(epoch);
  out.array(subtopologies, (each) => {
    out.string(each.subtopologyId);
    out.array(each.sourceTopics, (topic) => out.string(topic));
    out.array([], () => {}); // regular expressions, which no broker accepts yet
    out.array(each.changelogTopics, (topic) => writeTopic(out, topic));
    out.array(each.repartitionSinkTopics, (topic) => out.string(topic));
    out.array(each.repartitionSourceTopics, (topic) => writeTopic(out, topic));
    out.array([], () => {}); // topics that need as many partitions as each other
    out.tags();
  });
  out.tags();
}

function writeTopic(out: WireWriter, topic: InternalTopic): void {
  out.string(topic.name);
  out.int32(topic.partitions);
  out.int16(topic.replicationFactor);
  out.array(topic.configs, ({ key, value }) => {
    out.string(key);
    out.string(value);
    out.tags();
  });
  out.tags();
}

/** Reads the body of a response. */
export function decodeStreamsGroupHeartbeat(
  payload: Buffer,
): StreamsHeartbeatAnswer & { clientSideThrottleTime: number } {
  const from = new WireReader(payload, true);
  const clientSideThrottleTime = from.int32();
  const errorCode = from.int16();
  const errorMessage = from.string();
  from.string(); // the member's id
  const memberEpoch = from.int32();
  const heartbeatIntervalMs = from.int32();
  from.int32(); // acceptable recovery lag
  from.int32(); // how often to report task offsets
  const status = from.nullableArray(() => {
    const code = from.int8();
    const detail = from.string() ?? "";
    from.tags();
    return { code, detail };
  }) ?? [];
  const activeTasks = readTasks(from);
  const standbyTasks = readTasks(from);
  // What follows is about warm-up tasks and endpoints, which we do not use.
  return {
    errorCode,
    errorMessage,
    memberEpoch,
    heartbeatIntervalMs,
    status,
    activeTasks,
    standbyTasks,
    clientSideThrottleTime,
  };
}
