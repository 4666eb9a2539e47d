/**
 * A Kafka record with all that is known about it.
 *
 * @module
 */
import type { LogRecord } from "./wire/read_batch.ts";

/** A header of a Kafka record; the value is `null` if it has none. */
export type KafkaHeader = readonly [name: string, value: Uint8Array | null];

/** A Kafka record, as {@linkcode KafkaMessageInputConfig} reads it. */
export interface KafkaMessage {
  /** The key, or `null` if the record has none. */
  readonly key: Uint8Array | null;
  /** The value; `null` for a tombstone. */
  readonly value: Uint8Array | null;
  /**
   * Values by header name, in order. A header may repeat; a header without a value has an empty
   * array. The object has no prototype, so any name is safe.
   */
  readonly headers: Record<string, Uint8Array[]>;
  /**
   * When the record was written, in milliseconds since the Unix epoch. -1 if it has no time, as
   * with clients before Kafka 0.10. Exact up to 2⁵³, which is the year 287396.
   */
  readonly timestamp: number;
  /** The topic. */
  readonly topic: string;
  /** The partition. */
  readonly partition: number;
  /** Its offset in the partition. */
  readonly offset: bigint;
  /**
   * All headers as the record has them, in order, with repeated names and headers without a value.
   * Names are UTF-8.
   *
   * @example
   * ```ts
   * import { Dataflow, KafkaMessageInputConfig, StdOutputConfig, text } from "@millrace/millrace";
   *
   * const input = new KafkaMessageInputConfig({ brokers: ["localhost:9092"], topic: "orders" });
   * export default new Dataflow("headers")
   *   .input("orders", input)
   *   .flatMap(({ rawHeaders }) =>
   *     rawHeaders.map(([name, value]) => `${name}: ${text.decode(value)}`)
   *   )
   *   .capture(new StdOutputConfig());
   * ```
   */
  readonly rawHeaders: readonly KafkaHeader[];
}

/** A record as users see it. */
export function toMessage(record: LogRecord, topic: string, partition: number): KafkaMessage {
  const { key, value, timestamp, offset } = record;
  const headers: Record<string, Uint8Array[]> = Object.create(null);
  for (const [name, data] of record.headers) {
    const values = headers[name] ??= [];
    if (data !== null) values.push(data);
  }
  const rawHeaders = record.headers;
  return { key, value, headers, timestamp, topic, partition, offset: BigInt(offset), rawHeaders };
}
toMessage.withHeaders = true as const;
