import { assertEquals, assertThrows } from "@std/assert";
import type { Buffer } from "node:buffer";
import { decodeProduce, encodeProduce } from "../../../../src/connectors/kafka/wire/produce.ts";
import { WireWriter } from "../../../../src/connectors/kafka/wire/wire.ts";
import { type BytesByVersion, bytesOf } from "../../../support/bytes_by_version.ts";

interface Answer {
  readonly partition: number;
  readonly code: number;
  /** From version 8 on. */
  readonly recordErrors?: readonly (readonly [index: number, reason: string | null])[];
  readonly message?: string | null;
}

/** A response in the form of the protocol guide ("Produce Response"). */
function response(version: number, answers: readonly Answer[], throttleMs = 0): Buffer {
  const out = new WireWriter(false);
  out.array(["topic"], (topic) => {
    out.string(topic);
    out.array(answers, ({ partition, code, recordErrors = [], message = null }) => {
      out.int32(partition);
      out.int8(code >> 8);
      out.int8(code & 0xff);
      out.int64(12n); // base_offset
      out.int64(-1n); // log_append_time_ms
      if (version >= 5) out.int64(0n); // log_start_offset
      if (version < 8) return;
      out.array(recordErrors, ([index, reason]) => {
        out.int32(index);
        out.string(reason);
      });
      out.string(message);
    });
  });
  out.int32(throttleMs);
  return out.written;
}

for (const version of [3, 4, 5, 6, 7, 8]) {
  Deno.test(`the response of Produce ${version} says of each partition whether it was written`, () => {
    const bytes = response(version, [{ partition: 0, code: 0 }, { partition: 7, code: 6 }], 250);
    const { results, clientSideThrottleTime } = decodeProduce(bytes, version);
    assertEquals(
      results.map(({ partition, error, baseOffset, refused }) => [
        partition,
        error?.type,
        baseOffset,
        refused,
      ]),
      [[0, undefined, 12, []], [7, "NOT_LEADER_FOR_PARTITION", null, []]],
    );
    // Before version 6, the broker has waited itself.
    assertEquals(clientSideThrottleTime, version < 6 ? 0 : 250);
  });
}

Deno.test("the response of Produce 8 says which records were refused, and why", () => {
  const bytes = response(8, [
    { partition: 1, code: 87, recordErrors: [[3, "no key"], [5, null]], message: "rejected" },
    { partition: 2, code: 32 },
    { partition: 3, code: 0 },
  ]);
  const [first, second, third] = decodeProduce(bytes, 8).results;
  assertEquals(first.error?.type, "INVALID_RECORD");
  assertEquals(first.error?.message, "rejected");
  assertEquals(first.refused, [{ index: 3, reason: "no key" }, { index: 5, reason: null }]);
  assertEquals(second.error?.message, "The timestamp of the message is out of acceptable range");
  assertEquals([third.error, third.partition], [undefined, 3]);
});

Deno.test("a response of Produce that is cut off is an error", () => {
  const bytes = response(8, [{ partition: 1, code: 87, recordErrors: [[3, "no key"]] }]);
  for (let end = 0; end < bytes.length; end++) {
    assertThrows(() => decodeProduce(bytes.subarray(0, end), 8), RangeError);
  }
});

/** As `ProduceRequestData` of Java's kafka-clients 3.9.1 writes it outside of transactions. */
const JAVA_PLAIN_REQUESTS: BytesByVersion = [
  [
    [3, 4, 5, 6, 7, 8],
    "ffffffff000075300000000100026162000000020000000000000003010203000000020000000104",
  ],
];

/** The same in a transaction. */
const JAVA_TRANSACTIONAL_REQUESTS: BytesByVersion = [
  [
    [3, 4, 5, 6, 7, 8],
    "0004666c6f77ffff00007530000000010002616200000002000000000000000301020300000002000000" +
    "0104",
  ],
];

/** As `ProduceResponseData` of Java's kafka-clients 3.9.1 writes it. */
const JAVA_RESPONSES: BytesByVersion = [
  [
    [3, 4],
    "000000010002616200000002000000000000000000000000000cffffffffffffffff000000020057ffff" +
    "ffffffffffffffffffffffffffff00000014",
  ],
  [
    [5, 6, 7],
    "000000010002616200000002000000000000000000000000000cffffffffffffffff0000000000000001" +
    "000000020057ffffffffffffffffffffffffffffffffffffffffffffffff00000014",
  ],
  [
    [8],
    "000000010002616200000002000000000000000000000000000cffffffffffffffff0000000000000001" +
    "00000000ffff000000020057ffffffffffffffffffffffffffffffffffffffffffffffff000000010000" +
    "000100066e6f206b657900066e6f206b657900000014",
  ],
];

for (
  const [transactionalId, requests] of [
    [undefined, JAVA_PLAIN_REQUESTS],
    ["flow", JAVA_TRANSACTIONAL_REQUESTS],
  ] as const
) {
  for (const [version, bytes] of bytesOf(requests)) {
    Deno.test(`a Produce request of version ${version} for the id ${transactionalId} is the same as that of Java's client`, () => {
      const batches = [
        { partition: 0, batch: Uint8Array.of(1, 2, 3) },
        { partition: 2, batch: Uint8Array.of(4) },
      ];
      const options = { topic: "ab", acks: -1, timeoutMs: 30_000, transactionalId };
      assertEquals(encodeProduce(batches, options).toString("hex"), bytes.toString("hex"));
    });
  }
}

for (const [version, bytes] of bytesOf(JAVA_RESPONSES)) {
  Deno.test(`a Produce response of version ${version} that Java wrote is read`, () => {
    const { results, clientSideThrottleTime } = decodeProduce(bytes, version);
    assertEquals(
      results.map(({ topic, partition, error, baseOffset, refused }) => [
        topic,
        partition,
        error?.type,
        baseOffset,
        refused,
      ]),
      [
        ["ab", 0, undefined, 12, []],
        ["ab", 2, "INVALID_RECORD", null, version >= 8 ? [{ index: 1, reason: "no key" }] : []],
      ],
    );
    if (version >= 8) assertEquals(results[1].error?.message, "no key");
    assertEquals(clientSideThrottleTime, version >= 6 ? 20 : 0);
  });
}
