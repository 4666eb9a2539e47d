/**
 * The Produce request, with a result for each partition.
 *
 * If one partition fails, KafkaJS's own request throws its error for all of them. So its caller
 * cannot know which ones were written. This one uses KafkaJS's connection with our own encoding.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { errorOfCode } from "./error_codes.ts";
import { type RequestBroker, sendRequest } from "./request.ts";
import type { Acks } from "../properties/output_settings.ts";
import type { TopicPartition } from "./topic_partition.ts";
import { WireReader } from "./wire.ts";
import { leftOut, missingAnswer } from "./wrong_answer.ts";

/** A batch for one partition, encoded. */
export interface PartitionBatch {
  readonly partition: number;
  readonly batch: Uint8Array;
}

/** A record for which the broker refuses a batch. */
export interface RefusedRecord {
  /** The index of the record in its batch, from 0. */
  readonly index: number;
  /** The reason, in the broker's words; `null` if it does not give one. */
  readonly reason: string | null;
}

/** The result for one partition. `error` is absent if its batch has been written. */
export interface PartitionResult extends TopicPartition {
  /** Has the broker's message, if it sent one. */
  readonly error?: Error & { readonly type: string };
  /** The offset of the batch's first record; `null` if the broker does not tell, or has refused. */
  readonly baseOffset: number | null;
  /** The records that are to blame. Empty if the broker names none (before Kafka 2.4). */
  readonly refused: readonly RefusedRecord[];
}

/** Where a request goes and how it is acknowledged. */
export interface ProduceOptions {
  readonly topic: string;
  /** -1: by all in-sync replicas; 1: by the leader. */
  readonly acks: number;
  /** How long the broker may wait for replicas, in milliseconds. */
  readonly timeoutMs: number;
  /** The transaction that the batches belong to; absent if they belong to none. */
  readonly transactionalId?: string;
}

/** The protocol's number of each level of acknowledgement. */
export const ACKS: Readonly<Record<Acks, number>> = { all: -1, leader: 1 };

const API_KEY = 0;
const API_NAME = "Produce";

/**
 * Versions that we write and read. They differ in the response only: from 8 on, it names the
 * refused records. (KIP-896 keeps 3 in Kafka 4.)
 */
const OLDEST = 3;
const NEWEST = 8;

/** How many bytes the head of a request may have: it holds the name of the client. */
const ROOM = 256;

/**
 * Sends batches to the broker that leads their partitions. Each partition has a result. If the
 * answer leaves one out, its result is an error.
 *
 * @throws {WrongAnswerError} If the answer names other partitions. Then all of it is ignored.
 */
export async function produce(
  broker: RequestBroker,
  batches: readonly PartitionBatch[],
  options: ProduceOptions,
): Promise<PartitionResult[]> {
  const { results } = await sendRequest(broker, {
    apiKey: API_KEY,
    apiName: API_NAME,
    oldest: OLDEST,
    newest: NEWEST,
    encode: () => encodeProduce(batches, options),
    room: ROOM,
    decode: decodeProduce,
  });
  const { topic } = options;
  const asked = batches.map(({ partition }) => ({ topic, partition }));
  for (const missing of leftOut(API_NAME, asked, results)) {
    results.push({
      ...missing,
      error: missingAnswer(API_NAME, missing),
      baseOffset: null,
      refused: [],
    });
  }
  return results;
}

/** The body of a request, with {@linkcode ROOM} in front of it. */
export function encodeProduce(
  batches: readonly PartitionBatch[],
  { topic, acks, timeoutMs, transactionalId }: ProduceOptions,
): Buffer {
  const name = Buffer.from(topic);
  const id = transactionalId === undefined ? null : Buffer.from(transactionalId);
  const size = 2 + (id?.length ?? 0) + 2 + 4 + 4 + 2 + name.length + 4 +
    batches.reduce((sum, { batch }) => sum + 8 + batch.length, 0);
  // Not from the pool that small buffers share, as others use what is in front of them there.
  const buffer: Buffer = Buffer.allocUnsafeSlow(ROOM + size).subarray(ROOM);
  let at = buffer.writeInt16BE(id?.length ?? -1, 0);
  if (id !== null) {
    buffer.set(id, at);
    at += id.length;
  }
  at = buffer.writeInt16BE(acks, at);
  at = buffer.writeInt32BE(timeoutMs, at);
  at = buffer.writeInt32BE(1, at); // topics
  at = buffer.writeInt16BE(name.length, at);
  buffer.set(name, at);
  at = buffer.writeInt32BE(batches.length, at + name.length);
  for (const { partition, batch } of batches) {
    at = buffer.writeInt32BE(partition, at);
    at = buffer.writeInt32BE(batch.length, at);
    buffer.set(batch, at);
    at += batch.length;
  }
  return buffer;
}

interface ProduceResponse {
  readonly results: PartitionResult[];
  readonly clientSideThrottleTime: number;
}

/** Reads the body of a response. */
export function decodeProduce(payload: Buffer, version: number): ProduceResponse {
  const from = new WireReader(payload, false);
  const results = from.array(() => {
    const topic = from.string() ?? "";
    return from.array(() => readPartition(from, topic, version));
  }).flat();
  const throttle = from.int32();
  return { results, clientSideThrottleTime: version >= 6 ? throttle : 0 };
}

function readPartition(from: WireReader, topic: string, version: number): PartitionResult {
  const partition = from.int32();
  const code = from.int16();
  const offset = Number(from.int64());
  from.int64(); // the time when it was appended
  if (version >= 5) from.int64(); // where the log starts
  const refused = version < 8
    ? []
    : from.array(() => ({ index: from.int32(), reason: from.string() }));
  const message = version < 8 ? null : from.string();
  if (code === 0) return { topic, partition, baseOffset: offset < 0 ? null : offset, refused };
  const error = errorOfCode(code, API_NAME);
  return {
    topic,
    partition,
    error: message ? Object.assign(error, { message }) : error,
    baseOffset: null,
    refused,
  };
}
