import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { crc32c } from "../../src/connectors/kafka/wire/crc32c.ts";
import {
  compressBatch,
  encodeRecordBatch,
  type WireRecord,
} from "../../src/connectors/kafka/wire/write_batch.ts";
import { changed, fuzz, someBytes } from "../support/values/fuzzing.ts";
import type { Random } from "../support/values/random.ts";
import { readAnswer } from "../support/kafka/read_answer.ts";

const CODECS = ["none", "none", "gzip", "snappy", "lz4", "zstd"] as const;

/** The offset in a batch at which its checksum begins to cover it. */
const COVERED = 21;

/** Batches in a broker's form, and their records. */
interface Written {
  readonly batches: Buffer[];
  readonly records: WireRecord[];
  readonly from: number;
  /** The offset after all of them. */
  readonly end: number;
}

async function write(random: Random, most = 4): Promise<Written> {
  const from = random.pick([0, 5, random.below(2 ** 31)]);
  const batches: Buffer[] = [];
  const records: WireRecord[] = [];
  for (let count = 1 + random.below(most); count > 0; count--) {
    const some = Array.from({ length: 1 + random.below(12) }, () => randomRecord(random));
    const plain = encodeRecordBatch(some, { producerId: -1n, producerEpoch: -1, baseSequence: -1 });
    const codec = random.pick(CODECS);
    const batch = codec === "none" ? plain : await compressBatch(plain, codec);
    batch.writeBigInt64BE(BigInt(from + records.length), 0);
    batches.push(batch);
    records.push(...some);
  }
  return { batches, records, from, end: from + records.length };
}

function randomRecord(random: Random): WireRecord {
  const data = () => random.below(5) === 0 ? null : someBytes(random, random.pick([4, 70, 300]));
  return {
    key: data(),
    value: data(),
    headers: Array.from({ length: random.below(3) }, () => [someBytes(random, 9), data()] as const),
    timestamp: 1_700_000_000_000 + random.below(100_000),
  };
}

const hex = (bytes: Uint8Array | null) =>
  bytes === null ? null : Buffer.from(bytes).toString("hex");
const shown = ({ key, value, timestamp }: Pick<WireRecord, "key" | "value" | "timestamp">) => [
  hex(key),
  hex(value),
  timestamp,
];

/** Whether an error is one of ours, instead of one that some call happened to throw. */
function isOurs({ message }: Error): boolean {
  return /is damaged|cannot decompress records with|the limit|cannot be read|which Kafka does not have/
    .test(message);
}

fuzz(
  "batches that were damaged on their way lose and change no record in silence",
  async (random) => {
    const { batches, records, from, end } = await write(random);
    const bytes = Buffer.concat(batches);
    const damaged = changed(bytes, random);
    const read = readAnswer(damaged, { from, end, verify: true });
    if (read.error !== null) assert(isOurs(read.error), read.error.stack);
    let after = 0;
    for (const { offset } of read.records) {
      assert(offset >= after && offset < end, `offset ${offset} of ${from} to ${end}`);
      after = offset + 1;
    }
    // The result is what was written, from the first on. No checksum covers what is before it.
    assertEquals(read.records.map(shown), records.slice(0, read.records.length).map(shown));
  },
);

fuzz("a change to what a checksum covers is refused", async (random) => {
  const { batches: [bytes], from, end } = await write(random, 1);
  const damaged = Buffer.from(bytes);
  damaged[COVERED + random.below(bytes.length - COVERED)] ^= 1 + random.below(255);
  const read = readAnswer(damaged, { from, end, verify: true });
  assertEquals(read.records, []);
  assert(read.error !== null && isOurs(read.error), `${read.error}`);
});

fuzz(
  "batches with a right checksum over what is wrong are read whole or refused",
  async (random) => {
    const { batches: [bytes], from, end } = await write(random, 1);
    const damaged = changed(bytes, random, COVERED);
    if (damaged.length < 61) return; // cut off
    damaged.writeInt32BE(damaged.length - 12, 8);
    damaged.writeUInt32BE(crc32c(damaged, COVERED), 17);
    const read = readAnswer(damaged, { from, end, verify: true });
    if (read.error !== null) return assert(isOurs(read.error), read.error.stack);
    // There are none if the batch ends after its partition, as it is requested again.
    const isBeyond = from + damaged.readInt32BE(23) >= end;
    assertEquals(read.records.length, isBeyond ? 0 : damaged.readInt32BE(57));
  },
);

fuzz("batches are read or refused, soon, where checksums are not looked at", async (random) => {
  const { batches, from, end } = await write(random);
  const read = readAnswer(changed(Buffer.concat(batches), random), { from, end, verify: false });
  if (read.error !== null) assert(isOurs(read.error), read.error.stack);
});
