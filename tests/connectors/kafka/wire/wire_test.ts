import { assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { WireReader, WireWriter } from "../../../../src/connectors/kafka/wire/wire.ts";
import { type BytesByVersion, bytesOf } from "../../../support/bytes_by_version.ts";

const ID = "AAECAwQFBgcICQoLDA0ODw";

for (const flexible of [false, true]) {
  Deno.test(`WireReader reads what WireWriter wrote, flexible: ${flexible}`, () => {
    const long = "ü".repeat(500); // its length takes two bytes, and the buffer has to grow
    const out = new WireWriter(flexible, 1);
    out.boolean(true);
    out.int32(-2);
    out.int64(2n ** 53n);
    out.uuid(ID);
    out.uuid(null);
    for (const text of ["", "topic", long, null]) out.string(text);
    const numbers = Array.from({ length: 300 }, (_, n) => n);
    out.array(numbers, (n) => out.int32(n));
    out.array([], () => {});
    out.tags();
    out.int8(7);
    const from = new WireReader(out.written, flexible);
    assertEquals(from.boolean(), true);
    assertEquals(from.int32(), -2);
    assertEquals(from.int64(), 2n ** 53n);
    assertEquals([from.uuid(), from.uuid()], [ID, null]);
    assertEquals([1, 2, 3, 4].map(() => from.string()), ["", "topic", long, null]);
    assertEquals(from.array(() => from.int32()), numbers);
    assertEquals(from.array(() => from.int32()), []);
    from.tags();
    assertEquals([...from.rest()], [7]);
  });
}

Deno.test("WireReader reads what may be absent", () => {
  for (const flexible of [false, true]) {
    const out = new WireWriter(flexible);
    for (const items of [null, [], [-3]]) out.nullableArray(items, (n) => out.int8(n));
    out.bytes(Buffer.of(1, 2));
    for (const value of [null, 5]) out.nullable(value, (n) => out.int32(n));
    const from = new WireReader(out.written, flexible);
    const items = [0, 1, 2].map(() => from.nullableArray(() => from.int8()));
    assertEquals(items, [null, [], [-3]]);
    assertEquals(from.bytes(), Buffer.of(1, 2));
    assertEquals([0, 1].map(() => from.nullable(() => from.int32())), [null, 5]);
    assertEquals(from.rest().length, 0);
  }
});

Deno.test("WireWriter writes lengths in the protocol's form", () => {
  const written = (flexible: boolean) => {
    const out = new WireWriter(flexible);
    out.string("ab");
    out.string(null);
    out.array([3], (n) => out.int8(n));
    out.tags();
    return [...out.written];
  };
  assertEquals(written(false), [0, 2, 97, 98, 255, 255, 0, 0, 0, 1, 3]);
  assertEquals(written(true), [3, 97, 98, 0, 2, 3, 0]);
});

Deno.test("WireReader skips tagged fields", () => {
  const from = new WireReader(Buffer.of(2, 0, 3, 9, 9, 9, 0x81, 0x01, 0, 5), true);
  from.tags();
  assertEquals([...from.rest()], [5]);
});

Deno.test("WireReader does not read after the end", () => {
  const reader = (...bytes: number[]) => new WireReader(Buffer.from(bytes), true);
  assertThrows(() => reader(0, 0, 0).int32(), RangeError);
  assertThrows(() => reader(5, 97).string(), RangeError, "cut off");
  assertThrows(() => reader(1, 2, 3).uuid(), RangeError, "cut off");
  assertThrows(() => reader(0x80).string(), RangeError);
  assertThrows(() => reader(2, 0, 200, 1).tags(), RangeError);
  assertThrows(() => reader(...Array(6).fill(0xff)).bytes(), RangeError, "too large");
});

Deno.test("WireReader refuses impossible lengths, and counts of more items than there are", () => {
  const read = {
    string: (from: WireReader) => from.string(),
    bytes: (from: WireReader) => from.bytes(),
    array: (from: WireReader) => from.array(() => from.int32()),
    "array of nothing": (from: WireReader) => from.array(() => 0),
  };
  for (const [what, of] of Object.entries(read)) {
    for (const length of [-2, -12, -32_768, 9, 32_767]) {
      const bytes = Buffer.alloc(what === "string" ? 2 + 8 : 4 + 8);
      if (what === "string") bytes.writeInt16BE(length);
      else bytes.writeInt32BE(length);
      const reader = new WireReader(bytes, false);
      assertThrows(() => of(reader), RangeError, "a response of the broker", `${what} ${length}`);
    }
    const flexible = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2]);
    assertThrows(() => of(new WireReader(flexible, true)), RangeError, "a response of the broker");
    const endless = Buffer.alloc(20, 0xff);
    assertThrows(() => of(new WireReader(endless, true)), RangeError, "a response of the broker");
  }
  const tags = new WireReader(Buffer.from([0xff, 0xff, 0x7f, 0, 0]), true);
  assertThrows(() => tags.tags(), RangeError, "a response of the broker is cut off");
});

Deno.test("WireReader has its own error for a response that is cut off", () => {
  for (const read of ["boolean", "int16", "int32", "int64", "uuid"] as const) {
    const from = new WireReader(Buffer.alloc(0), false);
    assertThrows(() => from[read](), RangeError, "a response of the broker is cut off");
  }
});

/**
 * As `ApiVersionsResponseData` of Java's kafka-clients 3.9.1 writes version 3, with three
 * tagged fields at its end.
 */
const JAVA_TAGGED: BytesByVersion = [
  [
    [3],
    "000002000100040011000000000003001702116d657461646174612e76657273696f6e00010015000108" +
    "0000000000000006030101",
  ],
];

Deno.test("WireReader reads the requested tagged fields, and skips the others", () => {
  const [[, bytes]] = bytesOf(JAVA_TAGGED);
  const from = new WireReader(bytes, true);
  assertEquals(from.int16(), 0); // no error
  const keys = from.array(() => {
    const range = [from.int16(), from.int16(), from.int16()];
    from.tags();
    return range;
  });
  assertEquals(keys, [[1, 4, 17]]);
  from.int32(); // throttle time
  const read: Record<string, unknown> = {};
  from.tags({
    0: (field) => {
      read.supported = field.array(() => {
        const feature = [field.string(), field.int16(), field.int16()];
        field.tags();
        return feature;
      });
    },
    1: (field) => read.epoch = field.int64(),
  });
  assertEquals(read, { supported: [["metadata.version", 1, 21]], epoch: 6n });
  assertEquals(from.rest().length, 0);
});

Deno.test("WireWriter writes tagged fields as Java does", () => {
  const [[, bytes]] = bytesOf(JAVA_TAGGED);
  const out = new WireWriter(true, 1); // the buffer has to grow
  out.int16(0);
  out.array([[1, 4, 17]], (range) => {
    for (const number of range) out.int16(number);
    out.tags();
  });
  out.int32(0);
  out.tags([
    [0, (field) =>
      field.array([0], () => {
        field.string("metadata.version");
        field.int16(1);
        field.int16(21);
        field.tags();
      })],
    [1, (field) => field.int64(6n)],
    [3, (field) => field.boolean(true)],
  ]);
  assertEquals(out.written.toString("hex"), bytes.toString("hex"));
});

Deno.test("a tagged field that is longer or shorter than what is read of it is damage, or skipped", () => {
  const read: number[] = [];
  const from = new WireReader(Buffer.of(1, 0, 3, 7, 8, 9, 5), true);
  from.tags({ 0: (field) => read.push(field.int16()) });
  assertEquals([read, [...from.rest()]], [[0x0708], [5]]); // a later version has more in it
  const short = new WireReader(Buffer.of(1, 0, 1, 7, 9, 9, 9), true);
  assertThrows(() => short.tags({ 0: (field) => field.int32() }), RangeError, "cut off");
});
