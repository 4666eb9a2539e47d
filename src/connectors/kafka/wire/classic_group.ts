/**
 * The four requests of the classic group protocol: JoinGroup, SyncGroup, Heartbeat and LeaveGroup.
 *
 * KafkaJS has them too. But its JoinGroup has no instance id, and its errors do not show the member
 * id that a new member has to send again.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { type RequestBroker, sendRequest } from "./request.ts";
import { WireReader, WireWriter } from "./wire.ts";

/** A member of a generation of a group. */
export interface ClassicIdentity {
  readonly groupId: string;
  readonly generation: number;
  readonly memberId: string;
  /** Of a member that may come back without a rebalance (KIP-345); `null` for none. */
  readonly instanceId: string | null;
}

/** A member that joins. */
export interface JoinGroup {
  readonly groupId: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  /** Empty for a new member. */
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly protocolType: string;
  readonly protocol: string;
  /** What the leader learns of it. */
  readonly metadata: Uint8Array;
}

/** What a member learns when all have joined. */
export interface JoinAnswer {
  readonly errorCode: number;
  readonly generation: number;
  readonly leader: string;
  readonly memberId: string;
  /** Empty unless it is the leader. */
  readonly members: readonly JoinedMember[];
}

/** A member, as the leader gets to know it. */
export interface JoinedMember {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly metadata: Buffer;
}

/** The versions that we write and read: the first with instance ids (Kafka 2.3, 2.4). */
const JOIN = { apiKey: 11, apiName: "JoinGroup", oldest: 5, newest: 5 };
const SYNC = { apiKey: 14, apiName: "SyncGroup", oldest: 3, newest: 3 };
const HEARTBEAT = { apiKey: 12, apiName: "Heartbeat", oldest: 3, newest: 3 };
const LEAVE = { apiKey: 13, apiName: "LeaveGroup", oldest: 3, newest: 3 };

/** What a broker may take for other requests, on top of what it waits for members. */
const SLACK_MS = 5_000;

/**
 * Joins a group. The broker answers when all members have joined, and meanwhile answers nothing
 * else on this connection.
 */
export async function joinGroup(broker: RequestBroker, join: JoinGroup): Promise<JoinAnswer> {
  return await sendRequest(broker, {
    ...JOIN,
    timeoutMs: join.rebalanceTimeoutMs + SLACK_MS,
    encode: () => encodeJoinGroup(join),
    decode: decodeJoinGroup,
  });
}

/**
 * Sends what each member gets, if this is the leader, and returns what this member gets. The broker
 * answers when the leader has sent it.
 */
export async function syncGroup(
  broker: RequestBroker,
  identity: ClassicIdentity,
  assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[],
): Promise<{ errorCode: number; assignment: Buffer }> {
  return await sendRequest(broker, {
    ...SYNC,
    encode: () => encodeSyncGroup(identity, assignments),
    decode: decodeSyncGroup,
  });
}

/** Tells a group that a member is alive. */
export async function classicHeartbeat(
  broker: RequestBroker,
  identity: ClassicIdentity,
): Promise<{ errorCode: number }> {
  return await sendRequest(broker, {
    ...HEARTBEAT,
    encode: () => encodeClassicHeartbeat(identity),
    decode: decodeClassicHeartbeat,
  });
}

/** Leaves a group. */
export async function leaveGroup(
  broker: RequestBroker,
  identity: ClassicIdentity,
): Promise<{ errorCode: number }> {
  return await sendRequest(broker, {
    ...LEAVE,
    encode: () => encodeLeaveGroup(identity),
    decode: decodeLeaveGroup,
  });
}

/** The body of a JoinGroup request. */
export function encodeJoinGroup(join: JoinGroup): Buffer {
  const out = new WireWriter(false);
  out.string(join.groupId);
  out.int32(join.sessionTimeoutMs);
  out.int32(join.rebalanceTimeoutMs);
  out.string(join.memberId);
  out.string(join.instanceId);
  out.string(join.protocolType);
  out.array([join.metadata], (metadata) => {
    out.string(join.protocol);
    out.bytes(metadata);
  });
  return out.written;
}

/** Reads the body of a JoinGroup response. */
export function decodeJoinGroup(payload: Buffer): JoinAnswer & { clientSideThrottleTime: number } {
  const from = new WireReader(payload, false);
  const clientSideThrottleTime = from.int32();
  const errorCode = from.int16();
  const generation = from.int32();
  from.string(); // the protocol that all members know
  const leader = from.string() ?? "";
  const memberId = from.string() ?? "";
  const members = from.array(() => ({
    memberId: from.string() ?? "",
    instanceId: from.string(),
    metadata: from.bytes(),
  }));
  return { errorCode, generation, leader, memberId, members, clientSideThrottleTime };
}

/** The body of a SyncGroup request. */
export function encodeSyncGroup(
  identity: ClassicIdentity,
  assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[],
): Buffer {
  const out = new WireWriter(false);
  writeIdentity(out, identity);
  out.array(assignments, ({ memberId, assignment }) => {
    out.string(memberId);
    out.bytes(assignment);
  });
  return out.written;
}

/** Reads the body of a SyncGroup response. */
export function decodeSyncGroup(
  payload: Buffer,
): { errorCode: number; assignment: Buffer; clientSideThrottleTime: number } {
  const from = new WireReader(payload, false);
  const clientSideThrottleTime = from.int32();
  return { errorCode: from.int16(), assignment: from.bytes(), clientSideThrottleTime };
}

/** The body of a Heartbeat request. */
export function encodeClassicHeartbeat(identity: ClassicIdentity): Buffer {
  const out = new WireWriter(false);
  writeIdentity(out, identity);
  return out.written;
}

/** Reads the body of a Heartbeat response. */
export function decodeClassicHeartbeat(
  payload: Buffer,
): { errorCode: number; clientSideThrottleTime: number } {
  const from = new WireReader(payload, false);
  const clientSideThrottleTime = from.int32();
  return { errorCode: from.int16(), clientSideThrottleTime };
}

/** The body of a LeaveGroup request. */
export function encodeLeaveGroup({ groupId, memberId, instanceId }: ClassicIdentity): Buffer {
  const out = new WireWriter(false);
  out.string(groupId);
  out.array([memberId], (id) => {
    out.string(id);
    out.string(instanceId);
  });
  return out.written;
}

/** Reads the body of a LeaveGroup response: the first error in it. */
export function decodeLeaveGroup(
  payload: Buffer,
): { errorCode: number; clientSideThrottleTime: number } {
  const from = new WireReader(payload, false);
  const clientSideThrottleTime = from.int32();
  const errorCode = from.int16();
  const codes = from.array(() => {
    from.string(); // the member's id
    from.string(); // and instance id
    return from.int16();
  });
  return {
    errorCode: [errorCode, ...codes].find((code) => code !== 0) ?? 0,
    clientSideThrottleTime,
  };
}

function writeIdentity(out: WireWriter, identity: ClassicIdentity): void {
  out.string(identity.groupId);
  out.int32(identity.generation);
  out.string(identity.memberId);
  out.string(identity.instanceId);
}
