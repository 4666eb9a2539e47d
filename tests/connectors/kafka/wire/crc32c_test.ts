import { assertEquals } from "@std/assert";
import { crc32c } from "../../../../src/connectors/kafka/wire/crc32c.ts";
import { Random } from "../../../support/values/random.ts";

const bytes = (length: number, of: (i: number) => number) =>
  Uint8Array.from({ length }, (_, i) => of(i));

Deno.test("crc32c() returns the known checksums of RFC 3720, appendix B.4", () => {
  assertEquals(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
  assertEquals(crc32c(bytes(32, () => 0)), 0x8a9136aa);
  assertEquals(crc32c(bytes(32, () => 0xff)), 0x62a8ab43);
  assertEquals(crc32c(bytes(32, (i) => i)), 0x46dd794e);
  assertEquals(crc32c(bytes(32, (i) => 31 - i)), 0x113fdb5c);
});

Deno.test("crc32c() of a part equals that of a copy of the part, at any length and place", () => {
  const all = bytes(200, (i) => (i * 73 + 5) & 0xff);
  for (let start = 0; start < 20; start++) {
    for (let end = start; end < 60; end++) {
      assertEquals(crc32c(all, start, end), crc32c(all.slice(start, end)));
    }
  }
});

/** Bit by bit, as the standard defines it. */
function slowCrc32c(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

Deno.test("crc32c() of any number of bytes equals the checksum computed bit by bit", () => {
  const random = new Random(1);
  const all = bytes(100_000, () => random.below(256));
  // The lengths at which another algorithm begins, and some between.
  const near = [512, 836, 900, 33_728, 34_624, 66_496].flatMap((length) =>
    Array.from({ length: 9 }, (_, i) => length - 4 + i)
  );
  const some = Array.from({ length: 60 }, () => 500 + random.below(5_000));
  for (const length of [...near, ...some, all.length - 3]) {
    const start = random.below(all.length - length);
    const part = all.subarray(start, start + length);
    assertEquals(crc32c(all, start, start + length), slowCrc32c(part), `${length} bytes`);
  }
});

Deno.test("crc32c() changes with every single bit of many bytes", () => {
  const zeros = new Uint8Array(3_000);
  const seen = new Set([crc32c(zeros)]);
  for (let bit = 0; bit < 8 * zeros.length; bit++) {
    zeros[bit >> 3] ^= 1 << (bit & 7);
    seen.add(crc32c(zeros));
    zeros[bit >> 3] = 0;
  }
  assertEquals(seen.size, 1 + 8 * zeros.length);
});
