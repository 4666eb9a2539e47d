import { assertEquals, assertThrows } from "@std/assert";
import type { Buffer } from "node:buffer";
import { decodeResponse } from "../../../../src/connectors/kafka/wire/produce.ts";
import { WireWriter } from "../../../../src/connectors/kafka/wire/wire.ts";

interface Answer {
  readonly partition: number;
  readonly code: number;
  /** From version 8 on. */
  readonly recordErrors?: readonly (readonly [index: number, reason: string | null])[];
  readonly message?: string | null;
}

/** A response as the protocol guide has it ("Produce Response"). */
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
    const { results, clientSideThrottleTime } = decodeResponse(bytes, version);
    assertEquals(
      results.map(({ partition, error, refused }) => [partition, error?.type, refused]),
      [[0, undefined, []], [7, "NOT_LEADER_FOR_PARTITION", []]],
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
  const [first, second, third] = decodeResponse(bytes, 8).results;
  assertEquals(first.error?.type, "INVALID_RECORD");
  assertEquals(first.error?.message, "rejected");
  assertEquals(first.refused, [{ index: 3, reason: "no key" }, { index: 5, reason: null }]);
  assertEquals(second.error?.message, "The timestamp of the message is out of acceptable range");
  assertEquals([third.error, third.partition], [undefined, 3]);
});

Deno.test("a response of Produce that is cut off is an error", () => {
  const bytes = response(8, [{ partition: 1, code: 87, recordErrors: [[3, "no key"]] }]);
  for (let end = 0; end < bytes.length; end++) {
    assertThrows(() => decodeResponse(bytes.subarray(0, end), 8), RangeError);
  }
});
