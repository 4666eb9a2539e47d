/**
 * The InitProducerId request: an id by which a broker recognises a producer's batches.
 *
 * KafkaJS's own supports version 1 at most, which not every broker has.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { errorOfCode } from "./error_codes.ts";
import { type RequestBroker, sendRequest } from "./request.ts";
import { WireReader, WireWriter } from "./wire.ts";

/** What identifies an idempotent producer. */
export interface ProducerIdentity {
  readonly producerId: bigint;
  readonly producerEpoch: number;
}

/** What identifies a transaction, for as long as its producer begins no other. */
export interface TransactionIdentity extends ProducerIdentity {
  readonly transactionalId: string;
}

/** The producer that requests an id. */
export interface ProducerRequest {
  /** `null` for writes outside of transactions; then any broker can be asked. */
  readonly transactionalId: string | null;
  /** How long a transaction may take, in milliseconds. It has no meaning without an id. */
  readonly transactionTimeoutMs: number;
  /**
   * The identity that the transactional id has had. If another producer has acquired the id since,
   * the broker refuses. Before Kafka 2.5, a broker cannot compare, and does not refuse. It is
   * absent for a producer that acquires the id from any other.
   */
  readonly continues?: ProducerIdentity;
}

const API_KEY = 22;

/** Versions that we write and read. (5 and 6 only add to transactions what we do not use.) */
const OLDEST = 0;
const NEWEST = 4;

const FLEXIBLE_FROM = 2;

/** The answers of brokers that do not support the request. */
const NOT_THERE: ReadonlySet<string> = new Set(["UNKNOWN", "UNSUPPORTED_VERSION"]);

/**
 * Requests a producer id. With a transactional id, `broker` is the coordinator of its transactions.
 *
 * @throws {Error} If the broker returns none.
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
      : `: if the broker has no transactions, leave out "delivery" for an output; for a store on ` +
        "Kafka, keep state in a file instead (--recovery PATH); for a group of machines, whatever " +
        "its --guarantee, run the flow without --group";
  }
  throw error;
}

/** The body of a request. */
export function encodeInitProducerId(
  { transactionalId, transactionTimeoutMs, continues }: ProducerRequest,
  version: number,
): Buffer {
  const out = new WireWriter(version >= FLEXIBLE_FROM);
  out.string(transactionalId);
  out.int32(transactionTimeoutMs);
  if (version >= 3) {
    out.int64(continues?.producerId ?? -1n);
    out.int16(continues?.producerEpoch ?? -1);
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
