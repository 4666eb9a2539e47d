import { Buffer } from "node:buffer";
import type { FetchedRecord } from "../../src/connectors/kafka/kafkajs.ts";

/** What a test says of a record; the rest is that of a plain one. */
export interface FetchedOverrides {
  readonly key?: Buffer | null;
  readonly value?: Buffer | null;
  readonly isControlRecord?: boolean;
  /** The transactional producer; without it, the record is in no transaction. */
  readonly producerId?: string;
}

/** A record as KafkaJS's fetch gives it, alone in its batch. */
export function fetchedRecord(offset: bigint, overrides: FetchedOverrides = {}): FetchedRecord {
  const { key = null, value = Buffer.from(`at ${offset}`), producerId } = overrides;
  return {
    offset: String(offset),
    timestamp: "1700000000000",
    key,
    value,
    headers: {},
    isControlRecord: overrides.isControlRecord ?? false,
    batchContext: {
      firstOffset: String(offset),
      lastOffsetDelta: 0,
      producerId: producerId ?? "-1",
      inTransaction: producerId !== undefined,
    },
  };
}

/** The marker with which a transaction ends: its key is two int16, the version and the type. */
export function marker(
  offset: bigint,
  producerId: string,
  type: "abort" | "commit",
): FetchedRecord {
  const key = Buffer.from([0, 0, 0, type === "abort" ? 0 : 1]);
  return fetchedRecord(offset, { key, producerId, isControlRecord: true });
}
