/**
 * The Produce request, and what came of each partition.
 *
 * KafkaJS's own throws the error of one partition for the whole request, so that its caller cannot know
 * which ones were written. This one goes through KafkaJS's connection with our own encoding.
 *
 * @module
 */
import { Buffer, errorOfCode, type KafkaBroker, sendRequest } from "./kafkajs.ts";

/** A batch for one partition, encoded. */
export interface PartitionBatch {
  readonly partition: number;
  readonly batch: Uint8Array;
}

/** What came of one partition; `error` is absent where its batch has been written. */
export interface PartitionResult {
  readonly partition: number;
  readonly error?: Error & { readonly type: string };
}

/** Where a request goes and how it is acknowledged. */
export interface ProduceOptions {
  readonly topic: string;
  /** -1: by all in-sync replicas; 1: by the leader. */
  readonly acks: number;
  /** How long the broker may wait for replicas, in milliseconds. */
  readonly timeoutMs: number;
  /** Whose transaction the batches are part of; absent where they are of none. */
  readonly transactionalId?: string;
}

const API_KEY = 0;

/** Versions that we write and read. They differ in the response only. (KIP-896 keeps 3 in Kafka 4.) */
const OLDEST = 3;
const NEWEST = 7;

/** Sends batches to the broker that leads their partitions. */
export async function produce(
  broker: KafkaBroker,
  batches: readonly PartitionBatch[],
  options: ProduceOptions,
): Promise<PartitionResult[]> {
  const { results } = await sendRequest(broker, {
    apiKey: API_KEY,
    apiName: "Produce",
    oldest: OLDEST,
    newest: NEWEST,
    encode: () => encodeRequest(batches, options),
    decode: decodeResponse,
  });
  return results;
}

function encodeRequest(
  batches: readonly PartitionBatch[],
  { topic, acks, timeoutMs, transactionalId }: ProduceOptions,
): Buffer {
  const name = Buffer.from(topic);
  const id = transactionalId === undefined ? null : Buffer.from(transactionalId);
  const size = 2 + (id?.length ?? 0) + 2 + 4 + 4 + 2 + name.length + 4 +
    batches.reduce((sum, { batch }) => sum + 8 + batch.length, 0);
  const buffer: Buffer = Buffer.allocUnsafe(size);
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

/** Reads a response to a request with one topic. */
function decodeResponse(payload: Buffer, version: number): ProduceResponse {
  let at = 0;
  const results: PartitionResult[] = [];
  const topics = payload.readInt32BE(at);
  at += 4;
  for (let topic = 0; topic < topics; topic++) {
    at += 2 + payload.readInt16BE(at);
    const partitions = payload.readInt32BE(at);
    at += 4;
    for (let i = 0; i < partitions; i++) {
      const partition = payload.readInt32BE(at);
      const code = payload.readInt16BE(at + 4);
      results.push(code === 0 ? { partition } : { partition, error: errorOfCode(code) });
      at += 4 + 2 + 8 + 8 + (version >= 5 ? 8 : 0); // offset, append time, log start offset
    }
  }
  return { results, clientSideThrottleTime: version >= 6 ? payload.readInt32BE(at) : 0 };
}
