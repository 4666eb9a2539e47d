/**
 * The Fetch request, with a result for each partition.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { errorOfCode } from "./error_codes.ts";
import { type RequestBroker, sendRequest } from "./request.ts";
import type { Isolation } from "../properties/input_settings.ts";
import { WireReader, WireWriter } from "./wire.ts";
import { requireAnswers } from "./wrong_answer.ts";

/** What to request of a partition. */
export interface PartitionFetch {
  readonly topic: string;
  /**
   * The id of the topic that is meant. A broker refuses if its topic of this name has another id.
   * `null` if the id is unknown or any will do.
   */
  readonly topicId: string | null;
  readonly partition: number;
  readonly offset: number;
  /** The most bytes. If no other partition came first, the first batch comes whole in any case. */
  readonly maxBytes: number;
}

/** The result for a partition. */
export interface FetchedPartition {
  readonly topic: string;
  readonly partition: number;
  /** The protocol's code; 0 if there is no error. */
  readonly errorCode: number;
  /** The offset after the last record that all replicas have, open transactions included. */
  readonly highWatermark: number;
  /** The offset after the last record that is not in an open transaction. */
  readonly lastStableOffset: number;
  /** The aborted transactions among those whose records came. */
  readonly aborted: readonly { readonly producerId: bigint; readonly firstOffset: number }[];
  /** Batches, one after the other. The last may be cut off. */
  readonly records: Buffer;
}

/** How the broker answers. */
export interface FetchOptions {
  /** How long it may wait for `minBytes`, in milliseconds. */
  readonly maxWaitMs: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly isolation: Isolation;
}

const API_KEY = 1;
const API_NAME = "Fetch";

/** Versions that we write and read. (KIP-896 keeps 4 in Kafka 4; zstd needs 10.) */
const OLDEST = 4;
const NEWEST = 13;

const FLEXIBLE_FROM = 12;

/** From this version on, topics are identified by their ids, and have no names. */
const IDS_FROM = 13;

/** Whether a broker refuses a fetch if its topic does not have the requested id. */
export function goesByIds({ versions }: RequestBroker): boolean {
  return (versions[API_KEY]?.maxVersion ?? 0) >= IDS_FROM;
}

/** A topic, by its name and its id. */
type FetchedTopic = Pick<PartitionFetch, "topic" | "topicId">;

/**
 * What a request changes in a fetch session (KIP-227). The broker remembers the requested
 * partitions, and answers only for those that have something new.
 */
export interface SessionFetch {
  /** 0 if a session is to begin, or there is none. */
  readonly id: number;
  /**
   * The number of the request in its session: 0 for the one that begins it, -1 without a session.
   */
  readonly epoch: number;
  /** Partitions that are not requested any more. */
  readonly forgotten: readonly PartitionFetch[];
  /** All topics of the session. */
  readonly topics: readonly FetchedTopic[];
}

const NO_SESSION = { id: 0, epoch: -1, forgotten: [] } as const;

/** Requests the partitions that a session has changed, or all if there is no session. */
export async function fetchInSession(
  broker: RequestBroker,
  partitions: readonly PartitionFetch[],
  options: FetchOptions,
  session: SessionFetch,
): Promise<FetchResponse> {
  const hasIds = session.topics.every(({ topicId }) => topicId !== null);
  return await sendRequest(broker, {
    apiKey: API_KEY,
    apiName: API_NAME,
    oldest: OLDEST,
    newest: hasIds ? NEWEST : IDS_FROM - 1,
    flexibleFrom: FLEXIBLE_FROM,
    encode: (version) => encodeFetchRequest(partitions, options, version, session),
    decode: (payload, version) => decodeFetched(payload, version, session.topics),
  });
}

/**
 * Requests one partition. A broker that throttles for a quota answers without any. It is then asked
 * again, which KafkaJS delays for as long as the broker wants.
 *
 * @throws {WrongAnswerError} If the answer does not name the partition, or names others.
 */
export async function fetchPartition(
  broker: RequestBroker,
  partition: PartitionFetch,
  options: FetchOptions,
): Promise<FetchedPartition> {
  const session = { ...NO_SESSION, topics: [partition] };
  for (;;) {
    const answer = await fetchInSession(broker, [partition], options, session);
    if (answer.errorCode !== 0) throw errorOfCode(answer.errorCode, API_NAME);
    const { partitions, clientSideThrottleTime } = answer;
    if (partitions.length === 0 && clientSideThrottleTime > 0) continue;
    requireAnswers(API_NAME, [partition], partitions);
    return partitions[0];
  }
}

/** The body of a request. */
export function encodeFetchRequest(
  partitions: readonly PartitionFetch[],
  { maxWaitMs, minBytes, maxBytes, isolation }: FetchOptions,
  version: number,
  { id, epoch, forgotten }: Omit<SessionFetch, "topics"> = NO_SESSION,
): Buffer {
  const out = new WireWriter(version >= FLEXIBLE_FROM, 64 + 40 * partitions.length);
  out.int32(-1); // we are not a replica
  out.int32(maxWaitMs);
  out.int32(minBytes);
  out.int32(maxBytes);
  out.int8(isolation === "read_committed" ? 1 : 0);
  if (version >= 7) {
    out.int32(id);
    out.int32(epoch);
  }
  const topics = [...Map.groupBy(partitions, ({ topic }) => topic)];
  out.array(topics, ([topic, asked]) => {
    if (version >= IDS_FROM) out.uuid(asked[0].topicId);
    else out.string(topic);
    out.array(asked, ({ partition, offset, maxBytes }) => {
      out.int32(partition);
      if (version >= 9) out.int32(-1); // we do not track the leader's epoch
      out.int64(BigInt(offset));
      if (version >= 12) out.int32(-1); // nor that of the last fetch
      if (version >= 5) out.int64(-1n); // only replicas send a log start
      out.int32(maxBytes);
      out.tags();
    });
    out.tags();
  });
  if (version >= 7) {
    out.array([...Map.groupBy(forgotten, ({ topic }) => topic)], ([topic, partitions]) => {
      if (version >= IDS_FROM) out.uuid(partitions[0].topicId);
      else out.string(topic);
      out.array(partitions, ({ partition }) => out.int32(partition));
      out.tags();
    });
  }
  if (version >= 11) out.string(""); // no rack: leaders only
  out.tags();
  return out.written;
}

/** The answer to a request. */
export interface FetchResponse {
  /** The error of the request as a whole. */
  readonly errorCode: number;
  /** The session's id; 0 if the broker keeps none. */
  readonly sessionId: number;
  readonly partitions: FetchedPartition[];
  /** How long the broker throttles us, in milliseconds. Its answer then has no partitions. */
  readonly clientSideThrottleTime: number;
}

/** Reads the body of a response to a request for partitions of the topics `asked`. */
export function decodeFetched(
  payload: Buffer,
  version: number,
  asked: readonly FetchedTopic[],
): FetchResponse {
  const from = new WireReader(payload, version >= FLEXIBLE_FROM);
  const throttle = from.int32();
  const errorCode = version >= 7 ? from.int16() : 0;
  const sessionId = version >= 7 ? from.int32() : 0;
  const names = version < IDS_FROM
    ? null
    : new Map(asked.map(({ topic, topicId }) => [topicId, topic]));
  const partitions = from.array(() => {
    const topic = names === null ? from.string()! : names.get(from.uuid()) ?? "";
    const answers = from.array(() => readPartition(from, topic, version));
    from.tags();
    return answers;
  }).flat();
  const clientSideThrottleTime = version >= 8 ? throttle : 0;
  return { errorCode, sessionId, partitions, clientSideThrottleTime };
}

function readPartition(from: WireReader, topic: string, version: number): FetchedPartition {
  const partition = from.int32();
  const errorCode = from.int16();
  const highWatermark = Number(from.int64());
  const lastStableOffset = Number(from.int64());
  if (version >= 5) from.int64(); // where the log starts
  const aborted = from.array(() => {
    const transaction = { producerId: from.int64(), firstOffset: Number(from.int64()) };
    from.tags();
    return transaction;
  });
  if (version >= 11) from.int32(); // a preferred replica, which we do not read from
  const records = from.bytes();
  from.tags();
  return { topic, partition, errorCode, highWatermark, lastStableOffset, aborted, records };
}
