/**
 * The DescribeGroups request: the state and the members of a classic group.
 *
 * KafkaJS's own has no instance ids.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { errorOfCode } from "./error_codes.ts";
import { type RequestBroker, sendRequest } from "./request.ts";
import { WireReader, WireWriter } from "./wire.ts";
import { WrongAnswerError } from "./wrong_answer.ts";

const API_KEY = 15;
const API_NAME = "DescribeGroups";

/** Versions that we write and read: the first with instance ids (Kafka 2.4), and the next. */
const OLDEST = 4;
const NEWEST = 5;

const FLEXIBLE_FROM = 5;

/** A member of a classic group. */
export interface DescribedClassicMember {
  readonly memberId: string;
  /** Of a member that may come back without a rebalance; `null` for none. */
  readonly instanceId: string | null;
  readonly clientHost: string;
  /** What it has told the leader; empty while the group rebalances. */
  readonly metadata: Buffer;
  /** What the leader has told it; empty while the group rebalances. */
  readonly assignment: Buffer;
}

/** A classic group. */
export interface DescribedClassicGroup {
  /** Such as `Stable`, `PreparingRebalance` or `Empty`; `Dead` if there is no such group. */
  readonly state: string;
  /** Such as `consumer`; empty without members. */
  readonly protocolType: string;
  /** What its members agreed on; empty without members. */
  readonly protocol: string;
  readonly members: readonly DescribedClassicMember[];
}

/**
 * Describes a group. `broker` is its coordinator.
 *
 * @throws {Error} If the broker refuses.
 */
export async function describeGroup(
  broker: RequestBroker,
  groupId: string,
): Promise<DescribedClassicGroup> {
  const { groups } = await sendRequest(broker, {
    apiKey: API_KEY,
    apiName: API_NAME,
    oldest: OLDEST,
    newest: NEWEST,
    flexibleFrom: FLEXIBLE_FROM,
    encode: (version) => encodeDescribeGroups(groupId, version),
    decode: decodeDescribeGroups,
  });
  const found = groups.find((group) => group.groupId === groupId);
  if (found === undefined) throw new WrongAnswerError(API_NAME, `does not name group "${groupId}"`);
  if (found.errorCode !== 0) throw errorOfCode(found.errorCode, API_NAME);
  return found;
}

/** The body of a request. */
export function encodeDescribeGroups(groupId: string, version: number): Buffer {
  const out = new WireWriter(version >= FLEXIBLE_FROM);
  out.array([groupId], (each) => out.string(each));
  out.boolean(false); // without what we may do with it
  out.tags();
  return out.written;
}

/** Reads the body of a response. */
export function decodeDescribeGroups(payload: Buffer, version: number): {
  groups: (DescribedClassicGroup & { errorCode: number; groupId: string })[];
  clientSideThrottleTime: number;
} {
  const from = new WireReader(payload, version >= FLEXIBLE_FROM);
  const clientSideThrottleTime = from.int32();
  const groups = from.array(() => {
    const errorCode = from.int16();
    const groupId = from.string() ?? "";
    const state = from.string() ?? "";
    const protocolType = from.string() ?? "";
    const protocol = from.string() ?? "";
    const members = from.array(() => {
      const memberId = from.string() ?? "";
      const instanceId = from.string();
      from.string(); // client id
      const clientHost = from.string() ?? "";
      const metadata = from.bytes();
      const assignment = from.bytes();
      from.tags();
      return { memberId, instanceId, clientHost, metadata, assignment };
    });
    from.int32(); // what we may do with the group
    from.tags();
    return { errorCode, groupId, state, protocolType, protocol, members };
  });
  from.tags();
  return { groups, clientSideThrottleTime };
}
