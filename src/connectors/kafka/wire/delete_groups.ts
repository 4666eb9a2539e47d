/**
 * The DeleteGroups request: deletes a group without members, with all its offsets. It is for groups
 * of any protocol.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { errorOfCode } from "./error_codes.ts";
import { type RequestBroker, sendRequest } from "./request.ts";
import { WireReader, WireWriter } from "./wire.ts";
import { WrongAnswerError } from "./wrong_answer.ts";

const API_KEY = 42;
const API_NAME = "DeleteGroups";

/** Versions that we write and read. */
const OLDEST = 0;
const NEWEST = 2;

const FLEXIBLE_FROM = 2;

/**
 * Deletes a group. `broker` is its coordinator.
 *
 * @throws {Error} If the broker refuses: `NON_EMPTY_GROUP` if it has members, `GROUP_ID_NOT_FOUND`
 * if it does not exist.
 */
export async function deleteGroup(broker: RequestBroker, groupId: string): Promise<void> {
  const { results } = await sendRequest(broker, {
    apiKey: API_KEY,
    apiName: API_NAME,
    oldest: OLDEST,
    newest: NEWEST,
    flexibleFrom: FLEXIBLE_FROM,
    encode: (version) => encodeDeleteGroups(groupId, version),
    decode: decodeDeleteGroups,
  });
  const found = results.find((result) => result.groupId === groupId);
  if (found === undefined) throw new WrongAnswerError(API_NAME, `does not name group "${groupId}"`);
  if (found.errorCode !== 0) throw errorOfCode(found.errorCode, API_NAME);
}

/** The body of a request. */
export function encodeDeleteGroups(groupId: string, version: number): Buffer {
  const out = new WireWriter(version >= FLEXIBLE_FROM);
  out.array([groupId], (each) => out.string(each));
  out.tags();
  return out.written;
}

/** Reads the body of a response. */
export function decodeDeleteGroups(payload: Buffer, version: number): {
  results: { groupId: string; errorCode: number }[];
  clientSideThrottleTime: number;
} {
  const from = new WireReader(payload, version >= FLEXIBLE_FROM);
  const throttle = from.int32();
  const results = from.array(() => {
    const groupId = from.string() ?? "";
    const errorCode = from.int16();
    from.tags();
    return { groupId, errorCode };
  });
  from.tags();
  return { results, clientSideThrottleTime: version >= 1 ? throttle : 0 };
}
