/** Messages in the formats before Kafka 0.11. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { readBatches, unwrap } from "../../../../src/connectors/kafka/wire/read_batch.ts";
import { RecordCursor } from "../../../../src/connectors/kafka/wire/record_cursor.ts";
import {
  codecOf,
  compress,
  decompress,
} from "../../../../src/connectors/kafka/compression/compression.ts";
import { oldMessage as message } from "../../../support/kafka/old_message.ts";
import { Random } from "../../../support/values/random.ts";

interface Read {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: string | null;
  readonly value: string | null;
}

/** All records in what was fetched. */
async function readAll(bytes: Buffer, verify = true): Promise<Read[]> {
  const text = (data: Uint8Array | null) => data === null ? null : Buffer.from(data).toString();
  const records: Read[] = [];
  for (const stored of readBatches(bytes, verify)) {
    const unpacked = await decompress(codecOf(stored.attributes), stored.records, 1 << 20);
    for (const { batch, bytes } of unwrap(stored, unpacked)) {
      const cursor = new RecordCursor(batch, bytes, true);
      while (!cursor.done) {
        const { offset, timestamp, key, value, headers } = cursor.read();
        assertEquals(headers, []);
        records.push({ offset, timestamp, key: text(key), value: text(value) });
      }
    }
  }
  return records;
}

/** The same three records, as Kafka's Java client 4.3.1 encodes them (`MemoryRecordsBuilder`). */
// deno-fmt-ignore
const BY_JAVA: readonly { magic: 0 | 1; codec: string; appendTime: boolean; hex: string }[] = [
  {
    magic: 0, codec: "none", appendTime: false,
    hex:
    "0000000000000064000000278499023d0000000000026b300000001776616c756520302076616c756520" +
    "302076616c756520300000000000000065000000104c9f5bc20000ffffffff0000000276310000000000" +
    "000068000000100463167a0000000000026b34ffffffff",
  },
  {
    magic: 0, codec: "gzip", appendTime: false,
    hex:
    "00000000000000680000005f187807ad0001ffffffff000000511f8b08000000000000ff636000831420" +
    "566f99c9640be631651b0049f1b2c49cd254050305341aa283211588057ce6471f6260f80f04206d6586" +
    "50b90c901c4bb25815d43813900a0065376dfe6b000000",
  },
  {
    magic: 0, codec: "snappy", appendTime: false,
    hex:
    "000000000000006800000079a3cee8f20002ffffffff0000006b82534e41505059000000000100000001" +
    "000000576b000009012064000000278499023d050f38026b300000001776616c75652030203a08000523" +
    "5c000065000000104c9f5bc20000ffffffff0000000276310009015068000000100463167a0000000000" +
    "026b34ffffffff",
  },
  {
    magic: 0, codec: "lz4", appendTime: false,
    hex:
    "0000000000000068000000742496b5b70003ffffffff0000006604224d1860401a570000001200010091" +
    "64000000278499023d0f00fb00026b300000001776616c75652030200800012300f00800006500000010" +
    "4c9f5bc20000ffffffff000000027631190040000000681c00410463167a0e0070026b34ffffffff0000" +
    "0000",
  },
  {
    magic: 1, codec: "none", appendTime: false,
    hex:
    "00000000000000640000002f66fdd65a01000000018bcfe56800000000026b300000001776616c756520" +
    "302076616c756520302076616c75652030000000000000006500000018c8ea587a01000000018bcfe569" +
    "f4ffffffff000000027631000000000000006800000018a3a4c6540100ffffffffffffffff000000026b" +
    "34ffffffff",
  },
  {
    magic: 1, codec: "none", appendTime: true,
    hex:
    "00000000000000640000002f3997d72301080000018bcfe58b28000000026b300000001776616c756520" +
    "302076616c756520302076616c7565203000000000000000650000001860a0a2f401080000018bcfe58b" +
    "28ffffffff000000027631000000000000006800000018285cef4c01080000018bcfe58b28000000026b" +
    "34ffffffff",
  },
  {
    magic: 1, codec: "gzip", appendTime: false,
    hex:
    "000000000000006800000073da0fbdd501010000018bcfe569f4ffffffff0000005d1f8b080000000000" +
    "00ff63608003fdb4bfd7a218810cc6eef34f3340224cd9064052bc2c31a73455c140018d866a03e99038" +
    "f12aa20aa635f3cb7f2000692f3384aa6101a959bce4580823c37f28001b6f026201004e764c70830000" +
    "00",
  },
  {
    magic: 1, codec: "gzip", appendTime: true,
    hex:
    "00000000000000680000006f51b2eab001090000018bcfe58b28ffffffff000000591f8b080000000000" +
    "00ff636080037dcbe9d7951939181818bbcf3fedd6008a30651b0049f1b2c49cd254050305341aaa8d11" +
    "882512162cfa82d0fa1f0840dacb0ca16a58406a3462defba0196f02520900a661576583000000",
  },
  {
    magic: 1, codec: "snappy", appendTime: false,
    hex:
    "0000000000000068000000922d5b9a7d01020000018bcfe569f4ffffffff0000007c82534e4150505900" +
    "000000010000000100000068830100001901342f66fdd65a01000000018bcfe568011838026b30000000" +
    "1776616c75652030203a08000122012e1c00000018c8ea587a0109013b3069f4ffffffff000000027631" +
    "000901280400000018a3a4c6540100011c34ffffffff000000026b34ffffffff",
  },
  {
    magic: 1, codec: "snappy", appendTime: true,
    hex:
    "00000000000000680000008434c85893010a0000018bcfe58b28ffffffff0000006e82534e4150505900" +
    "00000001000000010000005a830100001901802f3997d72301080000018bcfe58b28000000026b300000" +
    "001776616c75652030203a08000d3a20010000001860a0a2f4193b0cffffffff013f0876310009012404" +
    "00000018285cef4c01365f001034ffffffff",
  },
  {
    magic: 1, codec: "lz4", appendTime: false,
    hex:
    "00000000000000680000008a223008a601030000018bcfe569f4ffffffff0000007404224d1860408265" +
    "00000016000100e02f66fdd65a01000000018bcfe5681800fb00026b300000001776616c756520302008" +
    "00002200002e008400000018c8ea587a3b00c169f4ffffffff000000027631220030000004240060a3a4" +
    "c65401001c00000200a0000000026b34ffffffff00000000",
  },
  {
    magic: 1, codec: "lz4", appendTime: true,
    hex:
    "00000000000000680000007f041dcb88010b0000018bcfe58b28ffffffff0000006904224d186040825a" +
    "00000016000100fb122f3997d72301080000018bcfe58b28000000026b300000001776616c7565203020" +
    "0800033a0096010000001860a0a2f43b0040ffffffff3f0023763124001004240046285cef4c2400a000" +
    "0000026b34ffffffff00000000",
  },
];

for (const { magic, codec, appendTime, hex } of BY_JAVA) {
  const what = `format ${magic}, ${codec}${appendTime ? ", with the time of appending" : ""}`;
  const bytes = Buffer.from(hex, "hex");
  const times = magic === 0
    ? [-1, -1, -1]
    : appendTime
    ? Array(3).fill(1_700_000_009_000)
    : [1_700_000_000_000, 1_700_000_000_500, -1];
  const expected = [
    { offset: 100, timestamp: times[0], key: "k0", value: "value 0 value 0 value 0" },
    { offset: 101, timestamp: times[1], key: null, value: "v1" },
    { offset: 104, timestamp: times[2], key: "k4", value: null },
  ];

  Deno.test(`messages of ${what}: read with offset, time, key and value`, async () => {
    assertEquals(await readAll(bytes), expected);
  });

  Deno.test(`messages of ${what}: the last may be cut off anywhere`, async () => {
    const twice = Buffer.concat([bytes, bytes]);
    for (let end = bytes.length; end < twice.length; end += 7) {
      const read = await readAll(twice.subarray(0, end));
      assertEquals(read.slice(0, 3), expected);
      assertEquals(read.length < 6, true);
    }
  });

  Deno.test(`messages of ${what}: a byte that was changed is noticed by the checksum`, async () => {
    for (let at = 16; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes);
      damaged[at] ^= 0x41;
      const isInSize = codec === "none" && await sizeIsAt(bytes, at);
      if (isInSize) continue;
      const read = await readAll(damaged).catch(() => []);
      assertEquals(read, expected.slice(0, Math.min(read.length, 2)), `byte ${at}`); // before it
    }
  });
}

/** Whether a byte is part of an offset or a size, which no checksum covers. */
function sizeIsAt(bytes: Buffer, at: number): boolean {
  let start = 0;
  while (start + 12 + bytes.readInt32BE(start + 8) <= at) {
    start += 12 + bytes.readInt32BE(start + 8);
  }
  return at - start < 12;
}

for (const magic of [0, 1] as const) {
  Deno.test(`random messages of format ${magic} are read as they were written, in every codec`, async () => {
    const random = new Random(11 + magic);
    for (let round = 0; round < 60; round++) {
      const codec = random.pick(["none", "gzip", "snappy", "lz4"] as const);
      let offset = random.below(1_000);
      const expected: Read[] = [];
      const inner: Buffer[] = [];
      const first = offset;
      for (let n = 1 + random.below(9); n > 0; n--) {
        const timestamp = magic === 0 ? -1 : random.below(2_000_000_000) - 1;
        const value = random.below(5) === 0 ? null : "v".repeat(random.below(300));
        const key = random.below(3) === 0 ? null : `k${random.below(99)}`;
        const data = {
          timestamp,
          key: key === null ? null : Buffer.from(key),
          value: value === null ? null : Buffer.from(value),
        };
        const relative = magic === 1 && codec !== "none" ? offset - first : offset;
        inner.push(message(magic, relative, data));
        expected.push({ offset, timestamp, key, value });
        offset += 1 + (random.below(4) === 0 ? random.below(5) : 0); // some were compacted away
      }
      const set = Buffer.concat(inner);
      const last = expected[expected.length - 1].offset;
      const attributes = ["none", "gzip", "snappy", "lz4"].indexOf(codec);
      const bytes = codec === "none"
        ? set
        : message(magic, last, { attributes, value: await compress(codec, set) });
      assertEquals(await readAll(bytes), expected, `round ${round}`);
    }
  });
}

Deno.test("old messages and batches of today's format may follow each other", async () => {
  const old = BY_JAVA.filter(({ codec }) => codec !== "lz4").map(({ hex }) =>
    Buffer.from(hex, "hex")
  );
  assertEquals((await readAll(Buffer.concat(old))).length, 3 * old.length);
});

for (
  const [what, set] of Object.entries({
    "nothing": Buffer.alloc(0),
    "half a message": message(1, 0, { value: Buffer.from("v") }).subarray(0, -1),
    "a message that is compressed again": message(1, 0, { attributes: 1, value: Buffer.alloc(9) }),
    "offsets that do not grow": Buffer.concat([1, 1].map((at) => message(1, at, { value: null }))),
    "offsets beyond its own": message(0, 5, { value: null }),
    "a size that is negative": Buffer.from("0000000000000000fffffff400000000", "hex"),
    "a size of nothing": Buffer.from("000000000000000000000000", "hex"),
  })
) {
  Deno.test(`a message that wraps ${what} is damaged`, async () => {
    const magic = what === "offsets beyond its own" ? 0 : 1;
    const wrapper = message(magic, 9, { attributes: 1, value: await compress("gzip", set) });
    await assertRejects(() => readAll(wrapper), Error, "is damaged: ");
  });
}

Deno.test("readBatches() refuses a compressed message without a set, and impossible sizes", () => {
  assertThrows(
    () => readBatches(message(1, 9, { attributes: 1, value: null }), true),
    Error,
    "empty",
  );
  const good = message(1, 9, { key: Buffer.from("k"), value: Buffer.from("v") });
  for (const size of [-13, -12, -1, 0, 5, 13, good.length - 13]) {
    const bytes = Buffer.concat([good, Buffer.alloc(80)]);
    bytes.writeInt32BE(size, 8);
    assertThrows(() => readBatches(bytes, false), Error, "damaged");
  }
  for (const [at, length] of [[26, 1_000], [26, 2 ** 31 - 1], [31, 50]] as const) {
    const bytes = Buffer.from(good);
    bytes.writeInt32BE(length, at);
    assertThrows(() => readBatches(bytes, false), Error, "damaged");
  }
});

Deno.test("readBatches() refuses unknown formats", () => {
  const bytes = message(1, 9, { value: null });
  bytes[16] = 3;
  assertThrows(() => readBatches(bytes, false), Error, "message format 3 cannot be read");
});
