/**
 * The ListGroups request: the groups that a broker keeps. A cluster's groups are those of all its
 * brokers.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { errorOfCode } from "./error_codes.ts";
import { type RequestBroker, sendRequest } from "./request.ts";
import { WireReader, WireWriter } from "./wire.ts";

const API_KEY = 16;
const API_NAME = "ListGroups";

/** Versions that we write and read. */
const OLDEST = 1;
const NEWEST = 5;

const FLEXIBLE_FROM = 3;

/** From these versions on, an answer has the state of a group, and its type. */
const STATE_FROM = 4;
const TYPE_FROM = 5;

/** A group. */
export interface ListedGroup {
  readonly groupId: string;
  /** Such as `consumer` or `streams`. */
  readonly protocolType: string;
}

/**
 * Requests the groups that a broker keeps: those that we may see.
 *
 * @throws {Error} If the broker refuses.
 */
export async function listGroups(broker: RequestBroker): Promise<readonly ListedGroup[]> {
  const { errorCode, groups } = await sendRequest(broker, {
    apiKey: API_KEY,
    apiName: API_NAME,
    oldest: OLDEST,
    newest: NEWEST,
    flexibleFrom: FLEXIBLE_FROM,
    encode: encodeListGroups,
    decode: decodeListGroups,
  });
  if (errorCode !== 0) throw errorOfCode(errorCode, API_NAME);
  return groups;
}

/** The body of a request for groups in any state, of any type. */
export function encodeListGroups(version: number): Buffer {
  const out = new WireWriter(version >= FLEXIBLE_FROM);
  if (version >= STATE_FROM) out.array([], () => {});
  if (version >= TYPE_FROM) out.array([], () => {});
  out.tags();
  return out.written;
}

/** Reads the body of a response. */
export function decodeListGroups(
  payload: Buffer,
  version: number,
): { errorCode: number; groups: ListedGroup[]; clientSideThrottleTime: number } {
  const from = new WireReader(payload, version >= FLEXIBLE_FROM);
  const throttle = from.int32();
  const errorCode = from.int16();
  const groups = from.array(() => {
    const groupId = from.string() ?? "";
    const protocolType = from.string() ?? "";
    if (version >= STATE_FROM) from.string(); // its state
    if (version >= TYPE_FROM) from.string(); // and type
    from.tags();
    return { groupId, protocolType };
  });
  from.tags();
  return { errorCode, groups, clientSideThrottleTime: version >= 2 ? throttle : 0 };
}
