import { assertEquals, assertStrictEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { ItemError, type KafkaOutputItem } from "millrace";
import { toMessage } from "../../../../src/connectors/kafka/message.ts";
import {
  partitionerOf,
  partitionOfKey,
} from "../../../../src/connectors/kafka/write/partitioner.ts";
import {
  type OutgoingRecord,
  requireFields,
  toRecord,
} from "../../../../src/connectors/kafka/write/to_record.ts";

const NOW = 1_700_000_000_000;
const partitionOf = partitionerOf("murmur2_random");
const PARTITIONING = { now: NOW, partitionOf, count: 8, keyless: 5 };

const make = (item: unknown): OutgoingRecord =>
  toRecord(item as KafkaOutputItem, "orders", PARTITIONING);

const text = (data: Uint8Array | null) => data === null ? null : new TextDecoder().decode(data);

/** Headers as text. */
const texts = ({ headers }: OutgoingRecord) =>
  headers.map(([name, value]) => [text(name), text(value)]);

/** The message of the error that `item` causes. The error has the item. */
function refusal(item: unknown): string {
  const error = assertThrows(() => make(item), ItemError) as ItemError;
  assertStrictEquals(error.item, item);
  const cause = error.cause as Error;
  assertEquals(cause instanceof TypeError || cause instanceof RangeError, true);
  return cause.message;
}

for (
  const [item, key, value] of [
    [["k", "v"], "k", "v"],
    [["grüße", "welt"], "grüße", "welt"],
    [[new Uint8Array([107]), new Uint8Array([118])], "k", "v"],
    [[Buffer.from("k"), Buffer.from("v")], "k", "v"],
    [[null, "v"], null, "v"],
    [["k", null], "k", null],
    [[null, null], null, null],
    [["", ""], "", ""],
    [{ value: "v" }, null, "v"],
    [{ value: null }, null, null],
    [{ key: "k", value: "v" }, "k", "v"],
    [{ key: null, value: new Uint8Array([118]) }, null, "v"],
    [{ key: undefined, value: "v", headers: undefined, timestamp: undefined }, null, "v"],
    [{ key: "k", value: "v", partition: undefined, topic: undefined }, "k", "v"],
    [{ key: "k", value: "v", topic: "orders", more: 1 }, "k", "v"],
    [{ key: "k", value: "v", topic: "elsewhere", partition: 99, offset: 12n }, "k", "v"],
  ] as const
) {
  Deno.test(`toRecord() makes a record of ${Deno.inspect(item)}`, () => {
    const record = make(item);
    const { partition, item: kept } = record;
    assertEquals([text(record.key), text(record.value)], [key, value]);
    const expected = key === null ? 5 : partitionOfKey(new TextEncoder().encode(key), 8);
    assertEquals(partition, expected);
    assertStrictEquals(kept, item);
    assertEquals([texts(record), record.timestamp], [[], NOW]);
  });
}

for (
  const item of [
    "text",
    42,
    null,
    undefined,
    new Uint8Array([1, 2]),
    [],
    ["k"],
    ["k", "v", "more"],
    {},
    { key: "k" },
    { payload: "v" },
    new Map([["value", "v"]]),
  ]
) {
  Deno.test(`toRecord() refuses ${Deno.inspect(item)}: neither a pair nor an object with a value`, () => {
    assertStringIncludes(
      refusal(item),
      "KafkaOutputConfig accepts [key, payload] pairs or objects { key, value, … }; got ",
    );
  });
}

for (
  const [item, what] of [
    [[1, "v"], "key"],
    [[undefined, "v"], "key"],
    [["k", 1], "payload"],
    [["k", undefined], "payload"],
    [["k", { a: 1 }], "payload"],
    [["k", new ArrayBuffer(2)], "payload"],
    [["k", new Uint16Array(2)], "payload"],
    [{ key: 1, value: "v" }, "key"],
    [{ value: undefined }, "value"],
    [{ value: 1n }, "value"],
    [{ value: true }, "value"],
    [{ value: "v", headers: { h: 1 } }, 'header "h"'],
    [{ value: "v", headers: { h: undefined } }, 'header "h"'],
    [{ value: "v", headers: { h: ["a", {}] } }, 'header "h"'],
  ] as const
) {
  Deno.test(`toRecord() refuses ${Deno.inspect(item)}, and says of the ${what} what it takes`, () => {
    const message = refusal(item);
    assertStringIncludes(message, `a record's ${what} must be bytes, text or null; got `);
    assertStringIncludes(message, "(use json.encode or text.encode)");
  });
}

Deno.test("toRecord() accepts null for a header without a value, also in a list", () => {
  const { headers } = make({ value: "v", headers: { h: null, list: ["a", null] } });
  assertEquals(headers.map(([, value]) => text(value)), [null, "a", null]);
});

for (const headers of [null, "h=1", 7]) {
  Deno.test(`toRecord() refuses ${Deno.inspect(headers)} as headers`, () => {
    assertStringIncludes(refusal({ value: "v", headers }), "headers must be an object; got ");
  });
}

for (const headers of [new Map([["h", "1"]]), [["h", "1"]], new Headers({ h: "1" })]) {
  Deno.test(`toRecord() refuses ${headers.constructor.name} as headers: they would be lost`, () => {
    assertStringIncludes(refusal({ value: "v", headers }), "headers must be an object; got ");
  });
}

Deno.test("toRecord() accepts header values as text, bytes, and lists of both", () => {
  const record = make({
    value: "v",
    headers: { one: "1", bytes: new Uint8Array([50]), list: ["a", new Uint8Array([98])], none: [] },
  });
  assertEquals(texts(record), [["one", "1"], ["bytes", "2"], ["list", "a"], ["list", "b"]]);
});

Deno.test("toRecord() accepts headers with any name, without touching a prototype", () => {
  const headers = JSON.parse('{ "__proto__": "p", "constructor": "c", "toString": "t" }');
  const made = make({ value: "v", headers });
  assertEquals(texts(made), [["__proto__", "p"], ["constructor", "c"], ["toString", "t"]]);
});

for (const timestamp of [-1, -86_400_000, 0, 999999999999, 1700000000123, 1e13]) {
  Deno.test(`toRecord() takes the timestamp ${timestamp}`, () => {
    assertEquals(make({ value: "v", timestamp }).timestamp, timestamp);
  });
}

for (
  const timestamp of [
    2 ** 53,
    1.5e12 + 0.5,
    NaN,
    Infinity,
    "1700000000123",
    null,
    new Date(1.7e12),
    1700000000123n,
  ]
) {
  Deno.test(`toRecord() refuses the timestamp ${Deno.inspect(timestamp)}`, () => {
    assertStringIncludes(
      refusal({ value: "v", timestamp }),
      "timestamp must be whole milliseconds since the Unix epoch, or -1 for none; got ",
    );
  });
}

for (const partition of [0, 7]) {
  Deno.test(`toRecord() lets a record say that it goes to partition ${partition}, whatever its key`, () => {
    assertEquals(make({ key: "k", value: "v", partition }).partition, partition);
    assertEquals(make({ value: "v", partition }).partition, partition);
  });
}

for (const partition of [-1, 8, 1.5, NaN, "1", null, 1n]) {
  Deno.test(`toRecord() refuses partition ${Deno.inspect(partition)} where there are eight`, () => {
    assertStringIncludes(
      refusal({ value: "v", partition }),
      "partition must be a whole number from 0 to 7; got ",
    );
  });
}

for (const topic of ["others", "Orders", "", null, 7]) {
  Deno.test(`toRecord() refuses a record for the topic ${Deno.inspect(topic)}`, () => {
    const message = refusal({ value: "v", topic });
    assertStringIncludes(message, `a record's topic must be the output's, "orders"; got `);
    assertStringIncludes(message, "use one KafkaOutputConfig for each topic");
  });
}

Deno.test("toRecord() copies no bytes: even a view's part of its buffer is sent unchanged", () => {
  const whole = new TextEncoder().encode("xxkeyxxvaluexx");
  const [key, value] = [whole.subarray(2, 5), whole.subarray(7, 12)];
  for (const item of [[key, value], { key, value, headers: { h: value } }]) {
    const record = make(item);
    const [[, header] = [null, record.value]] = record.headers;
    assertEquals([text(record.key), text(record.value)], ["key", "value"]);
    for (const sent of [record.key, record.value, header]) {
      assertStrictEquals(sent!.buffer, whole.buffer);
    }
  }
  const buffer = Buffer.from("as it is");
  assertStrictEquals(make([null, buffer]).value, buffer);
});

Deno.test("toRecord() never counts a record as smaller than its key, value and headers", () => {
  const bytes = (n: number) => new Uint8Array(n);
  const headers = { "größe": [bytes(100), bytes(50)], h: "grüße" };
  assertEquals(make([bytes(1_000), bytes(2_000)]).bytes >= 3_000, true);
  assertEquals(make(["ü".repeat(500), null]).bytes >= 1_000, true);
  const { bytes: size } = make({ key: bytes(10), value: bytes(20), headers });
  assertEquals(size >= 10 + 20 + (7 + 100) + (7 + 50) + (1 + 7), true);
});

Deno.test("requireFields() names a mistyped field, whose data would be lost, and the one that was meant", () => {
  const item = { value: "x", header: { a: "1" } } as unknown as KafkaOutputItem;
  const error = assertThrows(() => requireFields(item), ItemError) as ItemError;
  assertEquals(error.item, item);
  assertEquals(
    (error.cause as Error).message,
    'a record for KafkaOutputConfig has no field "header"; it has: key, value, headers, rawHeaders, ' +
      "timestamp, partition, topic. Did you mean headers?",
  );
});

Deno.test("requireFields() accepts pairs, records, and messages that were read", () => {
  const stored = { key: null, value: null, headers: [], timestamp: 1, offset: 7 };
  for (const item of [["k", "v"], { value: "v", partition: 0 }, toMessage(stored, "t", 0)]) {
    requireFields(item as KafkaOutputItem);
  }
});
