import { assertEquals, assertThrows } from "@std/assert";
import {
  decodeValue,
  encodeValue,
  UnencodableError,
  ValueColumn,
} from "../../src/core/value_codec.ts";

const VALUES = [
  1,
  null,
  "é".repeat(40),
  { a: 1, b: [1, 2] },
  { a: 2, b: [] },
  new Map([[1, new Date(0)]]),
  new Uint8Array(3 << 20).fill(7),
  "after a large one",
];

Deno.test("ValueColumn holds each value as encodeValue returns it, also after a large one and after take", () => {
  const column = new ValueColumn();
  for (let round = 0; round < 2; round++) {
    const lengths = VALUES.map((value) => column.write(value));
    const bytes = column.take();
    let at = 0;
    for (const [i, length] of lengths.entries()) {
      const one = bytes.subarray(at, at += length);
      assertEquals(one, encodeValue(VALUES[i]));
      assertEquals(decodeValue(one), VALUES[i]);
    }
    assertEquals(at, bytes.length);
  }
  assertEquals(column.take().length, 0);
});

Deno.test("ValueColumn keeps what was written before a value that cannot be encoded", () => {
  const column = new ValueColumn();
  const length = column.write("one");
  assertThrows(() => column.write([1, () => {}]), UnencodableError);
  column.write("two");
  const bytes = column.take();
  assertEquals(decodeValue(bytes.subarray(0, length)), "one");
  assertEquals(decodeValue(bytes.subarray(length)), "two");
});
