/**
 * The ApiVersions request with the features that a cluster has finalized. KafkaJS's own is older,
 * and returns only versions of requests.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { errorOfCode } from "./error_codes.ts";
import { type RequestBroker, sendRequest } from "./request.ts";
import { WireReader, WireWriter } from "./wire.ts";

const API_KEY = 18;
const API_NAME = "ApiVersions";

/** The version that we write and read, the first with features (Kafka 2.4). */
const VERSION = 3;

const FLEXIBLE_FROM = 3;

/** The tag of the finalized features. */
const FINALIZED_FEATURES = 2;

/**
 * The levels of the features that a cluster has finalized, by their names, such as
 * `streams.version`. None if it has finalized nothing.
 *
 * @throws {Error} If the broker refuses, or does not know this version of the request.
 */
export async function finalizedFeatures(
  broker: RequestBroker,
): Promise<ReadonlyMap<string, number>> {
  const { errorCode, features } = await sendRequest(broker, {
    apiKey: API_KEY,
    apiName: API_NAME,
    oldest: VERSION,
    newest: VERSION,
    flexibleFrom: FLEXIBLE_FROM,
    plainResponse: true,
    encode: encodeApiVersions,
    decode: decodeApiVersions,
  });
  if (errorCode !== 0) throw errorOfCode(errorCode, API_NAME);
  return features;
}

/** The body of a request. */
export function encodeApiVersions(): Buffer {
  const out = new WireWriter(true);
  out.string("millrace");
  out.string("0"); // the broker accepts letters, digits, dots and dashes
  out.tags();
  return out.written;
}

/** Reads the body of a response. */
export function decodeApiVersions(payload: Buffer): {
  errorCode: number;
  features: ReadonlyMap<string, number>;
  clientSideThrottleTime: number;
} {
  const from = new WireReader(payload, true);
  const features = new Map<string, number>();
  const errorCode = from.int16();
  from.array(() => {
    from.int16(); // the request's key
    from.int16(); // the versions that the broker accepts, first
    from.int16(); // and last
    from.tags();
  });
  const clientSideThrottleTime = from.int32();
  from.tags({
    [FINALIZED_FEATURES]: (field) => {
      field.array(() => {
        const name = field.string() ?? "";
        const level = field.int16();
        field.int16(); // the lowest level of any broker
        field.tags();
        features.set(name, level);
      });
    },
  });
  return { errorCode, features, clientSideThrottleTime };
}
