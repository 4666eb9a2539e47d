import { assertEquals, assertStrictEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import type { FetchedRecord } from "../../../src/connectors/kafka/kafkajs.ts";
import { toMessage } from "../../../src/connectors/kafka/message.ts";
import { fetchedRecord } from "../../support/fetched.ts";

/** Collects headers as KafkaJS's record decoder does, with what comes of odd names. */
function asKafkaJs(headers: readonly [name: string, value: Buffer | null][]) {
  return headers.reduce<Record<string, unknown>>((all, [name, value]) => {
    const before = all[name];
    const now = before === undefined
      ? value
      : Array.isArray(before)
      ? before.concat([value])
      : [before, value];
    return { ...all, [name]: now };
  }, {});
}

const bytes = (text: string) => Buffer.from(text);

function headersOf(headers: FetchedRecord["headers"]): Record<string, Uint8Array[]> {
  return toMessage({ ...fetchedRecord(0n), headers }, "t", 0).headers;
}

Deno.test("toMessage() gives key, value, timestamp, topic, partition and offset", () => {
  const [key, value] = [bytes("k"), bytes("v")];
  const record = {
    ...fetchedRecord(9007199254740993n, { key, value }),
    timestamp: "1700000000123",
  };
  const message = toMessage(record, "orders", 3);
  assertStrictEquals(message.key, key); // the same bytes, not a copy
  assertStrictEquals(message.value, value);
  assertEquals(message, {
    key,
    value,
    headers: Object.create(null),
    timestamp: 1700000000123,
    topic: "orders",
    partition: 3,
    offset: 9007199254740993n,
  });
});

Deno.test("toMessage() gives null for a key that is not there, and for a tombstone", () => {
  const { key, value } = toMessage(fetchedRecord(0n, { key: null, value: null }), "t", 0);
  assertEquals([key, value], [null, null]);
});

Deno.test("toMessage() gives the values of a header as a list, in order, also of a single one", () => {
  const headers = headersOf(
    asKafkaJs([["one", bytes("1")], ["two", bytes("a")], ["two", bytes("b")], ["two", bytes("c")]]),
  );
  assertEquals(Object.keys(headers), ["one", "two"]);
  assertEquals(headers.one.map(String), ["1"]);
  assertEquals(headers.two.map(String), ["a", "b", "c"]);
});

for (const name of ["constructor", "__proto__", "toString", "hasOwnProperty", "valueOf"]) {
  Deno.test(`toMessage() gives the values of a header named ${name}, and nothing else`, () => {
    const headers = headersOf(asKafkaJs([[name, bytes("a")], [name, bytes("b")]]));
    assertEquals(Object.keys(headers), [name]);
    assertEquals(headers[name].map(String), ["a", "b"]);
    assertEquals(Object.getPrototypeOf(headers), null);
    assertEquals(headers["isPrototypeOf"], undefined);
    assertEquals(({} as Record<string, unknown>)["a"], undefined);
  });
}

Deno.test("toMessage() gives no value for a header whose value is null", () => {
  const headers = headersOf(asKafkaJs([["none", null], ["some", bytes("")]]));
  assertEquals(headers.none, []);
  assertEquals(headers.some.map((value) => value.length), [0]);
});
