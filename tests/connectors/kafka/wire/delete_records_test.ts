import { assertEquals, assertRejects } from "@std/assert";
import {
  decodeDeleteRecords,
  deleteRecords,
  encodeDeleteRecords,
} from "../../../../src/connectors/kafka/wire/delete_records.ts";
import { WrongAnswerError } from "../../../../src/connectors/kafka/wire/wrong_answer.ts";
import { type BytesByVersion, bytesOf } from "../../../support/bytes_by_version.ts";

const PARTITIONS = [
  { topic: "a.shuffle", partition: 1, before: 2n ** 40n + 9n },
  { topic: "a.shuffle", partition: 3, before: 7n },
];

/** As `DeleteRecordsRequestData` of Java's kafka-clients 4.3.1 writes it. */
const JAVA_REQUESTS: BytesByVersion = [
  [
    [0, 1],
    "000000010009612e73687566666c6500000002000000010000010000000009000000030000000000" +
    "00000700007530",
  ],
  [
    [2],
    "020a612e73687566666c650300000001000001000000000900000000030000000000000007000000" +
    "00753000",
  ],
];

/** As `DeleteRecordsResponseData` of Java's kafka-clients 4.3.1 writes it. */
const JAVA_RESPONSES: BytesByVersion = [
  [
    [0, 1],
    "00000014000000010009612e73687566666c65000000020000000100000000000000090000000000" +
    "03ffffffffffffffff001d",
  ],
  [
    [2],
    "00000014020a612e73687566666c650300000001000000000000000900000000000003ffffffffff" +
    "ffffff001d000000",
  ],
];

for (const [version, bytes] of bytesOf(JAVA_REQUESTS)) {
  Deno.test(`a DeleteRecords request of version ${version} is the same as that of Java's client`, () => {
    const ours = encodeDeleteRecords(PARTITIONS, 30_000, version);
    assertEquals(ours.toString("hex"), bytes.toString("hex"));
  });
}

for (const [version, bytes] of bytesOf(JAVA_RESPONSES)) {
  Deno.test(`a DeleteRecords response of version ${version} that Java wrote is read`, () => {
    assertEquals(decodeDeleteRecords(bytes, version), {
      results: [
        { topic: "a.shuffle", partition: 1, errorCode: 0 },
        { topic: "a.shuffle", partition: 3, errorCode: 29 },
      ],
      clientSideThrottleTime: version >= 1 ? 20 : 0,
    });
  });
}

Deno.test("DeleteRecords throws if a partition is refused or left out", async () => {
  const answered = (codes: readonly number[]) =>
    deleteRecords(
      {
        versions: { 21: { minVersion: 0, maxVersion: 2 } },
        connectionPool: {
          send: () =>
            Promise.resolve({
              results: codes.map((errorCode, i) => ({ ...PARTITIONS[i], errorCode })),
            }),
        },
      },
      PARTITIONS,
      1_000,
    );
  await answered([0, 0]);
  const refused = await assertRejects(() => answered([0, 29]));
  assertEquals((refused as { type?: string }).type, "TOPIC_AUTHORIZATION_FAILED");
  await assertRejects(() => answered([0]), WrongAnswerError, "does not name partition 3");
});
