/**
 * The InitProducerId request: an id under which a broker knows a producer's batches.
 *
 * KafkaJS's own asks version 1 at most, which not every broker has.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { errorOfCode } from "./error_codes.ts";
import { type RequestBroker, sendRequest } from "./request.ts";
import { WireReader, WireWriter } from "./wire.ts";

/** What an idempotent producer is known by. */
export interface ProducerIdentity {
  readonly producerId: bigint;
  readonly producerEpoch: number;
}

/** Who asks. */
export interface ProducerRequest {
  /** `null` for writes outside of transactions, for which any broker can be asked. */
  readonly transactionalId: string | null;
  /** How long a transaction may take, in milliseconds. Of no meaning without an id. */
  readonly transactionTimeoutMs: number;
}

const API_KEY = 22;

/** Versions that we write and read. (5 and 6 only add to transactions what we do not use.) */
const OLDEST = 0;
const NEWEST = 4;

const FLEXIBLE_FROM = 2;

/** What brokers say that do not have what was asked for. */
const NOT_THERE: ReadonlySet<string> = new Set(["UNKNOWN", "UNSUPPORTED_VERSION"]);

/**
 * Asks a broker for a producer id; with a transactional id, the coordinator of its transactions.
 *
 * @throws {Error} If the broker gives none.
 */
export async function initProducerId(
  broker: RequestBroker,
  request: ProducerRequest,
): Promise<ProducerIdentity> {
  const { errorCode, producerId, producerEpoch } = await sendRequest(broker, {
    apiKey: API_KEY,
    apiName: "InitProducerId",
    oldest: OLDEST,
    newest: NEWEST,
    flexibleFrom: FLEXIBLE_FROM,
    encode: (version) => encodeInitProducerId(request, version),
    decode: decodeInitProducerId,
  });
  if (errorCode === 0) return { producerId, producerEpoch };
  const error = errorOfCode(errorCode, "InitProducerId");
  if (NOT_THERE.has(error.type)) {
    error.message += request.transactionalId === null
      ? `: if the broker has no idempotent writes, set "enable.idempotence" to false (a retry may ` +
        "then repeat records)"
      : ": if the broker has no transactions, keep state in a file instead (--recovery PATH)";
  }
  throw error;
}

/** The body of a request. */
export function encodeInitProducerId(
  { transactionalId, transactionTimeoutMs }: ProducerRequest,
  version: number,
): Buffer {
  const out = new WireWriter(version >= FLEXIBLE_FROM);
  out.string(transactionalId);
  out.int32(transactionTimeoutMs);
  if (version >= 3) {
    out.int64(-1n); // we go on with no id that we had before,
    out.int16(-1); // and no epoch
  }
  out.tags();
  return out.written;
}

/** Reads the body of a response. */
export function decodeInitProducerId(
  payload: Buffer,
  version: number,
): ProducerIdentity & { errorCode: number; clientSideThrottleTime: number } {
  const from = new WireReader(payload, version >= FLEXIBLE_FROM);
  const throttle = from.int32();
  const errorCode = from.int16();
  const producerId = from.int64();
  const producerEpoch = from.int16();
  return {
    errorCode,
    producerId,
    producerEpoch,
    clientSideThrottleTime: version >= 1 ? throttle : 0,
  };
}
