/**
 * The items that a Kafka output accepts.
 *
 * @module
 */

/** A key or payload: bytes, text as UTF-8, or `null` for none. */
export type KafkaData = Uint8Array | string | null;

/**
 * A record with more than a key and a payload. A `KafkaMessage` that was read (known by its
 * `offset`) is one too: it is written with the same key, value, headers and timestamp. Its topic
 * and partition name its origin, and do not count. An unknown field is an error.
 */
export interface KafkaRecord {
  /** The key. */
  readonly key?: KafkaData;
  /** The payload; `null` is a tombstone. */
  readonly value: KafkaData;
  /** Header values by name; `null` for a header without a value. */
  readonly headers?: Readonly<Record<string, KafkaData | readonly KafkaData[]>>;
  /**
   * Headers in order, for names that repeat or an order that matters. A `KafkaMessage` has this
   * list and `headers`. Then `headers` counts, and the list keeps the order of unchanged headers.
   * To write a list of your own, leave `headers` out.
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
   * When it was made, in whole milliseconds since the Unix epoch. -1 means no time; the default is
   * now.
   */
  readonly timestamp?: number;
  /** The partition; by default the key chooses it. */
  readonly partition?: number;
  /** The output's topic, if given: each output writes one topic. */
  readonly topic?: string;
}

/** What a {@linkcode KafkaOutputConfig} accepts. */
export type KafkaOutputItem = readonly [key: KafkaData, payload: KafkaData] | KafkaRecord;
