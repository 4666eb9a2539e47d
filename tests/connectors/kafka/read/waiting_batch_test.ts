import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { readBatches } from "../../../../src/connectors/kafka/wire/read_batch.ts";
import type { Codec } from "../../../../src/connectors/kafka/compression/codec.ts";
import { compressBatch } from "../../../../src/connectors/kafka/wire/write_batch.ts";
import { WaitingBatch } from "../../../../src/connectors/kafka/read/waiting_batch.ts";
import { storedBytes } from "../../../support/kafka/wire_bytes.ts";

const record = { key: null, value: Buffer.alloc(10_000), headers: [], timestamp: 0 };

async function waiting(codec: Codec): Promise<WaitingBatch> {
  const bytes = await compressBatch(storedBytes(0n, [record, record]), codec);
  return new WaitingBatch(readBatches(bytes, true)[0]);
}

const values = (batch: WaitingBatch) =>
  batch.read(false).map((cursor) => {
    const lengths: (number | undefined)[] = [];
    while (!cursor.done) lengths.push(cursor.read().value?.length);
    return lengths;
  });

for (const codec of ["none", "gzip", "snappy", "lz4", "zstd"] as const) {
  Deno.test(`a batch with ${codec} is read, unpacked ahead or not`, async () => {
    const batch = await waiting(codec);
    assertEquals(values(batch), [[10_000, 10_000]]);
    assertEquals(batch.unpackedBytes, 0);
    assertEquals(await batch.unpackAhead(1 << 20), true);
    assertEquals(batch.unpackedBytes > 20_000, codec === "gzip", "only what has a thread");
    assertEquals(values(batch), [[10_000, 10_000]]);
  });
}

Deno.test("a batch is not unpacked ahead beyond its budget, and can still be read", async () => {
  for (const budget of [0, -1, 1, 20_000]) {
    const batch = await waiting("gzip");
    assertEquals(await batch.unpackAhead(budget), false);
    assertEquals(batch.unpackedBytes, 0);
    assertEquals(values(batch), [[10_000, 10_000]]);
  }
});

Deno.test("a batch that cannot be unpacked ahead throws when it is read", async () => {
  const bytes = await compressBatch(storedBytes(0n, [record]), "gzip");
  bytes[80] ^= 0xff;
  const batch = new WaitingBatch(readBatches(bytes, false)[0]);
  assertEquals(await batch.unpackAhead(1 << 20), false);
  assertThrows(() => batch.read(false), Error, "cannot decompress records with gzip");
});

Deno.test("a batch that unpacks to too much is refused, and the error says what to do", () => {
  const [batch] = readBatches(storedBytes(0n, [record]), true);
  // An empty frame of zstd that says that it has 257 MiB.
  const claimed = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0x10, 0x10, 1, 0, 0]);
  const large = new WaitingBatch({ ...batch, attributes: 4, records: claimed });
  const error = assertThrows(() => large.read(false), Error, "unpacks to more than 256 MiB");
  assertStringIncludes(error.message, "copy its records to a topic in smaller batches");
});
