/**
 * A Kafka record with all that is known about it.
 *
 * @module
 */
import type { FetchedRecord } from "./kafkajs.ts";

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

/** A fetched record as users see it. */
export function toMessage(record: FetchedRecord, topic: string, partition: number): KafkaMessage {
  return {
    key: record.key,
    value: record.value,
    headers: toHeaders(record.headers),
    timestamp: Number(record.timestamp),
    topic,
    partition,
    offset: BigInt(record.offset),
  };
}

/**
 * KafkaJS collects headers in an object with a prototype, where a header called `constructor` meets a
 * function; only bytes are kept.
 */
function toHeaders(headers: Record<string, unknown>): Record<string, Uint8Array[]> {
  const clean: Record<string, Uint8Array[]> = Object.create(null);
  for (const [name, value] of Object.entries(headers)) {
    const values = Array.isArray(value) ? value : [value];
    clean[name] = values.filter((each): each is Uint8Array => each instanceof Uint8Array);
  }
  return clean;
}
