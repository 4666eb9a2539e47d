import { assertEquals, assertRejects } from "@std/assert";
import {
  encodeTxnOffsetCommit,
  txnOffsetCommit,
} from "../../../../src/connectors/kafka/wire/txn_offset_commit.ts";
import { decodePartitionCodes } from "../../../../src/connectors/kafka/wire/transaction_answers.ts";
import type { PartitionCode } from "../../../../src/connectors/kafka/wire/partition_codes.ts";
import { UnsupportedRequestError } from "../../../../src/connectors/kafka/wire/request_versions.ts";
import { WrongAnswerError } from "../../../../src/connectors/kafka/wire/wrong_answer.ts";
import { type BytesByVersion, bytesOf } from "../../../support/bytes_by_version.ts";

const TRANSACTION = { transactionalId: "flow", producerId: 2n ** 32n + 2n, producerEpoch: 5 };
const OFFSETS = [
  { topic: "orders", partition: 1, offset: 2n ** 40n + 9n },
  { topic: "orders", partition: 258, offset: 0n },
  { topic: "late", partition: 0, offset: 3n },
];

/** As `TxnOffsetCommitRequestData` of Java's kafka-clients 4.3.1 writes it. */
const JAVA_REQUESTS: BytesByVersion = [
  [
    [0, 1],
    "0004666c6f77000772656164657273000000010000000200050000000200066f7264657273000000" +
    "020000000100000100000000090000000001020000000000000000000000046c6174650000000100" +
    "00000000000000000000030000",
  ],
  [
    [2],
    "0004666c6f77000772656164657273000000010000000200050000000200066f7264657273000000" +
    "02000000010000010000000009ffffffff0000000001020000000000000000ffffffff000000046c" +
    "61746500000001000000000000000000000003ffffffff0000",
  ],
  [
    [3],
    "05666c6f77087265616465727300000001000000020005ffffffff010003076f7264657273030000" +
    "00010000010000000009ffffffff0100000001020000000000000000ffffffff010000056c617465" +
    "02000000000000000000000003ffffffff01000000",
  ],
];

/** As `TxnOffsetCommitResponseData` of Java's kafka-clients 4.3.1 writes it. */
const JAVA_RESPONSES: BytesByVersion = [
  [
    [0, 1, 2],
    "000000140000000200066f72646572730000000200000001000000000102001e00046c6174650000" +
    "0001000000000000",
  ],
  [
    [3],
    "0000001403076f7264657273030000000100000000000102001e0000056c61746502000000000000" +
    "000000",
  ],
];

for (const [version, bytes] of bytesOf(JAVA_REQUESTS)) {
  Deno.test(`a TxnOffsetCommit request of version ${version} is the same as that of Java's client`, () => {
    const ours = encodeTxnOffsetCommit(TRANSACTION, "readers", OFFSETS, version);
    assertEquals(ours.toString("hex"), bytes.toString("hex"));
  });
}

Deno.test("a TxnOffsetCommit request of a member is the same as that of Java's client", () => {
  const ours = encodeTxnOffsetCommit(
    TRANSACTION,
    "readers",
    [{ topic: "orders", partition: 1, offset: 9n, metadata: "m" }],
    3,
    { memberId: "member", epoch: 7, instanceId: "instance" },
  );
  assertEquals(
    ours.toString("hex"),
    "05666c6f7708726561646572730000000100000002000500000007076d656d62657209696e737461" +
      "6e636502076f726465727302000000010000000000000009ffffffff026d000000",
  );
});

Deno.test("a member's TxnOffsetCommit goes to no broker that would not know who it is", async () => {
  const old = {
    versions: { 28: { minVersion: 0, maxVersion: 2 } },
    connectionPool: { send: () => Promise.resolve({ results: results([0, 0, 0]) }) },
  };
  await txnOffsetCommit(old, TRANSACTION, "readers", OFFSETS);
  const member = { memberId: "member", epoch: 7, instanceId: null };
  await assertRejects(
    () => txnOffsetCommit(old, TRANSACTION, "readers", OFFSETS, member),
    UnsupportedRequestError,
    "TxnOffsetCommit",
  );
});

/** Results of the three partitions. */
function results(codes: readonly [number, number, number]): PartitionCode[] {
  return OFFSETS.map(({ topic, partition }, i) => ({ topic, partition, errorCode: codes[i] }));
}

for (const [version, bytes] of bytesOf(JAVA_RESPONSES)) {
  Deno.test(`a TxnOffsetCommit response of version ${version} that Java wrote is read`, () => {
    assertEquals(decodePartitionCodes(bytes, version), {
      results: results([0, 30, 0]),
      clientSideThrottleTime: version >= 1 ? 20 : 0,
    });
  });
}

Deno.test("TxnOffsetCommit throws if a partition is refused or left out", async () => {
  const answered = (results: readonly PartitionCode[]) =>
    txnOffsetCommit(
      {
        versions: { 28: { minVersion: 0, maxVersion: 5 } },
        connectionPool: { send: () => Promise.resolve({ results }) },
      },
      TRANSACTION,
      "readers",
      OFFSETS,
    );
  await answered(results([0, 0, 0]));
  const refused = await assertRejects(() => answered(results([0, 30, 0])));
  assertEquals((refused as { type?: string }).type, "GROUP_AUTHORIZATION_FAILED");
  await assertRejects(
    () => answered(results([0, 0, 0]).slice(1)),
    WrongAnswerError,
    'does not name partition 1 of topic "orders"',
  );
});
