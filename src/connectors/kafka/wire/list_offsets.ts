/**
 * The ListOffsets request: where partitions begin and end, and where records of a time are.
 *
 * KafkaJS's own fails as a whole if one partition fails, and its time grows with the square of the
 * number of partitions.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { errorOfCode } from "./error_codes.ts";
import { type RequestBroker, sendRequest } from "./request.ts";
import type { Isolation } from "../properties/input_settings.ts";
import { positionName, type TopicPartition } from "./topic_partition.ts";
import { WireReader, WireWriter } from "./wire.ts";
import { impossibleAnswer, leftOut, missingAnswer } from "./wrong_answer.ts";

/**
 * Which offset: a partition's first, the one after its last, or that of the first record at or
 * after a time.
 */
export type WhichOffset = "first" | "last" | { readonly timestamp: number };

/** The offset or the error of each partition, by the name of its position. */
export interface ListedOffsets {
  readonly found: Map<string, number>;
  readonly failed: Map<string, unknown>;
}

/** The answer for one partition. */
interface ListedOffset extends TopicPartition {
  readonly errorCode: number;
  readonly offset: number;
}

const API_KEY = 2;
const API_NAME = "ListOffsets";

/** Versions that we write and read. (2 is that of Kafka 0.11.) */
const OLDEST = 2;
const NEWEST = 6;

const FLEXIBLE_FROM = 6;

/** The protocol's numbers for the ends of a partition, in place of a timestamp. */
const FIRST = -2;
const LAST = -1;

/**
 * Requests offsets of partitions from their leader. One that the answer leaves out has failed.
 *
 * @throws {WrongAnswerError} If the answer names other partitions.
 */
export async function listOffsets(
  broker: RequestBroker,
  partitions: readonly TopicPartition[],
  which: WhichOffset,
  isolation: Isolation,
): Promise<ListedOffsets> {
  const { offsets } = await sendRequest(broker, {
    apiKey: API_KEY,
    apiName: API_NAME,
    oldest: OLDEST,
    newest: NEWEST,
    flexibleFrom: FLEXIBLE_FROM,
    encode: (version) => encodeListOffsets(partitions, which, isolation, version),
    decode: decodeListOffsets,
  });
  const listed: ListedOffsets = { found: new Map(), failed: new Map() };
  for (const missing of leftOut(API_NAME, partitions, offsets)) {
    listed.failed.set(positionName(missing), missingAnswer(API_NAME, missing));
  }
  for (const each of offsets) {
    const name = positionName(each);
    if (each.errorCode !== 0) listed.failed.set(name, errorOfCode(each.errorCode, API_NAME));
    else if (each.offset >= leastOffset(which)) listed.found.set(name, each.offset);
    else listed.failed.set(name, impossibleAnswer(API_NAME, each, `is at offset ${each.offset}`));
  }
  return listed;
}

/** The least valid offset: -1 means that no record is at or after the time. */
function leastOffset(which: WhichOffset): number {
  return typeof which === "string" ? 0 : -1;
}

/** The body of a request. */
export function encodeListOffsets(
  partitions: readonly TopicPartition[],
  which: WhichOffset,
  isolation: Isolation,
  version: number,
): Buffer {
  const timestamp = which === "first" ? FIRST : which === "last" ? LAST : which.timestamp;
  const out = new WireWriter(version >= FLEXIBLE_FROM, 64 + 20 * partitions.length);
  out.int32(-1); // we are not a replica
  out.int8(isolation === "read_committed" ? 1 : 0);
  out.array([...Map.groupBy(partitions, ({ topic }) => topic)], ([topic, asked]) => {
    out.string(topic);
    out.array(asked, ({ partition }) => {
      out.int32(partition);
      if (version >= 4) out.int32(-1); // we do not track the leader's epoch
      out.int64(BigInt(timestamp));
      out.tags();
    });
    out.tags();
  });
  out.tags();
  return out.written;
}

/** Reads the body of a response. */
export function decodeListOffsets(
  payload: Buffer,
  version: number,
): { offsets: ListedOffset[]; clientSideThrottleTime: number } {
  const from = new WireReader(payload, version >= FLEXIBLE_FROM);
  const throttle = from.int32();
  const offsets = from.array(() => {
    const topic = from.string()!;
    const listed = from.array(() => {
      const partition = from.int32();
      const errorCode = from.int16();
      from.int64(); // the record's time
      const offset = Number(from.int64());
      if (version >= 4) from.int32(); // the leader's epoch
      from.tags();
      return { topic, partition, errorCode, offset };
    });
    from.tags();
    return listed;
  }).flat();
  return { offsets, clientSideThrottleTime: version >= 3 ? throttle : 0 };
}
