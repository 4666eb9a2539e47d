/**
 * The FindCoordinator request: which broker keeps a consumer group, or a transactional id.
 *
 * If the broker's answer is an error, KafkaJS's own request drops it. For all errors, it reports
 * that no coordinator was found. So a coordinator that is about to exist looks like a missing
 * permission.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { errorOfCode } from "./error_codes.ts";
import { type RequestBroker, sendRequest } from "./request.ts";
import { WireReader, WireWriter } from "./wire.ts";

/** The kinds of coordinators, by their numbers in the protocol. */
const KEY_TYPES = { group: 0, transaction: 1 } as const;

/** What a coordinator is requested for. */
export interface Coordinated {
  readonly kind: keyof typeof KEY_TYPES;
  /** The group id or transactional id. */
  readonly id: string;
}

const API_KEY = 10;

/** Versions that we write and read. (0 has groups only.) */
const OLDEST = { group: 0, transaction: 1 };
const NEWEST = 4;

const FLEXIBLE_FROM = 3;

/** From this version on, several can be requested at once. */
const BATCHED_FROM = 4;

/**
 * Asks a broker for the node id of a coordinator.
 *
 * @throws {Error} If there is none. The broker may be about to make one.
 */
export async function findCoordinator(broker: RequestBroker, of: Coordinated): Promise<number> {
  const { errorCode, nodeId } = await sendRequest(broker, {
    apiKey: API_KEY,
    apiName: "FindCoordinator",
    oldest: OLDEST[of.kind],
    newest: NEWEST,
    flexibleFrom: FLEXIBLE_FROM,
    encode: (version) => encodeFindCoordinator(of, version),
    decode: decodeFindCoordinator,
  });
  if (errorCode !== 0) throw errorOfCode(errorCode, "FindCoordinator");
  return nodeId;
}

/** The body of a request. */
export function encodeFindCoordinator({ kind, id }: Coordinated, version: number): Buffer {
  const out = new WireWriter(version >= FLEXIBLE_FROM);
  if (version < BATCHED_FROM) out.string(id);
  if (version >= 1) out.int8(KEY_TYPES[kind]);
  if (version >= BATCHED_FROM) out.array([id], (each) => out.string(each));
  out.tags();
  return out.written;
}

/** Reads the body of a response. */
export function decodeFindCoordinator(
  payload: Buffer,
  version: number,
): { errorCode: number; nodeId: number; clientSideThrottleTime: number } {
  const from = new WireReader(payload, version >= FLEXIBLE_FROM);
  const throttle = version >= 1 ? from.int32() : 0;
  const clientSideThrottleTime = version >= 2 ? throttle : 0;
  if (version < BATCHED_FROM) {
    const errorCode = from.int16();
    if (version >= 1) from.string(); // the error in words
    return { errorCode, nodeId: from.int32(), clientSideThrottleTime };
  }
  const [found] = from.array(() => {
    from.string(); // the id
    const nodeId = from.int32();
    from.string(); // the coordinator's host
    from.int32(); // and port
    const errorCode = from.int16();
    from.string(); // the error in words
    from.tags();
    return { errorCode, nodeId };
  });
  if (found === undefined) {
    throw new RangeError("FindCoordinator was answered without a coordinator");
  }
  return { ...found, clientSideThrottleTime };
}
