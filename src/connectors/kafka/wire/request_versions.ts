/**
 * Which version of a request to send, and what it means if there is none.
 *
 * @module
 */

/** The versions of a request that a broker accepts. */
export interface VersionRange {
  /** Absent if the broker does not report it. */
  readonly minVersion?: number;
  readonly maxVersion: number;
}

/** The versions of each request that a broker accepts, by the request's key. */
export type BrokerVersions = Readonly<Record<number, VersionRange | undefined>>;

/** The versions of a request that we can write and read. */
export interface KnownVersions {
  readonly apiKey: number;
  readonly apiName: string;
  readonly oldest: number;
  readonly newest: number;
}

const STATE_IN_A_FILE = "keep state in a file instead (--recovery PATH)";
const AT_LEAST_ONCE = `an output that is exactly-once needs transactions: leave out "delivery"`;
const GROUP = "so does a group of machines, whatever its --guarantee: run the flow without --group";
const TRANSACTIONS = `${AT_LEAST_ONCE}; so does a store on Kafka: ${STATE_IN_A_FILE}; ${GROUP}`;
const OFFSETS = `${AT_LEAST_ONCE}; ${GROUP}`;
const GROUPS = `a store on Kafka needs consumer groups: ${STATE_IN_A_FILE}`;

/** What to do without a request, by our names and those of KafkaJS. */
const CURES: Readonly<Record<string, string>> = {
  InitProducerId: `for an output, set "enable.idempotence" to false (a retry may then repeat ` +
    `records); ${TRANSACTIONS}`,
  AddPartitionsToTxn: TRANSACTIONS,
  EndTxn: TRANSACTIONS,
  AddOffsetsToTxn: OFFSETS,
  TxnOffsetCommit: OFFSETS,
  CreateTopics: `make the store's topics with the broker's own tools, or ${STATE_IN_A_FILE}`,
  DeleteTopics: "delete the topics with the broker's own tools",
  DescribeConfigs: `a store on Kafka needs it to check its topics: ${STATE_IN_A_FILE}`,
  FindCoordinator: `leave out "group.id"; ${GROUPS}`,
  OffsetCommit: `leave out "group.id"`,
  OffsetFetch: "a group of machines needs Kafka 2.5 or newer: run the flow without --group",
  DeleteRecords: "delete old records of shuffle topics with the broker's own tools",
  StreamsGroupHeartbeat: "it needs Kafka 4.2 or newer: choose the classic protocol",
  StreamsGroupDescribe: "it needs Kafka 4.2 or newer: choose the classic protocol",
  IncrementalAlterConfigs: "set the group's settings with the broker's own tools",
  ListGroups: "look at the group with the broker's own tools",
  DescribeGroups: "look at the group with the broker's own tools",
  DeleteGroups: "delete the group with the broker's own tools",
  JoinGroup: GROUPS,
  SyncGroup: GROUPS,
  Heartbeat: GROUPS,
  LeaveGroup: GROUPS,
  Metadata:
    "is this the port of a KRaft controller? Give the port that clients use, that of a broker",
};

/** A broker does not accept a request in any of our versions. Another attempt would fail too. */
export class UnsupportedRequestError extends Error {
  override readonly name = "UnsupportedRequestError";
}

/** What to do without a request; `null` if nothing works without it. */
export function cureFor(apiName: string): string | null {
  return CURES[apiName] ?? null;
}

/** The error for a request that a broker does not support. */
export function missingRequest(apiName: string): UnsupportedRequestError {
  const cure = cureFor(apiName);
  return new UnsupportedRequestError(
    `the broker does not have the request ${apiName}` + (cure === null ? "" : `: ${cure}`),
  );
}

/**
 * The newest version that both sides know.
 *
 * @throws {UnsupportedRequestError} If there is none.
 */
export function versionFor(
  { apiKey, apiName, oldest, newest }: KnownVersions,
  versions: BrokerVersions,
): number {
  const taken = versions[apiKey];
  if (taken === undefined) throw missingRequest(apiName);
  const version = Math.min(newest, taken.maxVersion);
  if (version < oldest) {
    throw new UnsupportedRequestError(
      `the broker is too old: it accepts the request ${apiName} up to version ${taken.maxVersion}, ` +
        `and we need ${oldest} (Kafka 0.11 or newer has it)`,
    );
  }
  requireTaken(apiName, version, taken);
  return version;
}

/**
 * Makes sure that a broker has not dropped a version.
 *
 * @throws {UnsupportedRequestError} If it has.
 */
export function requireTaken(
  apiName: string,
  version: number,
  { minVersion = 0 }: VersionRange,
): void {
  if (version >= minVersion) return;
  throw new UnsupportedRequestError(
    `the broker accepts the request ${apiName} from version ${minVersion} on, and this Millrace ` +
      `knows it up to ${version}: use a newer Millrace, or an older broker`,
  );
}

/** The first version of Produce that allows zstd. */
const ZSTD_FROM = 7;

/**
 * Makes sure that a broker accepts a codec.
 *
 * @throws {UnsupportedRequestError} If it does not.
 */
export function requireCodec(codec: string, versions: BrokerVersions): void {
  const newest = versions[0]?.maxVersion ?? ZSTD_FROM;
  if (codec !== "zstd" || newest >= ZSTD_FROM) return;
  throw new UnsupportedRequestError(
    `"compression.type": zstd needs Kafka 2.1 or newer, and the broker is older (it accepts the ` +
      `request Produce up to version ${newest}, and zstd needs ${ZSTD_FROM}): use lz4, snappy or gzip`,
  );
}
