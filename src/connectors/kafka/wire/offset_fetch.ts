/**
 * The OffsetFetch request: the positions that a consumer group has.
 *
 * KafkaJS's own supports version 4 at most. A transaction may have positions that are not committed
 * yet. Only version 7 (Kafka 2.5, KIP-447) reports those, instead of the positions before.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { errorOfCode } from "./error_codes.ts";
import { type RequestBroker, sendRequest } from "./request.ts";
import type { TopicPartition } from "./topic_partition.ts";
import { WireReader, WireWriter } from "./wire.ts";
import { requireAnswers } from "./wrong_answer.ts";

const API_KEY = 9;
const API_NAME = "OffsetFetch";

/** The version that we write and read. */
const VERSION = 7;

const FLEXIBLE_FROM = 6;

/** The position of a partition. */
export interface GroupOffset extends TopicPartition {
  /** The offset of the next record; `null` if the group has none. */
  readonly offset: bigint | null;
  /** The text that was committed with it; empty for none. */
  readonly metadata: string;
}

/**
 * Requests positions from the group's coordinator.
 *
 * @throws {Error} If the broker refuses. `UNSTABLE_OFFSET_COMMIT` means that an open transaction
 * has a position of one of the partitions.
 */
export async function offsetFetch(
  broker: RequestBroker,
  groupId: string,
  partitions: readonly TopicPartition[],
): Promise<GroupOffset[]> {
  const offsets = await ask(broker, groupId, partitions);
  requireAnswers(API_NAME, partitions, offsets);
  for (const { errorCode } of offsets) if (errorCode !== 0) throw errorOfCode(errorCode, API_NAME);
  return offsets.map(({ topic, partition, offset, metadata }) => ({
    topic,
    partition,
    offset: offset < 0n ? null : offset,
    metadata,
  }));
}

/**
 * Returns whether a group has any position. `broker` is its coordinator.
 *
 * @throws {Error} If the broker refuses. `UNSTABLE_OFFSET_COMMIT` means that it has none yet, and
 * an open transaction has one.
 */
export async function hasGroupOffsets(broker: RequestBroker, groupId: string): Promise<boolean> {
  const offsets = await ask(broker, groupId, null);
  if (offsets.some(({ errorCode, offset }) => errorCode === 0 && offset >= 0n)) return true;
  for (const { errorCode } of offsets) if (errorCode !== 0) throw errorOfCode(errorCode, API_NAME);
  return false;
}

/**
 * Requests all positions that a group has committed, also while an open transaction has newer ones.
 * `broker` is the group's coordinator.
 *
 * @throws {Error} If the broker refuses.
 */
export async function committedOffsets(
  broker: RequestBroker,
  groupId: string,
): Promise<(TopicPartition & { readonly offset: bigint })[]> {
  const offsets = await ask(broker, groupId, null, { isStable: false });
  return offsets.filter(({ errorCode, offset }) => errorCode === 0 && offset >= 0n)
    .map(({ topic, partition, offset }) => ({ topic, partition, offset }));
}

/** Returns what the coordinator has, each with the code of its partition. */
async function ask(
  broker: RequestBroker,
  groupId: string,
  partitions: readonly TopicPartition[] | null,
  { isStable }: StableOption = { isStable: true },
) {
  const { offsets, errorCode } = await sendRequest(broker, {
    apiKey: API_KEY,
    apiName: API_NAME,
    oldest: VERSION,
    newest: VERSION,
    flexibleFrom: FLEXIBLE_FROM,
    encode: () => encodeOffsetFetch(groupId, partitions, { isStable }),
    decode: decodeOffsetFetch,
  });
  if (errorCode !== 0) throw errorOfCode(errorCode, API_NAME);
  return offsets;
}

/** Which positions are requested. */
interface StableOption {
  /** Whether only those that no open transaction may change. */
  readonly isStable: boolean;
}

/** The body of a request; `null` for all partitions that have a position. */
export function encodeOffsetFetch(
  groupId: string,
  partitions: readonly TopicPartition[] | null,
  { isStable }: StableOption = { isStable: true },
): Buffer {
  const out = new WireWriter(true);
  out.string(groupId);
  const topics = partitions === null ? null : [...Map.groupBy(partitions, ({ topic }) => topic)];
  out.nullableArray(topics, ([topic, asked]) => {
    out.string(topic);
    out.array(asked, ({ partition }) => out.int32(partition));
    out.tags();
  });
  out.boolean(isStable);
  out.tags();
  return out.written;
}

/** A position as the broker answers it: -1 for none. */
type AnsweredOffset = TopicPartition & {
  readonly offset: bigint;
  readonly metadata: string;
  readonly errorCode: number;
};

/** Reads the body of a response. */
export function decodeOffsetFetch(payload: Buffer): {
  offsets: AnsweredOffset[];
  errorCode: number;
  clientSideThrottleTime: number;
} {
  const from = new WireReader(payload, true);
  const clientSideThrottleTime = from.int32();
  const offsets = from.array(() => {
    const topic = from.string() ?? "";
    const answered = from.array(() => {
      const partition = from.int32();
      const offset = from.int64();
      from.int32(); // the epoch of the leader, which we do not commit
      const metadata = from.string() ?? "";
      const errorCode = from.int16();
      from.tags();
      return { topic, partition, offset, metadata, errorCode };
    });
    from.tags();
    return answered;
  }).flat();
  const errorCode = from.int16();
  from.tags();
  return { offsets, errorCode, clientSideThrottleTime };
}
