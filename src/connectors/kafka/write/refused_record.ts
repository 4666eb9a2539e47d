/**
 * Errors of records that a topic does not accept: which one, why, and what can be done.
 *
 * @module
 */
import { counted } from "../../../core/counted.ts";
import { ItemError } from "../../../core/errors.ts";
import { preview } from "../../../core/preview.ts";
import type { KafkaMessage } from "../message.ts";
import type { RefusedRecord } from "../wire/produce.ts";
import type { OutgoingRecord } from "./to_record.ts";

/** A broker's refusal of a batch. */
export interface Refusal {
  readonly topic: string;
  readonly partition: number;
  readonly error: Error & { readonly type: string };
  /** The records that are to blame. */
  readonly refused: readonly RefusedRecord[];
}

/**
 * The error of a batch that was refused for one or more of its records; `null` if these are
 * unknown.
 */
export function refusedRecord(
  records: readonly OutgoingRecord[],
  { topic, partition, error, refused }: Refusal,
): ItemError | null {
  const named = refused.filter(({ index }) => records[index] !== undefined);
  const [first] = named.length > 0
    ? named
    : records.length === 1
    ? [{ index: 0, reason: null }]
    : [];
  if (first === undefined) return null;
  const record = records[first.index];
  const others = named.length > 1 ? `, and ${named.length - 1} more of the same batch` : "";
  const reason = (first.reason ?? error.message).replace(/\.$/, "");
  const cause = new Error(
    `topic "${topic}", partition ${partition} does not accept a record (${
      describe(record)
    })${others}: ` +
      `${reason} (${error.type}): ${cureOf(error.type, record)}`,
    { cause: error },
  );
  return new ItemError(record.item, { cause });
}

/**
 * The error of a record that is too large by itself. It is too large for its topic, or, if `cause`
 * is absent, for the property `message.max.bytes`.
 */
export function tooLargeRecord(record: OutgoingRecord, topic: string, cause?: unknown): ItemError {
  const { key, value, headers, bytes } = record;
  const inHeaders = headers.reduce(
    (sum, [name, data]) => sum + name.length + (data?.length ?? 0),
    0,
  );
  const error = new Error(
    `a record with a payload of ${counted(value?.length ?? 0, "byte")} is larger than ` +
      (cause === undefined
        ? `"message.max.bytes" allows: raise it`
        : `topic "${topic}" accepts: raise its max.message.bytes`) +
      `, or make the record smaller (about ${bytes} bytes in all: a key of ${key?.length ?? 0}, ` +
      `headers of ${inHeaders})`,
    { cause },
  );
  return new ItemError(record.item, { cause: error });
}

function cureOf(type: string, { key }: OutgoingRecord): string {
  if (type === "INVALID_TIMESTAMP") {
    return `timestamps are milliseconds since 1970; the topic's settings ` +
      `message.timestamp.before.max.ms and message.timestamp.after.max.ms say how far one may be ` +
      `from the broker's clock`;
  }
  return key === null
    ? `a topic with cleanup.policy=compact accepts only records with a key: give it one`
    : `the topic's settings, or a plugin of the broker, do not allow it`;
}

/** Describes a record so that it can be recognised. */
function describe({ key, timestamp, item }: OutgoingRecord): string {
  const time = new Date(timestamp);
  const date = Number.isNaN(time.getTime()) ? "too large for a date" : time.toISOString();
  const { topic, partition, offset } = item as unknown as Partial<KafkaMessage>;
  const origin = typeof offset === "bigint"
    ? `, read from topic "${topic}", partition ${partition}, offset ${offset}`
    : "";
  return `key ${preview(key)}, timestamp ${timestamp}: ${date}${origin}`;
}
