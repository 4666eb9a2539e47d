import { Buffer } from "node:buffer";
import { type LogBatch, readBatches } from "../../../src/connectors/kafka/wire/read_batch.ts";
import {
  encodeRecordBatch,
  type WireRecord,
} from "../../../src/connectors/kafka/wire/write_batch.ts";

/** The fields of a batch that a test chooses. The rest is that of a plain one. */
export interface BatchOverrides {
  readonly key?: Uint8Array | null;
  readonly value?: Uint8Array | null;
  readonly isControl?: boolean;
  /** The transactional producer. Without it, the batch is not in a transaction. */
  readonly producerId?: string;
}

const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;

/** Records as the broker stores them, in one batch. */
export function storedBytes(
  offset: bigint,
  records: readonly WireRecord[],
  { producerId, isControl = false }: BatchOverrides = {},
): Buffer {
  const bytes = encodeRecordBatch(records, {
    producerId: BigInt(producerId ?? -1),
    producerEpoch: 0,
    baseSequence: 0,
  });
  bytes.writeBigInt64BE(offset, 0);
  const attributes = (producerId === undefined ? 0 : TRANSACTIONAL) | (isControl ? CONTROL : 0);
  bytes.writeInt16BE(attributes, 21);
  return bytes;
}

/** A batch of one record. */
export function storedBatch(offset: bigint, overrides: BatchOverrides = {}): LogBatch {
  const { key = null, value = Buffer.from(`at ${offset}`) } = overrides;
  const record = { key, value, headers: [], timestamp: 1_700_000_000_000 };
  return readBatches(storedBytes(offset, [record], overrides), false)[0];
}

/** The marker that ends a transaction. Its key is two int16, the version and the type. */
export function marker(offset: bigint, producerId: string, type: "abort" | "commit"): LogBatch {
  const key = Buffer.from([0, 0, 0, type === "abort" ? 0 : 1]);
  return storedBatch(offset, { key, producerId, isControl: true });
}
