/**
 * What users capture into Kafka.
 *
 * @module
 */

/** A key or payload: bytes, text as UTF-8, or `null` for none. */
export type KafkaData = Uint8Array | string | null;

/**
 * A record with more than a key and a payload. A `KafkaMessage` as it was read (known by its `offset`) is
 * one: its topic and partition say where it came from, and do not count.
 */
export interface KafkaRecord {
  /** The key. */
  readonly key?: KafkaData;
  /** The payload; `null` is a tombstone. */
  readonly value: KafkaData;
  /** Header values by name. */
  readonly headers?: Readonly<
    Record<string, Uint8Array | string | readonly (Uint8Array | string)[]>
  >;
  /** When it was made, in whole milliseconds since the Unix epoch; now, where it is not given. */
  readonly timestamp?: number;
  /** The partition; by the key, where it is not given. */
  readonly partition?: number;
  /** Must be the output's topic, if given at all: this version writes one topic an output. */
  readonly topic?: string;
}

/** What a {@linkcode KafkaOutputConfig} takes. */
export type KafkaOutputItem = readonly [key: KafkaData, payload: KafkaData] | KafkaRecord;
