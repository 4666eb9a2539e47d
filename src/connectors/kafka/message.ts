/**
 * A Kafka record with all that is known about it.
 *
 * @module
 */
import type { StoredRecord } from "./batches.ts";

/** A Kafka record as {@linkcode KafkaMessageInputConfig} gives it. */
export interface KafkaMessage {
  /** The key; `null` where there is none. */
  readonly key: Uint8Array | null;
  /** The value; `null` for a tombstone. */
  readonly value: Uint8Array | null;
  /** Values by header name, in order; a header may repeat. Has no prototype, so any name is safe. */
  readonly headers: Record<string, Uint8Array[]>;
  /** When it was written, in milliseconds since the Unix epoch. */
  readonly timestamp: number;
  /** The topic. */
  readonly topic: string;
  /** The partition. */
  readonly partition: number;
  /** Its place in the partition. */
  readonly offset: bigint;
}

/** A record as users see it. */
export function toMessage(record: StoredRecord, topic: string, partition: number): KafkaMessage {
  const { key, value, timestamp, offset } = record;
  const headers: Record<string, Uint8Array[]> = Object.create(null);
  for (const [name, data] of record.headers) {
    const values = headers[name] ??= [];
    if (data !== null) values.push(data);
  }
  return { key, value, headers, timestamp, topic, partition, offset: BigInt(offset) };
}
toMessage.withHeaders = true as const;
