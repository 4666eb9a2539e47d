/**
 * What users capture into Kafka.
 *
 * @module
 */

/** A key or payload: bytes, text as UTF-8, or `null` for none. */
export type KafkaData = Uint8Array | string | null;

/**
 * A record with more than a key and a payload. A `KafkaMessage` as it was read (known by its
 * `offset`) is one, and is written with the same key, value, headers and timestamp. Its topic and
 * partition say where it came from, and do not count. A field of another name is an error.
 */
export interface KafkaRecord {
  /** The key. */
  readonly key?: KafkaData;
  /** The payload; `null` is a tombstone. */
  readonly value: KafkaData;
  /** Header values by name; `null` for a header without a value. */
  readonly headers?: Readonly<Record<string, KafkaData | readonly KafkaData[]>>;
  /**
   * Headers in order, where the order matters or names repeat in between. A `KafkaMessage` has
   * this list and `headers`: then `headers` counts, and the list keeps the order of what is the same in
   * both. To write a list of your own, leave `headers` out.
   *
   * @example
   * ```ts
   * import type { KafkaRecord } from "@millrace/millrace";
   *
   * const record: KafkaRecord = {
   *   value: "paid",
   *   rawHeaders: [["hop", "a"], ["trace", "7f"], ["hop", "b"], ["seen", null]],
   * };
   * ```
   */
  readonly rawHeaders?: readonly (readonly [name: string, value: KafkaData])[];
  /**
   * When it was made, in whole milliseconds since the Unix epoch; -1 for no time at all, and now, where
   * it is not given.
   */
  readonly timestamp?: number;
  /** The partition; by the key, where it is not given. */
  readonly partition?: number;
  /** Must be the output's topic, if given at all: this version writes one topic an output. */
  readonly topic?: string;
}

/** What a {@linkcode KafkaOutputConfig} takes. */
export type KafkaOutputItem = readonly [key: KafkaData, payload: KafkaData] | KafkaRecord;
