import { assertEquals, assertStrictEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import type { LogRecord } from "../../../src/connectors/kafka/wire/read_batch.ts";
import { toMessage } from "../../../src/connectors/kafka/message.ts";

const bytes = (text: string) => Buffer.from(text);

const RECORD: LogRecord = {
  offset: 0,
  timestamp: 1_700_000_000_123,
  key: null,
  value: null,
  headers: [],
};

function headersOf(headers: LogRecord["headers"]): Record<string, Uint8Array[]> {
  return toMessage({ ...RECORD, headers }, "t", 0).headers;
}

Deno.test("toMessage() returns key, value, timestamp, topic, partition and offset", () => {
  const [key, value] = [bytes("k"), bytes("v")];
  const message = toMessage({ ...RECORD, offset: 2 ** 53 - 1, key, value }, "orders", 3);
  assertStrictEquals(message.key, key); // the same bytes, not a copy
  assertStrictEquals(message.value, value);
  assertEquals(message, {
    key,
    value,
    headers: Object.create(null),
    rawHeaders: [],
    timestamp: 1_700_000_000_123,
    topic: "orders",
    partition: 3,
    offset: 2n ** 53n - 1n,
  });
});

Deno.test("toMessage() returns null for an absent key, and for a tombstone", () => {
  const { key, value } = toMessage(RECORD, "t", 0);
  assertEquals([key, value], [null, null]);
});

Deno.test("toMessage() returns the values of a header as an ordered list, even a single one", () => {
  const headers = headersOf([
    ["one", bytes("1")],
    ["two", bytes("a")],
    ["two", bytes("b")],
    ["two", bytes("c")],
  ]);
  assertEquals(Object.keys(headers), ["one", "two"]);
  assertEquals(headers.one.map(String), ["1"]);
  assertEquals(headers.two.map(String), ["a", "b", "c"]);
});

for (const name of ["constructor", "__proto__", "toString", "hasOwnProperty", "valueOf"]) {
  Deno.test(`toMessage() gives the values of a header named ${name}, and nothing else`, () => {
    const headers = headersOf([[name, bytes("a")], [name, bytes("b")]]);
    assertEquals(Object.keys(headers), [name]);
    assertEquals(headers[name].map(String), ["a", "b"]);
    assertEquals(Object.getPrototypeOf(headers), null);
    assertEquals(headers["isPrototypeOf"], undefined);
    assertEquals(({} as Record<string, unknown>)["a"], undefined);
  });
}

Deno.test("toMessage() returns no value for a header whose value is null", () => {
  const headers = headersOf([["none", null], ["some", bytes("")]]);
  assertEquals(headers.none, []);
  assertEquals(headers.some.map((value) => value.length), [0]);
});
