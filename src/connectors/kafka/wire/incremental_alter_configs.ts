/**
 * The IncrementalAlterConfigs request, for the settings of a group (KIP-848, KIP-1071).
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { errorOfCode } from "./error_codes.ts";
import { type RequestBroker, sendRequest } from "./request.ts";
import { WireReader, WireWriter } from "./wire.ts";
import { WrongAnswerError } from "./wrong_answer.ts";

/** The kind of resource that a group is, in the protocol. */
const GROUP = 32;

/** The operation that sets a value. */
const SET = 0;

const API_KEY = 44;
const API_NAME = "IncrementalAlterConfigs";

/** The version that we write and read. */
const VERSION = 1;

const FLEXIBLE_FROM = 1;

/**
 * Sets settings of a group, such as `streams.session.timeout.ms`. Others stay as they are.
 *
 * @throws {Error} If the broker refuses one. Its message names the limits of the cluster.
 */
export async function setGroupConfigs(
  broker: RequestBroker,
  groupId: string,
  configs: Readonly<Record<string, string>>,
): Promise<void> {
  const { results } = await sendRequest(broker, {
    apiKey: API_KEY,
    apiName: API_NAME,
    oldest: VERSION,
    newest: VERSION,
    flexibleFrom: FLEXIBLE_FROM,
    encode: () => encodeSetGroupConfigs(groupId, configs),
    decode: decodeIncrementalAlterConfigs,
  });
  const answered = results.find(({ type, name }) => type === GROUP && name === groupId);
  if (answered === undefined) {
    throw new WrongAnswerError(API_NAME, `does not name group "${groupId}"`);
  }
  const { errorCode, errorMessage } = answered;
  if (errorCode === 0) return;
  const cause = errorOfCode(errorCode, API_NAME);
  throw errorMessage === null
    ? cause
    : new Error(`the broker refuses a setting of group "${groupId}": ${errorMessage}`, { cause });
}

/** The body of a request. */
export function encodeSetGroupConfigs(
  groupId: string,
  configs: Readonly<Record<string, string>>,
): Buffer {
  const out = new WireWriter(true);
  out.array([groupId], (name) => {
    out.int8(GROUP);
    out.string(name);
    out.array(Object.entries(configs), ([key, value]) => {
      out.string(key);
      out.int8(SET);
      out.string(value);
      out.tags();
    });
    out.tags();
  });
  out.boolean(false); // not only to check them
  out.tags();
  return out.written;
}

/** Reads the body of a response. */
export function decodeIncrementalAlterConfigs(payload: Buffer): {
  results: { errorCode: number; errorMessage: string | null; type: number; name: string }[];
  clientSideThrottleTime: number;
} {
  const from = new WireReader(payload, true);
  const clientSideThrottleTime = from.int32();
  const results = from.array(() => {
    const errorCode = from.int16();
    const errorMessage = from.string();
    const type = from.int8();
    const name = from.string() ?? "";
    from.tags();
    return { errorCode, errorMessage, type, name };
  });
  return { results, clientSideThrottleTime };
}
