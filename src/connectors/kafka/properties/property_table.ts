/**
 * librdkafka's properties: what each means here. It is only data; the list for users is made from
 * it (`docs/kafka_properties.md`).
 *
 * The names are those of librdkafka's `CONFIGURATION.md`, version 2.16. If a property has an
 * equivalent, its range is librdkafka's and its default is ours.
 *
 * @module
 */
import {
  choice,
  exactlyOneOf,
  flag,
  kibibytes,
  milliseconds,
  oneOf,
  only,
  path,
  pem,
  text,
  tokenCallback,
  type Values,
  whole,
} from "./property_values.ts";

/** A property that has an equivalent. */
export interface Property {
  /** What it sets, in a few words. */
  readonly sets: string;
  readonly values: Values<unknown>;
  /** Its default, in the form in which it would be given. */
  readonly default?: string;
  /** Other names for the same. */
  readonly aliases?: readonly string[];
  /** Whether its value must not be shown. */
  readonly secret?: true;
}

/** Properties by name. */
export type Properties = Readonly<Record<string, Property>>;

/** The largest number that librdkafka accepts for most properties. */
const MOST = 2_147_483_647;

/** How to connect: for inputs and outputs. */
export const CONNECTION = {
  "client.id": { sets: "who we are in the broker's logs", values: text(), default: "millrace" },
  "security.protocol": {
    sets: "whether TLS and SASL are used",
    values: oneOf("plaintext", "ssl", "sasl_plaintext", "sasl_ssl"),
    default: "plaintext",
  },
  // A key may have been given in place of a path by mistake.
  "ssl.ca.location": {
    sets: "who signed the broker's certificate, as a file",
    values: path(),
    secret: true,
  },
  "ssl.ca.pem": { sets: "the same as text", values: pem(), secret: true },
  "ssl.certificate.location": { sets: "our certificate, as a file", values: path(), secret: true },
  "ssl.certificate.pem": { sets: "the same as text", values: pem(), secret: true },
  "ssl.key.location": { sets: "our certificate's key, as a file", values: path(), secret: true },
  "ssl.key.pem": { sets: "the same as text", values: pem(), secret: true },
  "ssl.key.password": { sets: "what that key is encrypted with", values: text(), secret: true },
  "enable.ssl.certificate.verification": {
    sets: "whether the broker's certificate is checked",
    values: flag(),
    default: "true",
  },
  "ssl.endpoint.identification.algorithm": {
    sets: "whether the broker's host name is checked",
    values: only("https", "the name is checked together with the certificate"),
    default: "https",
  },
  "sasl.mechanism": {
    sets: "how we prove who we are",
    values: choice([
      ["PLAIN", "plain"],
      ["SCRAM-SHA-256", "scram-sha-256"],
      ["SCRAM-SHA-512", "scram-sha-512"],
      ["OAUTHBEARER", "oauthbearer"],
    ]),
    aliases: ["sasl.mechanisms"],
  },
  "sasl.username": { sets: "the user, for PLAIN and SCRAM", values: text() },
  "sasl.password": { sets: "the user's password", values: text(), secret: true },
  "oauthbearer_token_refresh_cb": {
    sets: "the function that returns tokens for OAUTHBEARER",
    values: tokenCallback(),
    secret: true,
  },
  "sasl.oauthbearer.method": {
    sets: "where tokens come from",
    values: only("default", "from oauthbearer_token_refresh_cb"),
    default: "default",
  },
  "socket.timeout.ms": {
    sets: "how long the broker may take to answer",
    values: whole("milliseconds", 10, 300_000),
    default: "30000",
  },
  "socket.connection.setup.timeout.ms": {
    sets: "how long connecting may take, TLS and SASL included",
    values: whole("milliseconds", 1_000, MOST),
    default: "10000",
  },
  "socket.nagle.disable": {
    sets: "whether small packets are sent at once (TCP_NODELAY)",
    values: flag(),
    default: "true",
  },
  "socket.keepalive.enable": {
    sets: "whether idle connections are kept alive",
    values: only("true", "they always are"),
    default: "true",
  },
  "broker.address.family": {
    sets: "which addresses of the broker's are used",
    values: choice([["any", 0], ["v4", 4], ["v6", 6]]),
    default: "any",
  },
  "retry.backoff.ms": {
    sets: "the pause after an error; it doubles with each in a row",
    values: whole("milliseconds", 1, 300_000),
    default: "100",
    aliases: ["reconnect.backoff.ms"],
  },
  "retry.backoff.max.ms": {
    sets: "the longest such pause",
    values: whole("milliseconds", 1, 300_000),
    default: "2000",
    aliases: ["reconnect.backoff.max.ms"],
  },
  "topic.metadata.refresh.interval.ms": {
    sets: "how old the metadata of partitions and leaders may be",
    values: whole("milliseconds", 1, 3_600_000),
    default: "30000",
    aliases: ["metadata.max.age.ms"],
  },
  "topic.metadata.refresh.sparse": {
    sets: "whether brokers are asked about our topic alone",
    values: only("true", "they are asked about no other"),
    default: "true",
  },
  "metadata.recovery.strategy": {
    sets: "what to do if no known broker is in reach",
    values: only("rebootstrap", "one of the given brokers is tried again"),
    default: "rebootstrap",
  },
  "max.in.flight.requests.per.connection": {
    sets: "how many requests are in flight to a broker",
    values: only("1", "more could lose or reorder records when an answer is lost"),
    default: "1",
    aliases: ["max.in.flight"],
  },
  "allow.auto.create.topics": {
    sets: "whether a missing topic is made",
    values: only("false", "a topic must exist: create it first"),
    default: "false",
  },
  "api.version.request": {
    sets: "whether the broker is asked which requests it knows",
    values: only("true", "it always is"),
    default: "true",
  },
  "statistics.interval.ms": {
    sets: "how often librdkafka's statistics are emitted",
    values: only("0", "there are none"),
    default: "0",
  },
  "enable.metrics.push": {
    sets: "whether the broker is sent metrics",
    values: only("false", "none are"),
    default: "false",
  },
} as const satisfies Properties;

/** How to read. */
export const INPUT = {
  "group.id": {
    sets: "the group under which positions are committed to the broker; it is never joined",
    values: text(),
  },
  "isolation.level": {
    sets: "whether records of open and aborted transactions are left out",
    values: oneOf("read_committed", "read_uncommitted"),
    default: "read_committed",
  },
  "auto.offset.reset": {
    sets: "where to continue if the broker lacks a position, or the topic was created again",
    values: choice([
      ["error", "error"],
      ["earliest", "beginning"],
      ["smallest", "beginning"],
      ["beginning", "beginning"],
      ["latest", "end"],
      ["largest", "end"],
      ["end", "end"],
    ]),
    default: "error",
  },
  "fetch.wait.max.ms": {
    sets: "how long the broker may wait for `fetch.min.bytes`",
    values: whole("milliseconds", 0, 300_000),
    default: "250",
  },
  "fetch.min.bytes": {
    sets: "how much to wait for",
    values: whole("bytes", 0, MOST),
    default: "1",
  },
  "fetch.max.bytes": {
    sets: "the most in one answer",
    values: whole("bytes", 0, 2_147_483_135),
    default: String(16 << 20),
  },
  "max.partition.fetch.bytes": {
    sets: "the most of a partition in one answer; a larger record still comes, alone",
    values: whole("bytes", 1, 1_000_000_000),
    default: String(1 << 20),
    aliases: ["fetch.message.max.bytes"],
  },
  "queued.max.messages.kbytes": {
    sets: "how much may wait for the flow before no more is fetched",
    values: kibibytes(1, 2_097_151),
    default: String(16 << 10),
  },
  "check.crcs": {
    sets: "whether the checksums of what is read are checked",
    values: flag(),
    default: "true",
  },
  "enable.auto.commit": {
    sets: "whether reading alone commits positions",
    values: only("false", "positions belong to an epoch, and are kept with it"),
    default: "false",
    aliases: ["auto.commit.enable"],
  },
  "enable.partition.eof": {
    sets: "whether a partition's end is an event",
    values: only("false", "tail: false ends a flow where its partitions end"),
    default: "false",
  },
} as const satisfies Properties;

/** How to write. */
export const OUTPUT = {
  "acks": {
    sets: "who acknowledges a record: all in-sync replicas, or the partition's leader alone",
    values: choice([["all", "all"], ["-1", "all"], ["1", "leader"]]),
    default: "all",
    aliases: ["request.required.acks"],
  },
  "enable.idempotence": {
    sets: "whether the broker recognises a batch that is sent again; by default if acks is all",
    values: flag(),
  },
  "compression.type": {
    sets: "how batches are compressed",
    values: oneOf("none", "gzip", "snappy", "lz4", "zstd"),
    default: "none",
    aliases: ["compression.codec"],
  },
  "compression.level": {
    sets: "how hard gzip (1 to 9) and zstd (1 to 12) try; -1 leaves it to them",
    values: whole("", -1, 12),
    default: "-1",
  },
  "linger.ms": {
    sets: "how long a record may wait for others",
    values: milliseconds(0, 900_000),
    default: "0",
    aliases: ["queue.buffering.max.ms"],
  },
  "batch.size": {
    sets: "the most in a batch of several records",
    values: whole("bytes", 1, MOST),
    default: "900000",
  },
  "batch.num.messages": {
    sets: "the most records in a batch",
    values: whole("records", 1, 1_000_000),
    default: "10000",
  },
  "queue.buffering.max.kbytes": {
    sets:
      "how much may wait before the flow is pushed back; less, if sending it takes over a second",
    values: kibibytes(1, MOST),
    default: String(16 << 10),
  },
  "queue.buffering.max.messages": {
    sets: "how many may wait before the flow is pushed back; 0 for any number",
    values: whole("records", 0, MOST, Infinity),
    default: "0",
  },
  "message.max.bytes": {
    sets: "the most in a batch, and in a record; by default the topic's limit",
    values: whole("bytes", 1_000, 1_000_000_000),
  },
  "message.timeout.ms": {
    sets: "how long a record may wait for its acknowledgement before the run fails; 0 for ever",
    values: whole("milliseconds", 0, MOST, Infinity),
    default: "120000",
    aliases: ["delivery.timeout.ms"],
  },
  "request.timeout.ms": {
    sets: "how long the leader may wait for the other replicas",
    values: whole("milliseconds", 1, 900_000),
    default: "30000",
  },
  "message.send.max.retries": {
    sets: "how often a batch is tried again; by default until `message.timeout.ms`",
    values: whole("times", 0, MOST),
    aliases: ["retries"],
  },
  "partitioner": {
    sets: "which partition a key goes to",
    values: exactlyOneOf(
      "murmur2_random",
      "murmur2",
      "consistent_random",
      "consistent",
      "fnv1a_random",
      "fnv1a",
      "random",
    ),
    default: "murmur2_random",
  },
  "transactional.id": {
    sets: "what transactional ids begin with, for exactly-once; by default `millrace.STEP`",
    values: text(),
  },
  "transaction.timeout.ms": {
    sets: "how long the broker keeps a transaction open, for exactly-once",
    values: whole("milliseconds", 1_000, MOST),
    default: "900000",
  },
  "queuing.strategy": {
    sets: "which of the waiting records is sent first",
    values: only("fifo", "records keep their order"),
    default: "fifo",
  },
} as const satisfies Properties;
