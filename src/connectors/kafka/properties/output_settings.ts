/**
 * The settings of writing, from the properties.
 *
 * @module
 */
import { type ConnectionSettings, connectionSettings } from "./connection_settings.ts";
import { type GivenProperties, givenToOutput, type KafkaProperties } from "./given_properties.ts";
import type { Delivery } from "./options.ts";
import type { OUTPUT } from "./property_table.ts";

/** Who acknowledges a record: all in-sync replicas, or the partition's leader alone. */
export type Acks = "all" | "leader";

/** librdkafka's name of a codec. */
export type CompressionType = "none" | "gzip" | "snappy" | "lz4" | "zstd";

/** librdkafka's name of a partitioner. */
export type PartitionerName =
  /** By murmur2; records without a key go anywhere. Java's default, and ours. */
  | "murmur2_random"
  /** By murmur2; records without a key go where an empty key goes. */
  | "murmur2"
  /** By CRC-32; records without a key, or with an empty one, go anywhere. librdkafka's default. */
  | "consistent_random"
  /** By CRC-32; records without a key, or with an empty one, go to partition 0. */
  | "consistent"
  /** By FNV-1a, as Sarama; records without a key go anywhere. */
  | "fnv1a_random"
  /** By FNV-1a, as Sarama; records without a key go where an empty key goes. */
  | "fnv1a"
  /** Each record anywhere, whatever its key. */
  | "random";

/** How to write. */
export interface OutputSettings extends ConnectionSettings {
  readonly acks: Acks;
  /** Whether the broker recognises a batch that is sent again. Only if `acks` is `all`. */
  readonly idempotent: boolean;
  readonly compression: CompressionType;
  /** How hard `gzip` or `zstd` tries; each has its own default. */
  readonly compressionLevel?: number;
  /** How long a record may wait for others, in milliseconds; may be a fraction of one. */
  readonly lingerMs: number;
  /** The most bytes in a batch of several records. Not above {@linkcode messageMaxBytes}. */
  readonly batchBytes: number;
  /** The most records in a batch. */
  readonly batchRecords: number;
  /** How many bytes may wait before the flow is held back. */
  readonly queuedMaxBytes: number;
  /** How many records may wait before the flow is held back; `Infinity` for any number. */
  readonly queuedMaxRecords: number;
  /** The most bytes in a record; `null` for the topic's limit. */
  readonly messageMaxBytes: number | null;
  /** How long a record may wait for its acknowledgement, in milliseconds; `Infinity` for ever. */
  readonly deliveryTimeoutMs: number;
  /** How long the leader may wait for the other replicas, in milliseconds. */
  readonly ackTimeoutMs: number;
  /** How often a batch is tried again; `Infinity` if only the time is limited. */
  readonly maxRetries: number;
  readonly partitioner: PartitionerName;
  /** `null` if records are written outside of transactions. */
  readonly transactions: TransactionSettings | null;
}

/** How to write in transactions. */
export interface TransactionSettings {
  /** How long the broker keeps a transaction open, in milliseconds. */
  readonly timeoutMs: number;
  /** What transactional ids begin with; `null` for our default. */
  readonly idPrefix: string | null;
}

type Given = GivenProperties<typeof OUTPUT>;

/**
 * Reads the properties of an output.
 *
 * @throws {TypeError} If one is not known, not for outputs, has a bad value, or contradicts another
 * or `delivery`. Names it and the cure.
 */
export function readOutputProperties(
  properties: KafkaProperties = {},
  delivery: Delivery = "at-least-once",
): OutputSettings {
  const given = givenToOutput(properties);
  const messageMaxBytes = given.get("message.max.bytes") ?? null;
  return {
    ...connectionSettings(given),
    acks: given.get("acks"),
    idempotent: idempotenceOf(given),
    ...compressionOf(given),
    ...timesOf(given),
    batchBytes: Math.min(given.get("batch.size"), messageMaxBytes ?? Infinity),
    batchRecords: given.get("batch.num.messages"),
    queuedMaxBytes: given.get("queue.buffering.max.kbytes"),
    queuedMaxRecords: given.get("queue.buffering.max.messages"),
    messageMaxBytes,
    ackTimeoutMs: given.get("request.timeout.ms"),
    maxRetries: given.get("message.send.max.retries") ?? Infinity,
    partitioner: given.get("partitioner"),
    transactions: delivery === "exactly-once" ? transactionsOf(given) : withoutTransactions(given),
  };
}

const EXACTLY_ONCE = `delivery: "exactly-once"`;

function transactionsOf(given: Given): TransactionSettings {
  const acks = given.givenAs("acks") ?? "acks";
  // 1 is the only other value that an output accepts.
  if (given.get("acks") !== "all") {
    throw new TypeError(`${EXACTLY_ONCE} needs "${acks}": all, not 1`);
  }
  if (!idempotenceOf(given)) {
    throw new TypeError(`${EXACTLY_ONCE} needs "enable.idempotence": true, which is the default`);
  }
  return {
    timeoutMs: given.get("transaction.timeout.ms"),
    idPrefix: given.get("transactional.id") ?? null,
  };
}

function withoutTransactions(given: Given): null {
  for (const name of ["transactional.id", "transaction.timeout.ms"] as const) {
    if (given.givenAs(name) === undefined) continue;
    throw new TypeError(`Kafka property "${name}" has an effect only with ${EXACTLY_ONCE}`);
  }
  return null;
}

/** The broker only keeps the state to recognise batches if all replicas have it. */
function idempotenceOf(given: Given): boolean {
  const all = given.get("acks") === "all";
  const wanted = given.get("enable.idempotence");
  if (wanted === true && !all) {
    throw new TypeError(
      `Kafka property "enable.idempotence" is only of use with "${given.givenAs("acks")}": all`,
    );
  }
  const retries = given.givenAs("message.send.max.retries");
  if (wanted === true && retries !== undefined && given.get("message.send.max.retries") === 0) {
    throw new TypeError(
      `Kafka property "enable.idempotence" is only of use with "${retries}" of 1 or more`,
    );
  }
  return wanted ?? all;
}

/** The levels of each codec, as far as librdkafka's range goes. */
const LEVELS: Readonly<Partial<Record<CompressionType, readonly [least: number, most: number]>>> = {
  gzip: [1, 9],
  zstd: [1, 12],
};

function compressionOf(given: Given): { compression: CompressionType; compressionLevel?: number } {
  const compression = given.get("compression.type");
  const level = given.get("compression.level");
  if (level === -1) return { compression };
  const levels = LEVELS[compression];
  if (levels === undefined) {
    throw new TypeError(
      `Kafka property "compression.level" has no effect on "compression.type": ${compression}; it is for ` +
        Object.keys(LEVELS).join(" and "),
    );
  }
  const [least, most] = levels;
  if (level < least || level > most) {
    throw new TypeError(
      `Kafka property "compression.level" takes ${least} to ${most} for ${compression}; got ${level}`,
    );
  }
  return { compression, compressionLevel: level };
}

function timesOf(given: Given): { lingerMs: number; deliveryTimeoutMs: number } {
  const lingerMs = given.get("linger.ms");
  const deliveryTimeoutMs = given.get("message.timeout.ms");
  if (lingerMs >= deliveryTimeoutMs) {
    const longer = given.givenAs("message.timeout.ms") ?? "message.timeout.ms";
    throw new TypeError(
      `Kafka property "${given.givenAs("linger.ms") ?? "linger.ms"}" is ${lingerMs}: it must be ` +
        `less than "${longer}", ${deliveryTimeoutMs}`,
    );
  }
  return { lingerMs, deliveryTimeoutMs };
}
