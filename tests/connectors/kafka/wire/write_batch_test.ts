import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import Record from "kafkajs/src/protocol/recordBatch/record/v0/index.js";
import { RecordBatch } from "kafkajs/src/protocol/recordBatch/v0/index.js";
import { readBatches } from "../../../../src/connectors/kafka/wire/read_batch.ts";
import { codecOf, decompress } from "../../../../src/connectors/kafka/compression/compression.ts";
import {
  type BatchHeader,
  compressBatch,
  encodeRecordBatch,
  type WireRecord,
} from "../../../../src/connectors/kafka/wire/write_batch.ts";
import { Random } from "../../../support/values/random.ts";

const HEADER: BatchHeader = {
  producerId: -1n,
  producerEpoch: 0,
  baseSequence: 0,
};

/**
 * The output of KafkaJS's own encoder for the same records, except the epoch of the partition's
 * leader. It writes 0, but a producer does not know the epoch (-1). The checksum does not cover it.
 */
async function kafkaJsBatch(
  records: readonly WireRecord[],
  { producerId, producerEpoch, baseSequence }: BatchHeader,
): Promise<Buffer> {
  const firstTimestamp = records[0].timestamp;
  const batch = await RecordBatch({
    compression: 0,
    records: records.map(({ key, value, headers, timestamp }, offsetDelta) =>
      Record({
        key,
        value,
        headers: Object.fromEntries(
          headers.map(([name, data]) => [new TextDecoder().decode(name), Buffer.from(data!)]),
        ),
        offsetDelta,
        timestampDelta: timestamp - firstTimestamp,
      })
    ),
    firstTimestamp,
    maxTimestamp: Math.max(...records.map(({ timestamp }) => timestamp)),
    lastOffsetDelta: records.length - 1,
    producerId: String(producerId),
    producerEpoch,
    firstSequence: baseSequence,
  });
  batch.buffer.writeInt32BE(-1, 12);
  return batch.buffer;
}

/** An integer from `least` to `most`, both included. */
function between(random: Random, least: number, most: number): number {
  return least + random.below(most - least + 1);
}

function randomRecord(random: Random): WireRecord {
  const data = (most: number) =>
    Buffer.from(
      Uint8Array.from({ length: between(random, 0, most) }, () => between(random, 0, 255)),
    );
  const most = () => random.pick([0, 5, 63, 64, 127, 128, 300, 9000]);
  return {
    key: between(random, 0, 3) === 0 ? null : data(most()),
    value: between(random, 0, 3) === 0 ? null : data(most()),
    headers: Array.from(
      { length: between(random, 0, 3) },
      (_, i) => [Buffer.from(`name-${i}-é`), data(70)] as const,
    ),
    timestamp: 1_700_000_000_000 + between(random, -100_000_000_000, 100_000_000_000),
  };
}

Deno.test("a batch is written byte for byte as in the protocol's documentation", async () => {
  const record: WireRecord = {
    key: Buffer.from("k"),
    value: Buffer.from("v"),
    headers: [],
    timestamp: 0x0102_0304_0506,
  };
  const plain = encodeRecordBatch([record], {
    producerId: 7n,
    producerEpoch: 8,
    baseSequence: 9,
    transactional: true,
  });
  assertEquals(
    plain.toString("hex").replace(/^(.{34}).{8}/, "$1........"), // another test has the checksum
    [
      "0000000000000000", // base offset
      "0000003a", // length: 58 bytes follow
      "ffffffff", // partition leader epoch: -1, which only a broker knows
      "02", // magic
      "........", // checksum
      "0010", // attributes: part of a transaction
      "00000000", // last offset delta
      "0000010203040506", // base timestamp
      "0000010203040506", // max timestamp
      "0000000000000007", // producer id
      "0008", // producer epoch
      "00000009", // base sequence
      "00000001", // count
      "10", // the record: 8 bytes follow
      "00", // its attributes
      "00", // timestamp delta
      "00", // offset delta
      "026b", // key
      "0276", // value
      "00", // headers
    ].join(""),
  );
  const packed = await compressBatch(plain, "gzip");
  assertEquals(packed.readInt32BE(12), -1, "the epoch of a compressed batch");
});

Deno.test("encodeRecordBatch() returns the same bytes as KafkaJS's own encoder", async () => {
  const random = new Random(7);
  for (let round = 0; round < 300; round++) {
    const length = between(random, 1, round % 50 === 0 ? 300 : 12);
    const records = Array.from({ length }, () => randomRecord(random));
    const header: BatchHeader = {
      producerId: round % 3 === 0 ? -1n : BigInt(between(random, 0, 2 ** 30)) * 2n ** 30n,
      producerEpoch: between(random, 0, 32_767),
      baseSequence: between(random, 0, 2 ** 31 - 1),
    };
    assertEquals(
      encodeRecordBatch(records, header).equals(await kafkaJsBatch(records, header)),
      true,
      `round ${round}`,
    );
  }
});

for (const codec of ["gzip", "snappy", "lz4", "zstd"] as const) {
  Deno.test(`compressBatch() packs the records with ${codec}, and nothing else`, async () => {
    const random = new Random(8);
    const plain = encodeRecordBatch(Array.from({ length: 20 }, () => randomRecord(random)), HEADER);
    const packed = await compressBatch(plain, codec);
    assertEquals(packed.readInt32BE(8), packed.length - 12);
    assertEquals(packed.subarray(23, 61).equals(plain.subarray(23, 61)), true);
    const [batch] = readBatches(packed, true);
    assertEquals(codecOf(batch.attributes), codec);
    const records = await decompress(codec, batch.records, 1 << 20);
    assertEquals(plain.subarray(61).equals(records), true);
  });
}
