import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { constants, deflateRawSync, gzipSync, zstdCompressSync } from "node:zlib";
import {
  type Codec,
  CODEC_BITS,
  codecOf,
  compress,
  decompress,
  decompressNow,
} from "../../../../src/connectors/kafka/compression/compression.ts";
import { xxhash32 } from "../../../../src/connectors/kafka/compression/xxhash32.ts";
import { Random } from "../../../support/values/random.ts";

const CODECS = Object.keys(CODEC_BITS) as Codec[];
const PACKING = CODECS.filter((codec) => codec !== "none");
const MIB = 1 << 20;

const text = (text: string): Uint8Array => new TextEncoder().encode(text);
const base64 = (bytes: string): Uint8Array => Uint8Array.fromBase64(bytes);
const joined = (...parts: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

/** Also for megabytes: `assertEquals` would need minutes to show how they differ. */
function assertSame(actual: Uint8Array, expected: Uint8Array, what: string): void {
  if (Buffer.compare(actual, expected) === 0) return;
  const first = expected.findIndex((byte, i) => actual[i] !== byte);
  throw new Error(`${what}: ${actual.length} for ${expected.length} bytes, differing at ${first}`);
}

/** The result of decompression with a limit of exactly that size. */
async function roundTrip(codec: Codec, bytes: Uint8Array, level?: number): Promise<void> {
  const packed = await compress(codec, bytes, level);
  const what = `${bytes.length} bytes with ${codec}`;
  assertSame(await decompress(codec, packed, bytes.length), bytes, what);
  if (bytes.length === 0) return;
  const error = await assertRejects(
    () => decompress(codec, packed, bytes.length - 1),
    Error,
    codec,
  );
  assert(error.message.includes(`larger than ${bytes.length - 1} bytes, the limit`), error.message);
}

const KINDS: Readonly<Record<string, (random: Random, size: number) => Uint8Array>> = {
  random: (random, size) => Uint8Array.from({ length: size }, () => random.below(256)),
  zeros: (_, size) => new Uint8Array(size),
  repetitive: (random, size) => {
    const period = 1 + random.below(300);
    return Uint8Array.from({ length: size }, (_, i) => (i % period) * 37);
  },
  json: (random, size) => {
    let lines = "";
    while (lines.length < size) {
      const user = random.pick(["ada", "grace", "edsger", "barbara"]);
      lines += `{"id":${random.below(1e9)},"user":"${user}","amount":${random.below(1e5) / 100}}\n`;
    }
    return text(lines).subarray(0, size);
  },
  // Runs, copies from near and far, and noise.
  mixed: (random, size) => {
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size;) {
      const end = Math.min(at + 1 + random.below(random.pick([4, 20, 100, 5_000])), size);
      const distance = 1 + random.below(random.pick([4, 70, 3_000, 100_000]));
      const copying = distance <= at && random.below(3) > 0;
      for (; at < end; at++) bytes[at] = copying ? bytes[at - distance] : random.below(256);
    }
    return bytes;
  },
};

for (const codec of CODECS) {
  Deno.test(`compress() with ${codec} is undone by decompress()`, async () => {
    const random = new Random(11);
    const sizes = [0, 1, 2, 11, 12, 13, 59, 60, 61, 63, 64, 65, 255, 256, 257, 65_535, 65_536];
    for (const size of [...sizes, 65_537, 200_000, MIB]) {
      for (const make of Object.values(KINDS)) await roundTrip(codec, make(random, size));
    }
  });

  Deno.test(`compress() with ${codec} is undone by decompress() for any bytes, at any offset`, async () => {
    for (let seed = 0; seed < 300; seed++) {
      const random = new Random(seed);
      const kind = random.pick(Object.keys(KINDS));
      const bytes = KINDS[kind](random, random.below(random.pick([30, 500, 20_000, 150_000])));
      await roundTrip(codec, bytes.subarray(random.below(4)));
    }
  });
}

for (const codec of PACKING) {
  Deno.test(`compress() with ${codec} makes JSON smaller, and noise hardly larger`, async () => {
    const random = new Random(3);
    const json = await compress(codec, KINDS.json(random, 300_000));
    assert(json.length < 140_000, `${json.length}`);
    const noise = await compress(codec, KINDS.random(random, 300_000));
    assert(noise.length < 300_200, `${noise.length}`);
  });
}

Deno.test("codecOf() returns the codec of CODEC_BITS, whatever the other bits are", () => {
  for (const codec of CODECS) {
    assertEquals(codecOf(CODEC_BITS[codec]), codec);
    assertEquals(codecOf(CODEC_BITS[codec] | 0x38), codec);
    assertEquals(codecOf((CODEC_BITS[codec] | 0x8000) << 16 >> 16), codec);
  }
  assertEquals(Object.values(CODEC_BITS), [0, 1, 2, 3, 4]);
});

Deno.test("codecOf() refuses codecs that Kafka does not have", () => {
  for (const bits of [5, 6, 7]) assertThrows(() => codecOf(bits), Error, `codec ${bits}`);
});

Deno.test("compress() accepts the levels of gzip and zstd", async () => {
  const bytes = KINDS.json(new Random(5), 100_000);
  for (const level of [-1, 1, 6, 9]) await roundTrip("gzip", bytes, level);
  for (const level of [1, 3, 19, 22]) await roundTrip("zstd", bytes, level);
  for (const [codec, most] of [["gzip", 9], ["zstd", 19]] as const) {
    const [fast, small] = [await compress(codec, bytes, 1), await compress(codec, bytes, most)];
    assert(small.length < fast.length, `${codec}: ${small.length} ${fast.length}`);
  }
});

Deno.test("compress() refuses a level that its codec does not have", async () => {
  const refused: [Codec, number, string][] = [
    ["gzip", 0, "gzip has levels from 1 to 9, or -1 for its default; got 0"],
    ["gzip", 10, "got 10"],
    ["gzip", 1.5, "got 1.5"],
    ["zstd", 0, "zstd has levels from 1 to 22; got 0"],
    ["zstd", 23, "got 23"],
    ["zstd", NaN, "got NaN"],
    ["lz4", 1, "lz4 has no levels; got 1"],
    ["snappy", 1, "snappy has no levels"],
    ["none", 1, "none has no levels"],
  ];
  for (const [codec, level, message] of refused) {
    await assertRejects(() => compress(codec, text("x"), level), RangeError, message);
  }
});

Deno.test("decompress() refuses an invalid limit", async () => {
  for (const limit of [NaN, -1, 1.5, Infinity]) {
    await assertRejects(() => decompress("lz4", text("x"), limit), RangeError, "a limit must be");
  }
});

/** 12 lines of JSON, as Java's libraries and the command `lz4` compress it. */
const LINES = text(Array.from({ length: 12 }, (_, n) => `{"id":${n},"user":"ada"}\n`).join(""));
const SAMPLES: Readonly<Record<string, readonly [Codec, Uint8Array]>> = {
  "snappy-java, raw": [
    "snappy",
    base64(
      "igJUeyJpZCI6MCwidXNlciI6ImFkYSJ9CgkWADFSFgAAMlIWAAAzUhYAADRSFgAANVIWAAA2UhYAADdSFgAAOFIWAAA5" +
        "UhYAADFa3QA+3gA=",
    ),
  ],
  "snappy-java, framed": [
    "snappy",
    base64(
      "glNOQVBQWQAAAAABAAAAAQAAAFCKAlR7ImlkIjowLCJ1c2VyIjoiYWRhIn0KCRYAMVIWAAAyUhYAADNSFgAANFIWAAA1" +
        "UhYAADZSFgAAN1IWAAA4UhYAADlSFgAAMVrdAD7eAA==",
    ),
  ],
  "lz4-java": [
    "lz4",
    base64(
      "BCJNGGBAglUAAADyB3siaWQiOjAsInVzZXIiOiJhZGEifQoWAB8xFgACHzIWAAIfMxYAAh80FgACHzUWAAIfNhYAAh83" +
        "FgACHzgWAAIfORYAAh8x3QAEB94AUGRhIn0KAAAAAA==",
    ),
  ],
  "lz4-java, with size and checksums": [
    "lz4",
    base64(
      "BCJNGHxACgEAAAAAAAAQVQAAAPIHeyJpZCI6MCwidXNlciI6ImFkYSJ9ChYAHzEWAAIfMhYAAh8zFgACHzQWAAIfNRYA" +
        "Ah82FgACHzcWAAIfOBYAAh85FgACHzHdAAQH3gBQZGEifQosqX8oAAAAAB3j+LI=",
    ),
  ],
  "lz4 -9 -BD -BX --content-size": [
    "lz4",
    base64(
      "BCJNGHxACgEAAAAAAAAQVAAAAPIHeyJpZCI6MCwidXNlciI6ImFkYSJ9ChYAHzEWAAIfMhYAAh8zFgACHzQWAAIfNRYA" +
        "Ah82FgACHzcWAAIfOBYAAh85xgADD90ABAfeAFBkYSJ9CocYENAAAAAAHeP4sg==",
    ),
  ],
  "zstd-jni": [
    "zstd",
    base64(
      "KLUv/WAKAPUBAAQCeyJpZCI6MCwidXNlciI6ImFkYSJ9CjEyMzQ1Njc4OTEMAGFDAGzqAx8Dn4DvwMfAJ+A78DHwCfhX" +
        "DrMJ",
    ),
  ],
  "zstd-jni, streamed": [
    "zstd",
    base64(
      "KLUv/QBY9QEABAJ7ImlkIjowLCJ1c2VyIjoiYWRhIn0KMTIzNDU2Nzg5MQwAYUMAbOoDHwOfgO/Ax8An4DvwMfAJ+FcO" +
        "swk=",
    ),
  ],
  "zstd-jni, with a checksum": [
    "zstd",
    base64(
      "KLUv/QRY9QEABAJ7ImlkIjowLCJ1c2VyIjoiYWRhIn0KMTIzNDU2Nzg5MQwAYUMAbOoDHwOfgO/Ax8An4DvwMfAJ+FcO" +
        "swkPS0PI",
    ),
  ],
  "gzip": ["gzip", new Uint8Array(gzipSync(LINES))],
};
const CHECKED = /^gzip$|checksum|-BX/;

for (const [name, [codec, packed]] of Object.entries(SAMPLES)) {
  Deno.test(`decompress() reads what ${name} wrote`, async () => {
    assertSame(await decompress(codec, packed, LINES.length), LINES, name);
    await assertRejects(() => decompress(codec, packed, LINES.length - 1), Error, "the limit");
    await assertRejects(() => decompress(codec, packed, 0), Error, "the limit");
  });

  Deno.test(`decompress() fails on anything less than all that ${name} wrote`, async () => {
    for (let size = 0; size < packed.length; size++) {
      // A Snappy frame has no mark of its end. Without blocks it is whole, and empty.
      if (name === "snappy-java, framed" && size === 16) continue;
      const error = await assertRejects(
        () => decompress(codec, packed.subarray(0, size), MIB),
        Error,
        `cannot decompress records with ${codec}: `,
        `${size} bytes`,
      );
      assert(error.cause instanceof Error);
    }
  });

  Deno.test(`decompress() survives each flipped bit of what ${name} wrote`, async () => {
    const limit = 10_000;
    for (let bit = 0; bit < packed.length * 8; bit++) {
      const flipped = packed.slice();
      flipped[bit >> 3] ^= 1 << (bit & 7);
      const bytes = await decompress(codec, flipped, limit).catch((error) => {
        assert(error.message.includes(codec), error.message);
        return null;
      });
      if (bytes === null) continue;
      assert(bytes.length <= limit);
      if (CHECKED.test(name)) assertSame(bytes, LINES, `bit ${bit}`);
    }
  });
}

Deno.test("decompress() fails on noise, or makes no more than its limit", async () => {
  const random = new Random(23);
  for (const [codec, packed] of Object.values(SAMPLES)) {
    for (let round = 0; round < 300; round++) {
      const noise = packed.slice();
      // From the first byte on, or after some valid bytes.
      const end = random.below(noise.length);
      for (let i = random.below(2) * random.below(end + 1); i < end; i++) {
        noise[i] = random.below(256);
      }
      const bytes = await decompress(codec, noise, 5_000).catch(() => null);
      assert(bytes === null || bytes.length <= 5_000);
    }
  }
});

for (const codec of PACKING) {
  Deno.test(`decompress() with ${codec} reads several streams in a row, up to its limit in all`, async () => {
    const parts = [text("one "), text(""), KINDS.json(new Random(1), 100_000), text(" three")];
    const packed = joined(...await Promise.all(parts.map((part) => compress(codec, part))));
    const all = joined(...parts);
    assertSame(await decompress(codec, packed, all.length), all, codec);
    await assertRejects(() => decompress(codec, packed, all.length - 1), Error, "the limit");
    await assertRejects(
      () => decompress(codec, joined(packed, text("more")), MIB),
      Error,
      "cannot decompress",
    );
  });
}

/** Bytes that Zstandard and LZ4 both skip. */
const SKIPPABLE = Uint8Array.of(0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9);

for (const codec of ["lz4", "zstd"] as const) {
  Deno.test(`decompress() with ${codec} steps over skippable frames`, async () => {
    const packed = joined(SKIPPABLE, await compress(codec, LINES), SKIPPABLE);
    assertSame(await decompress(codec, packed, LINES.length), LINES, codec);
    assertEquals((await decompress(codec, SKIPPABLE, 0)).length, 0);
    await assertRejects(() => decompress(codec, packed.subarray(0, -1), MIB), Error, "cut off");
  });
}

/** A frame of 64 KiB of zeros from our compressor, with its one block repeated. */
async function repeated(codec: "snappy" | "lz4", times: number): Promise<Uint8Array> {
  const frame = await compress(codec, new Uint8Array(65_536));
  const [header, footer] = codec === "lz4" ? [7, 4] : [16, 0];
  const block = frame.subarray(header, frame.length - footer);
  const blocks = new Uint8Array(times * block.length);
  for (let i = 0; i < times; i++) blocks.set(block, i * block.length);
  return joined(frame.subarray(0, header), blocks, frame.subarray(frame.length - footer));
}

/** Roughly the smallest compressed form of 1 GiB of zeros. */
const BOMBS: Readonly<Record<string, () => Promise<Uint8Array> | Uint8Array>> = {
  "gzip": () => {
    const piece = deflateRawSync(new Uint8Array(16 * MIB), {
      finishFlush: constants.Z_SYNC_FLUSH,
    });
    const header = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255);
    return joined(header, ...Array.from({ length: 64 }, () => piece));
  },
  "snappy, framed": () => repeated("snappy", 16_384),
  "snappy, raw": () => {
    const packed = new Uint8Array(7 + 3 * (2 ** 30 / 64));
    packed.set([0x80, 0x80, 0x80, 0x80, 0x04, 0, 0]);
    for (let i = 7; i < packed.length; i += 3) {
      packed[i] = 0xfe;
      packed[i + 1] = 1;
    }
    return packed;
  },
  "lz4": () => repeated("lz4", 16_384),
  // Blocks that repeat one byte 128 Ki times.
  "zstd": () => {
    const block = Uint8Array.of(0x02, 0x00, 0x10, 0);
    const last = Uint8Array.of(0x03, 0x00, 0x10, 0);
    const blocks = Array.from({ length: 8_191 }, () => block);
    return joined(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 0x38), ...blocks, last);
  },
};

for (const [name, make] of Object.entries(BOMBS)) {
  Deno.test(`decompress() stops a bomb of 1 GiB at its limit: ${name}`, async () => {
    const codec = name.split(",")[0] as Codec;
    const bomb = await make();
    for (const limit of [0, 1_000, MIB]) {
      const [memory, start] = [Deno.memoryUsage().rss, performance.now()];
      await assertRejects(
        () => decompress(codec, bomb, limit),
        Error,
        `records compressed with ${codec} are larger than ${limit} bytes, the limit`,
      );
      assert(performance.now() - start < 1_000, `${performance.now() - start} ms`);
      const grown = Deno.memoryUsage().rss - memory;
      assert(grown < 128 * MIB, `${grown / MIB} MiB`);
    }
  });
}

/** An LZ4 header with the right checksum, followed by other bytes. */
function lz4Frame(flags: number, rest: number[], blockCode = 4, size: number[] = []): Uint8Array {
  const header = Uint8Array.of(0x40 | flags, blockCode << 4, ...size);
  return Uint8Array.of(4, 0x22, 0x4d, 0x18, ...header, (xxhash32(header) >>> 8) & 0xff, ...rest);
}

const FORGED: readonly [what: string, Codec, bytes: Uint8Array, message: string][] = [
  [
    "a raw block of Snappy that claims 4 GiB",
    "snappy",
    Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f, 0),
    "a block claims 4294967295 bytes, more than its 1 can make",
  ],
  [
    "a raw block of Snappy that claims more than there are numbers",
    "snappy",
    Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0),
    "a block claims more than 4 GiB",
  ],
  [
    "a raw block of Snappy that makes more than it claims",
    "snappy",
    Uint8Array.of(10, 0, 0, 0xfe, 1, 0),
    "a block makes more bytes than it claims",
  ],
  [
    "a raw block of Snappy that makes less than it claims",
    "snappy",
    Uint8Array.of(10, 0, 0),
    "a block makes 1 byte, but claims 10",
  ],
  [
    "a copy of Snappy from before the block",
    "snappy",
    Uint8Array.of(10, 0, 0, 0x22, 2, 0),
    "a copy is of bytes before the block",
  ],
  [
    "a copy of Snappy without a distance",
    "snappy",
    Uint8Array.of(10, 0, 0, 0x22, 0, 0),
    "a copy is of bytes before the block",
  ],
  [
    "a literal of Snappy of 4 GiB",
    "snappy",
    Uint8Array.of(10, 63 << 2, 0xff, 0xff, 0xff, 0xff, 0),
    "a literal is cut off",
  ],
  [
    "a framed block of Snappy of 2 GiB",
    "snappy",
    Uint8Array.of(0x82, 83, 78, 65, 80, 80, 89, 0, 0, 0, 0, 1, 0, 0, 0, 1, 127, 255, 255, 255, 0),
    "a block has 1 byte, but claims 2147483647",
  ],
  [
    "a framed block of Snappy of less than nothing",
    "snappy",
    Uint8Array.of(0x82, 83, 78, 65, 80, 80, 89, 0, 0, 0, 0, 1, 0, 0, 0, 1, 255, 255, 255, 255, 0),
    "but claims -1",
  ],
  [
    "a frame of Snappy of another version",
    "snappy",
    Uint8Array.of(0x82, 83, 78, 65, 80, 80, 89, 0, 0, 0, 0, 2, 0, 0, 0, 2),
    "the frame is of version 2, not 1",
  ],
  [
    "a frame of LZ4 that claims 2^63 bytes",
    "lz4",
    lz4Frame(0x28, [0, 0, 0, 0], 4, [0, 0, 0, 0, 0, 0, 0, 128]),
    "the limit",
  ],
  [
    "a frame of LZ4 that claims more than it can make",
    "lz4",
    lz4Frame(0x28, [0, 0, 0, 0], 4, [0, 0, 8, 0, 0, 0, 0, 0]),
    "a frame claims 524288 bytes, more than it can make",
  ],
  [
    "a frame of LZ4 that claims more than it makes",
    "lz4",
    lz4Frame(0x28, [0, 0, 0, 0], 4, [1, 0, 0, 0, 0, 0, 0, 0]),
    "a frame makes 0 bytes, but claims 1",
  ],
  [
    "a block of LZ4 of 2 GiB",
    "lz4",
    lz4Frame(0x20, [255, 255, 255, 127]),
    "a block has 2147483647",
  ],
  [
    "a block of LZ4 larger than its frame allows",
    "lz4",
    lz4Frame(0x20, [1, 0, 1, 0x80, ...new Array(65_537).fill(0), 0, 0, 0, 0]),
    "a block has 65537 bytes, more than its frame allows",
  ],
  [
    "a block of LZ4 that makes more than its frame allows",
    "lz4",
    lz4Frame(0x20, [0x07, 1, 0, 0, 0x1f, 0, 1, 0, ...new Array(258).fill(255), 0]),
    "a block makes too many bytes",
  ],
  [
    "a match of LZ4 from before its block, where blocks are independent",
    "lz4",
    lz4Frame(0x20, [4, 0, 0, 0x80, 1, 2, 3, 4, 5, 0, 0, 0, 0, 4, 0, 0x10, 9, 0, 0, 0, 0]),
    "a match is of bytes before what may be repeated",
  ],
  [
    "a match of LZ4 without a distance",
    "lz4",
    lz4Frame(0x20, [6, 0, 0, 0, 0x10, 9, 0, 0, 0x10, 9, 0, 0, 0, 0]),
    "a match is of bytes before what may be repeated",
  ],
  ["a frame of LZ4 with a dictionary", "lz4", lz4Frame(0x21, [], 4, [1, 2, 3, 4]), "a dictionary"],
  ["a frame of LZ4 with a reserved flag", "lz4", lz4Frame(0x22, []), "an unknown version"],
  ["a frame of LZ4 with small blocks", "lz4", lz4Frame(0x20, [], 3), "blocks of an unknown size"],
  [
    "a frame of LZ4's old format",
    "lz4",
    Uint8Array.of(2, 0x21, 0x4c, 0x18, 0),
    "begins with 184c2102",
  ],
  [
    "a frame of Zstandard that claims 2^63 bytes",
    "zstd",
    Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 128, 1, 0, 0),
    "the limit",
  ],
  [
    "a frame of Zstandard with a window of 3.75 TiB",
    "zstd",
    Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 0xff, 9, 0, 0, 7),
    "cannot decompress",
  ],
  [
    "a frame of Zstandard that claims more than it makes",
    "zstd",
    Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, 2, 9, 0, 0, 7),
    "cannot decompress",
  ],
  [
    "a block of Zstandard of no known type",
    "zstd",
    Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, 1, 7, 0, 0),
    "a block of an unknown type",
  ],
];

for (const [what, codec, bytes, message] of FORGED) {
  Deno.test(`decompress() refuses ${what}`, async () => {
    await assertRejects(() => decompress(codec, bytes, MIB), Error, message);
  });
}

Deno.test("decompress() reads blocks of LZ4 that refer to those before", async () => {
  const blocks = [4, 0, 0, 0x80, 97, 98, 99, 100, 5, 0, 0, 0, 0x02, 4, 0, 0x10, 33, 0, 0, 0, 0];
  assertEquals(await decompress("lz4", lz4Frame(0, blocks), 11), text("abcdabcdab!"));
  // But not to another frame.
  const two = joined(await compress("lz4", text("abcd")), lz4Frame(0, blocks.slice(8)));
  await assertRejects(() => decompress("lz4", two, MIB), Error, "before what may be repeated");
});

Deno.test("decompress() reads elements of Snappy that our compressor never writes", async () => {
  const literal = (width: number) => [(59 + width) << 2, 3, ...new Array(width - 1).fill(0)];
  for (const width of [1, 2, 3, 4]) {
    const packed = Uint8Array.of(9, ...literal(width), 97, 98, 99, 100, 0x13, 4, 0, 0, 0);
    assertEquals(await decompress("snappy", packed, 9), text("abcdabcda"), `width ${width}`);
  }
});

Deno.test("decompress() reads Zstandard with a checksum, and detects a wrong one", async () => {
  const params = { [constants.ZSTD_c_checksumFlag]: 1 };
  const packed = new Uint8Array(zstdCompressSync(LINES, { params }));
  assertSame(await decompress("zstd", packed, MIB), LINES, "zstd");
  packed[packed.length - 1] ^= 1;
  await assertRejects(() => decompress("zstd", packed, MIB), Error, "cannot decompress");
});

Deno.test("xxhash32() returns the checksums of Java's library", () => {
  const checksums: [string, number][] = [
    ["", 0x02cc5d05],
    ["a", 0x550d7456],
    ["abc", 0x32d153ff],
    ["Nobody inspects the spammish repetition", 0xe2293b2f],
  ];
  for (const [of, checksum] of checksums) {
    assertEquals(xxhash32(text(of)), checksum);
    const within = text(`__${of}__`);
    assertEquals(xxhash32(within, 2, within.length - 2), checksum);
  }
});

Deno.test("decompress() refuses what follows gzip, even after a zero", async () => {
  const packed = new Uint8Array(gzipSync(LINES));
  for (const rest of [[0], [0, 0, 0], [0, ...packed], [1], [0x1f], [0x1f, 0x8b]]) {
    const bytes = joined(packed, Uint8Array.from(rest));
    await assertRejects(() => decompress("gzip", bytes, MIB), Error, "with gzip: ", `${rest}`);
    assertThrows(() => decompressNow("gzip", bytes, MIB), Error, "with gzip: ", `${rest}`);
  }
});

Deno.test("decompress() refuses more Zstandard frames than can be unpacked quickly", async () => {
  const frame = await compress("zstd", text("x"));
  const frames = (count: number) => joined(...Array.from({ length: count }, () => frame));
  assertEquals((await decompress("zstd", frames(4096), MIB)).length, 4096);
  await assertRejects(() => decompress("zstd", frames(4097), MIB), Error, "more than 4096 frames");
});

for (const [name, make] of Object.entries(BOMBS)) {
  Deno.test(`decompressNow() stops a bomb of 1 GiB at its limit: ${name}`, async () => {
    const codec = name.split(",")[0] as Codec;
    const bomb = await make();
    const start = performance.now();
    assertThrows(
      () => decompressNow(codec, bomb, MIB),
      Error,
      `larger than ${MIB} bytes, the limit`,
    );
    assert(performance.now() - start < 1_000, `${performance.now() - start} ms`);
  });
}
