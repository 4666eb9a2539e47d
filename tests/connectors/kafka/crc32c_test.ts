import { assertEquals } from "@std/assert";
import { crc32c } from "../../../src/connectors/kafka/crc32c.ts";

const bytes = (length: number, of: (i: number) => number) =>
  Uint8Array.from({ length }, (_, i) => of(i));

Deno.test("crc32c() gives the known checksums of RFC 3720, appendix B.4", () => {
  assertEquals(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
  assertEquals(crc32c(bytes(32, () => 0)), 0x8a9136aa);
  assertEquals(crc32c(bytes(32, () => 0xff)), 0x62a8ab43);
  assertEquals(crc32c(bytes(32, (i) => i)), 0x46dd794e);
  assertEquals(crc32c(bytes(32, (i) => 31 - i)), 0x113fdb5c);
});

Deno.test("crc32c() of a part is that of the part alone, whatever its length and place", () => {
  const all = bytes(200, (i) => (i * 73 + 5) & 0xff);
  for (let start = 0; start < 20; start++) {
    for (let end = start; end < 60; end++) {
      assertEquals(crc32c(all, start, end), crc32c(all.slice(start, end)));
    }
  }
});
