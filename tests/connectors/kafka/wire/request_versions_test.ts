import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  missingRequest,
  requireCodec,
  UnsupportedRequestError,
  versionFor,
} from "../../../../src/connectors/kafka/wire/request_versions.ts";

const PRODUCE = { apiKey: 0, apiName: "Produce", oldest: 3, newest: 7 };

Deno.test("the newest version that both sides know is used", () => {
  const taken = (minVersion: number, maxVersion: number) =>
    versionFor(PRODUCE, { 0: { minVersion, maxVersion } });
  assertEquals(taken(0, 3), 3);
  assertEquals(taken(0, 7), 7);
  assertEquals(taken(0, 13), 7);
  assertEquals(taken(7, 13), 7, "the last one that the broker still has");
});

Deno.test("a broker without a version that we know is refused, with the request's name", () => {
  const refusal = (minVersion: number, maxVersion: number) =>
    assertThrows(
      () => versionFor(PRODUCE, { 0: { minVersion, maxVersion } }),
      UnsupportedRequestError,
    ).message;
  assertEquals(
    refusal(8, 13),
    "the broker accepts the request Produce from version 8 on, and this Millrace knows it up to 7: " +
      "use a newer Millrace, or an older broker",
  );
  assertEquals(
    refusal(0, 2),
    "the broker is too old: it accepts the request Produce up to version 2, and we need 3 " +
      "(Kafka 0.11 or newer has it)",
  );
  assertThrows(
    () => versionFor(PRODUCE, {}),
    UnsupportedRequestError,
    "the broker does not have the request Produce",
  );
});

Deno.test("the error for a missing request tells what to do without it", () => {
  const { message } = missingRequest("InitProducerId");
  assertEquals(message.includes(`set "enable.idempotence" to false`), true, message);
  assertEquals(message.includes("--recovery PATH"), true, message);
});

// Only a store on Kafka needs these.
for (const request of ["CreateTopics", "DescribeConfigs", "EndTxn", "JoinGroup"]) {
  Deno.test(`the error for a missing ${request} says where else state can be`, () => {
    assertStringIncludes(missingRequest(request).message, "keep state in a file instead");
  });
}

// Only transactions need these.
for (
  const request of [
    "InitProducerId",
    "AddPartitionsToTxn",
    "AddOffsetsToTxn",
    "TxnOffsetCommit",
    "EndTxn",
  ]
) {
  Deno.test(`the error for a missing ${request} tells how an output goes on without it`, () => {
    assertStringIncludes(missingRequest(request).message, `leave out "delivery"`);
    // At least once means outputs only.
    assertStringIncludes(missingRequest(request).message, "run the flow without --group");
  });
}

Deno.test("zstd is refused on a broker whose Produce ends before version 7", () => {
  const broker = (maxVersion: number) => ({ 0: { minVersion: 0, maxVersion } });
  for (const codec of ["none", "gzip", "snappy", "lz4"]) requireCodec(codec, broker(5));
  requireCodec("zstd", broker(7));
  assertThrows(
    () => requireCodec("zstd", broker(6)),
    UnsupportedRequestError,
    `"compression.type": zstd needs Kafka 2.1 or newer`,
  );
});

Deno.test("a broker without Metadata may be the controller of a KRaft cluster", () => {
  assertEquals(
    missingRequest("Metadata").message,
    "the broker does not have the request Metadata: is this the port of a KRaft controller? Give the " +
      "port that clients use, that of a broker",
  );
});
