/**
 * What the connector does about an error: one table for inputs, outputs and the recovery store.
 *
 * An error goes by its name: the one that the protocol gives it (`wire/error_codes.ts`), else the
 * name of its class in KafkaJS or here. What is not in the table is tried again. That holds for
 * most errors of the protocol, those that it calls fatal too: a broker that restarts, an election,
 * or something between it and us may cause any of them, and a flow should go on by itself when that
 * is over. The names are those of Kafka's protocol guide, "Error Codes"; where KafkaJS has older
 * names, it is those.
 *
 * @module
 */
import { missingRequest } from "../wire/request_versions.ts";
import { denialOf } from "./unreachable.ts";

/** What KafkaJS throws for a request that the broker does not have. */
const MISSING_REQUEST = "KafkaJSServerDoesNotSupportApiKey";

/** The errors that are not only tried again, by what they mean. */
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
  /** No session comes about: TLS or SASL is refused, and would be again. */
  loginRefused: [
    "UNSUPPORTED_SASL_MECHANISM",
    "KafkaJSSASLAuthenticationError",
    "KafkaSecurityError",
  ],
  /** The broker does not have the topic: it was deleted, or is too new for this broker. */
  unknownTopic: ["UNKNOWN_TOPIC_OR_PARTITION"],
  /** The partition has no record at the offset. `auto.offset.reset` says what follows. */
  offsetOutOfRange: ["OFFSET_OUT_OF_RANGE"],
  /**
   * The group, or the transactional id, has no coordinator yet, or the one asked is not it. The
   * next one is there in a moment. `UnknownBrokerError`: the metadata is older than the
   * coordinator.
   */
  notCoordinator: [
    "GROUP_COORDINATOR_NOT_AVAILABLE",
    "GROUP_LOAD_IN_PROGRESS",
    "NOT_COORDINATOR_FOR_GROUP",
    "UnknownBrokerError",
  ],
  /** The group has expelled the member: it joins as a new one. */
  notMember: ["UNKNOWN_MEMBER_ID", "ILLEGAL_GENERATION"],
  /** Another member joins the group: the others have to join again. */
  rebalance: ["REBALANCE_IN_PROGRESS"],
  /** The coordinator still works on the transaction before. It is there, and soon done. */
  transactionPending: ["CONCURRENT_TRANSACTIONS"],
  /** The broker has a batch already: it was written, and the answer was lost (KIP-98). */
  alreadyWritten: ["DUPLICATE_SEQUENCE_NUMBER"],
  /**
   * The broker expects other sequence numbers, or has lost what it knew of the producer. To go on
   * with new ones could lose or repeat records (KIP-98, KIP-360).
   */
  sequenceBroken: [
    "OUT_OF_ORDER_SEQUENCE_NUMBER",
    "UNKNOWN_PRODUCER_ID",
    "INVALID_PRODUCER_ID_MAPPING",
  ],
  /**
   * A newer producer has the id, or a transaction has timed out: writes are refused (KIP-98,
   * KIP-588).
   */
  fenced: ["INVALID_PRODUCER_EPOCH", "PRODUCER_FENCED"],
  /**
   * The transaction is not in a state that allows this, or its timeout is too long for the broker.
   */
  transactionRefused: ["INVALID_TXN_STATE", "INVALID_TRANSACTION_TIMEOUT"],
  /** The topic takes no batch of this size (`max.message.bytes`, `segment.bytes`). */
  tooLarge: ["MESSAGE_TOO_LARGE", "RECORD_LIST_TOO_LARGE"],
  /** One or more records of the batch are at fault (KIP-467). */
  recordRefused: ["INVALID_RECORD", "INVALID_TIMESTAMP"],
  /** A checksum is wrong: in what was sent, or in what the broker has stored. */
  corrupt: ["CORRUPT_MESSAGE"],
  /** The topic does not take a batch like this, whichever records are in it. */
  batchRefused: ["INVALID_REQUIRED_ACKS", "UNSUPPORTED_FOR_MESSAGE_FORMAT"],
  /** A plugin of the broker forbids it: the settings of a new topic, or a batch (KIP-108). */
  againstPolicy: ["POLICY_VIOLATION"],
  /** The broker does not take a setting of a topic. */
  settingRefused: ["INVALID_CONFIG"],
  /** The topic cannot be made, as it is there; while it is being deleted, too. */
  topicExists: ["TOPIC_ALREADY_EXISTS"],
  /** Another broker is the controller now, or it takes longer: topics are made in a moment. */
  notController: ["NOT_CONTROLLER", "REQUEST_TIMED_OUT"],
  /** The cluster has `delete.topic.enable` set to false. */
  deletionDisabled: ["TOPIC_DELETION_DISABLED"],
  /**
   * There are fewer brokers than replicas asked for; before Kafka 2.4, no default number of them.
   */
  replicationRefused: ["INVALID_REPLICATION_FACTOR"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** What an error means to us: `retry` for all that the table does not name. */
export type ErrorKind = keyof typeof KINDS | "retry";

const KIND_BY_NAME: ReadonlyMap<string, ErrorKind> = new Map(
  Object.entries(KINDS).flatMap(([kind, names]) =>
    names.map((name) => [name as string, kind as ErrorKind] as const)
  ),
);

/** The same request will meet these again, whatever it is about. */
const FATAL: ReadonlySet<ErrorKind> = new Set(["denied", "unsupported", "loginRefused"]);

/** The same batch will meet these again, or going on after them could lose or repeat records. */
const FINAL_FOR_WRITES: ReadonlySet<ErrorKind> = new Set([
  "sequenceBroken",
  "fenced",
  "transactionRefused",
  "tooLarge",
  "recordRefused",
  "corrupt",
  "batchRefused",
  "againstPolicy",
]);

/** The name that the protocol or KafkaJS has for an error, such as `UNKNOWN_TOPIC_OR_PARTITION`. */
export function errorName(error: unknown): string {
  const { name, type } = error as { name?: string; type?: string };
  return type ?? name ?? "unknown";
}

/** What an error means to us. */
export function errorKind(error: unknown): ErrorKind {
  return KIND_BY_NAME.get(errorName(error)) ?? "retry";
}

/** Returns whether trying again is of no use, whatever was asked for. */
export function isFatal(error: unknown): boolean {
  // A RangeError: a response that ends too early for what it says it holds.
  return error instanceof RangeError || denialOf(error) !== null || isDenied(error) ||
    FATAL.has(errorKind(error));
}

/** Returns whether a batch that was refused must not be sent again. */
export function isFinalForWrites(error: unknown): boolean {
  return isFatal(error) || FINAL_FOR_WRITES.has(errorKind(error));
}

/**
 * Returns whether a broker was reached, as the error is its answer, or is about what it can answer.
 */
export function isAnswer(error: unknown): boolean {
  const kind = errorKind(error);
  return kind === "denied" || kind === "unsupported";
}

/** Returns whether Deno withholds a permission. KafkaJS keeps only the message of such an error. */
function isDenied(error: unknown): boolean {
  return error instanceof Error && /\bRequires \w+ access to "/.test(error.message);
}

/** Errors whose message says nothing without the request that they answer. */
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
