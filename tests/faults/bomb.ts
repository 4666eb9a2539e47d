import { Buffer } from "node:buffer";
import { createGzip } from "node:zlib";
import { silentLog } from "../../src/core/log.ts";
import { KafkaConnection } from "../../src/connectors/kafka/client/connection.ts";
import { crc32c } from "../../src/connectors/kafka/wire/crc32c.ts";
import { produce } from "../../src/connectors/kafka/wire/produce.ts";
import { readOutputProperties } from "../../src/connectors/kafka/properties/output_settings.ts";
import { encodeRecordBatch } from "../../src/connectors/kafka/wire/write_batch.ts";

const CHUNK = 1 << 20;
const HEADER = 61; // of a batch

/** A gzip batch of one record whose value is `megabytes` of zeros. It is never held whole. */
async function bomb(megabytes: number): Promise<Buffer> {
  const head = Buffer.concat([
    Buffer.from([0, 0, 0, 1]), // attributes, timestamp and offset deltas, no key
    varint(megabytes * CHUNK),
  ]);
  const gzip = createGzip();
  const packed: Buffer[] = [];
  gzip.on("data", (data) => packed.push(data));
  const ended = new Promise((resolve) => gzip.on("end", resolve));
  const write = (data: Buffer) => new Promise((resolve) => gzip.write(data, resolve));
  await write(Buffer.concat([varint(head.length + megabytes * CHUNK + 1), head]));
  for (let n = 0; n < megabytes; n++) await write(Buffer.alloc(CHUNK));
  await write(Buffer.from([0])); // no headers
  gzip.end();
  await ended;
  const plain = encodeRecordBatch(
    [{ key: null, value: null, headers: [], timestamp: Date.now() }],
    { producerId: -1n, producerEpoch: -1, baseSequence: -1 },
  );
  const batch = Buffer.concat([plain.subarray(0, HEADER), ...packed]);
  batch.writeInt16BE(1, 21); // gzip
  batch.writeInt32BE(batch.length - 12, 8);
  batch.writeUInt32BE(crc32c(batch, 21), 17);
  return batch;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value * 2; // zigzag
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return Buffer.from([...bytes, rest]);
}

/** Writes a record of `megabytes` of zeros to partition 0. Packed, it has a thousandth of them. */
export async function produceBomb(
  brokers: string[],
  topic: string,
  megabytes: number,
): Promise<void> {
  const connection = new KafkaConnection(
    brokers as [string],
    [topic],
    readOutputProperties(),
    { log: silentLog, signal: new AbortController().signal },
  );
  try {
    const leaders = await connection.leaders(topic);
    const broker = await connection.broker(leaders.get(0)!);
    const batches = [{ partition: 0, batch: await bomb(megabytes) }];
    const [{ error }] = await produce(broker, batches, { topic, acks: -1, timeoutMs: 30_000 });
    if (error !== undefined) throw error;
  } finally {
    await connection.close();
  }
}
