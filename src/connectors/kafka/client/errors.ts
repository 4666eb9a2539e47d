/**
 * What the connector does about an error: one table for inputs, outputs and the recovery store.
 *
 * An error is identified by its name in the protocol (`wire/error_codes.ts`). Other errors have the
 * name of their class, in KafkaJS or here. Errors that are not in the table are retried. That holds
 * for most errors of the protocol, even for some that it calls fatal. A restarting broker, an
 * election, or a proxy in between can cause any of them, and the flow should then recover by
 * itself. The names are those of Kafka's protocol guide, "Error Codes", or KafkaJS's older ones.
 *
 * @module
 */
import { missingRequest } from "../wire/request_versions.ts";
import { denialOf } from "./unreachable.ts";

/** What KafkaJS throws for a request that the broker does not support. */
const MISSING_REQUEST = "KafkaJSServerDoesNotSupportApiKey";

/** The errors that need more than another attempt, by what they mean. */
const KINDS = {
  /** The broker's ACLs do not allow it. Somebody has to allow it first. */
  denied: [
    "TOPIC_AUTHORIZATION_FAILED",
    "CLUSTER_AUTHORIZATION_FAILED",
    "GROUP_AUTHORIZATION_FAILED",
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
  ],
  /** No broker of this cluster will do it: it is too old, or a name or codec is not valid there. */
  unsupported: [
    "INVALID_TOPIC_EXCEPTION",
    "UNSUPPORTED_VERSION",
    "UNSUPPORTED_COMPRESSION_TYPE",
    "UnsupportedRequestError",
    "KafkaJSNotImplemented",
    MISSING_REQUEST,
  ],
  /** No session can be made: TLS or SASL was refused, and would be refused again. */
  loginRefused: [
    "UNSUPPORTED_SASL_MECHANISM",
    "KafkaJSSASLAuthenticationError",
    "KafkaSecurityError",
  ],
  /** The broker does not have the topic: it was deleted, or the broker has not heard of it yet. */
  unknownTopic: ["UNKNOWN_TOPIC_OR_PARTITION"],
  /** The partition has no record at the offset. `auto.offset.reset` decides what follows. */
  offsetOutOfRange: ["OFFSET_OUT_OF_RANGE"],
  /**
   * The group or transactional id has no coordinator yet, or another broker is it now. It will be
   * there in a moment. `UnknownBrokerError`: our metadata is older than the coordinator.
   */
  notCoordinator: [
    "GROUP_COORDINATOR_NOT_AVAILABLE",
    "GROUP_LOAD_IN_PROGRESS",
    "NOT_COORDINATOR_FOR_GROUP",
    "UnknownBrokerError",
  ],
  /** The group has expelled the member: it joins as a new one. */
  notMember: [
    "UNKNOWN_MEMBER_ID",
    "ILLEGAL_GENERATION",
    "FENCED_MEMBER_EPOCH",
    "STALE_MEMBER_EPOCH",
    "FENCED_INSTANCE_ID",
  ],
  /** The group takes no positions: its name is not valid, or it is a share group. */
  groupRefused: [
    "INVALID_GROUP_ID",
    "GROUP_ID_NOT_FOUND",
    "OFFSET_METADATA_TOO_LARGE",
    "INVALID_COMMIT_OFFSET_SIZE",
  ],
  /** Another member joins the group. All others have to join again. */
  rebalance: ["REBALANCE_IN_PROGRESS"],
  /** The coordinator still works on the transaction before. It is in reach, and soon done. */
  transactionPending: ["CONCURRENT_TRANSACTIONS"],
  /** The broker already has the batch: it was written, and the answer was lost (KIP-98). */
  alreadyWritten: ["DUPLICATE_SEQUENCE_NUMBER"],
  /**
   * The broker expects other sequence numbers, or has lost the state of the producer. Going on with
   * new numbers could lose or repeat records (KIP-98, KIP-360).
   */
  sequenceBroken: [
    "OUT_OF_ORDER_SEQUENCE_NUMBER",
    "UNKNOWN_PRODUCER_ID",
    "INVALID_PRODUCER_ID_MAPPING",
  ],
  /**
   * A newer producer has the id, or a transaction has timed out. Writes are refused (KIP-98,
   * KIP-588).
   */
  fenced: ["INVALID_PRODUCER_EPOCH", "PRODUCER_FENCED"],
  /**
   * The state of the transaction does not allow this, or its timeout is too long for the broker.
   */
  transactionRefused: [
    "INVALID_TXN_STATE",
    "INVALID_TRANSACTION_TIMEOUT",
    "TRANSACTION_ABORTABLE",
  ],
  /** Brokers in reach have not known the topic for long (`deleted_topic.ts`). */
  topicDeleted: ["TopicDeletedError"],
  /** The topic does not accept a batch of this size (`max.message.bytes`, `segment.bytes`). */
  tooLarge: ["MESSAGE_TOO_LARGE", "RECORD_LIST_TOO_LARGE"],
  /** One or more records of the batch are at fault (KIP-467). */
  recordRefused: ["INVALID_RECORD", "INVALID_TIMESTAMP"],
  /** A checksum is wrong, either in what was sent or in what the broker has stored. */
  corrupt: ["CORRUPT_MESSAGE"],
  /** The topic does not accept batches of this kind, whatever records they hold. */
  batchRefused: ["INVALID_REQUIRED_ACKS", "UNSUPPORTED_FOR_MESSAGE_FORMAT"],
  /** A plugin of the broker forbids it: the settings of a new topic, or a batch (KIP-108). */
  againstPolicy: ["POLICY_VIOLATION"],
  /** The broker does not accept a setting of a topic. */
  settingRefused: ["INVALID_CONFIG"],
  /** The topic cannot be created, as it exists or is still being deleted. */
  topicExists: ["TOPIC_ALREADY_EXISTS"],
  /** Another broker is the controller now, or it takes longer. The topic is created in a moment. */
  notController: ["NOT_CONTROLLER", "REQUEST_TIMED_OUT"],
  /** The cluster has `delete.topic.enable` set to false. */
  deletionDisabled: ["TOPIC_DELETION_DISABLED"],
  /**
   * There are fewer brokers than requested replicas; before Kafka 2.4, no default number of them.
   */
  replicationRefused: ["INVALID_REPLICATION_FACTOR"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** What an error means to us; `retry` for all errors that are not in the table. */
export type ErrorKind = keyof typeof KINDS | "retry";

const KIND_BY_NAME: ReadonlyMap<string, ErrorKind> = new Map(
  Object.entries(KINDS).flatMap(([kind, names]) =>
    names.map((name) => [name as string, kind as ErrorKind] as const)
  ),
);

/** The same request will meet these again, whatever it asks for. */
const FATAL: ReadonlySet<ErrorKind> = new Set(["denied", "unsupported", "loginRefused"]);

/** The same batch will meet these again, or going on could lose or repeat records. */
const FINAL_FOR_WRITES: ReadonlySet<ErrorKind> = new Set([
  "sequenceBroken",
  "fenced",
  "transactionRefused",
  "groupRefused",
  "notMember",
  "topicDeleted",
  "tooLarge",
  "recordRefused",
  "corrupt",
  "batchRefused",
  "againstPolicy",
]);

/** The name of an error in the protocol or KafkaJS, such as `UNKNOWN_TOPIC_OR_PARTITION`. */
export function errorName(error: unknown): string {
  const { name, type } = error as { name?: string; type?: string };
  return type ?? name ?? "unknown";
}

/**
 * Asks about a group. Returns `none` if there is none: brokers forget one that has neither members
 * nor positions.
 */
export async function ofGroup<T>(none: T, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (errorName(error) === "GROUP_ID_NOT_FOUND") return none;
    throw error;
  }
}

/** What an error means to us. */
export function errorKind(error: unknown): ErrorKind {
  return KIND_BY_NAME.get(errorName(error)) ?? "retry";
}

/** Returns whether another attempt is useless, whatever was requested. */
export function isFatal(error: unknown): boolean {
  // A RangeError: a response that ends before the lengths in it.
  return error instanceof RangeError || denialOf(error) !== null || isDenied(error) ||
    FATAL.has(errorKind(error));
}

/** Returns whether a batch that was refused must not be sent again. */
export function isFinalForWrites(error: unknown): boolean {
  return isFatal(error) || FINAL_FOR_WRITES.has(errorKind(error));
}

/** Returns whether a broker was reached: the error is its answer, or about what it can answer. */
export function isAnswer(error: unknown): boolean {
  const kind = errorKind(error);
  return kind === "denied" || kind === "unsupported";
}

/** Returns whether Deno withholds a permission. KafkaJS keeps only the message of such an error. */
function isDenied(error: unknown): boolean {
  return error instanceof Error && /\bRequires \w+ access to "/.test(error.message);
}

/** Errors whose message means nothing without the name of the request. */
const VAGUE: ReadonlySet<string> = new Set([
  "UNKNOWN",
  "INVALID_REQUEST",
  "UNSUPPORTED_VERSION",
  "UNSUPPORTED_COMPRESSION_TYPE",
  "KAFKAJS_UNKNOWN_ERROR_CODE",
]);

/** The message of an error, without KafkaJS's class names and its advice to report a bug. */
export function messageOfKafka(error: unknown): string {
  const denial = denialOf(error);
  if (denial !== null) return denial;
  if (!(error instanceof Error)) return String(error);
  const { name, message, apiName } = error as Error & { apiName?: string };
  if (apiName === undefined) return message;
  if (name === MISSING_REQUEST) return missingRequest(apiName).message;
  return VAGUE.has(errorName(error)) ? `${apiName}: ${message}` : message;
}
