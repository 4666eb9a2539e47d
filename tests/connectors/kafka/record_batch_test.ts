import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import Record from "kafkajs/src/protocol/recordBatch/record/v0/index.js";
import { RecordBatch } from "kafkajs/src/protocol/recordBatch/v0/index.js";
import { readBatches } from "../../../src/connectors/kafka/batches.ts";
import { codecOf, decompress } from "../../../src/connectors/kafka/compression.ts";
import {
  type BatchHeader,
  compressBatch,
  encodeRecordBatch,
  type WireRecord,
} from "../../../src/connectors/kafka/record_batch.ts";
import { Random } from "../../support/random.ts";

const HEADER: BatchHeader = {
  producerId: -1n,
  producerEpoch: 0,
  baseSequence: 0,
};

/** What KafkaJS's own encoder makes of the same records. */
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
          headers.map(([name, data]) => [new TextDecoder().decode(name), Buffer.from(data)]),
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

Deno.test("encodeRecordBatch() gives byte for byte what KafkaJS's own encoder gives", async () => {
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
