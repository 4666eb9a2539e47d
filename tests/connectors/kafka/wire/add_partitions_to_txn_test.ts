import { assertEquals, assertRejects } from "@std/assert";
import {
  addPartitionsToTxn,
  encodeAddPartitionsToTxn,
} from "../../../../src/connectors/kafka/wire/add_partitions_to_txn.ts";
import { decodePartitionCodes } from "../../../../src/connectors/kafka/wire/transaction_answers.ts";
import type { PartitionCode } from "../../../../src/connectors/kafka/wire/partition_codes.ts";
import { WrongAnswerError } from "../../../../src/connectors/kafka/wire/wrong_answer.ts";
import { type BytesByVersion, bytesOf } from "../../../support/bytes_by_version.ts";

const TRANSACTION = { transactionalId: "flow", producerId: 2n ** 32n + 2n, producerEpoch: 5 };
const PARTITIONS = [
  { topic: "orders", partition: 1 },
  { topic: "orders", partition: 258 },
  { topic: "late", partition: 0 },
];

/** As `AddPartitionsToTxnRequestData` of Java's kafka-clients 4.3.1 writes it. */
const JAVA_REQUESTS: BytesByVersion = [
  [
    [0, 1, 2],
    "0004666c6f77000000010000000200050000000200066f7264657273000000020000000100000102" +
    "00046c6174650000000100000000",
  ],
  [
    [3],
    "05666c6f770000000100000002000503076f726465727303000000010000010200056c6174650200" +
    "0000000000",
  ],
];

/** As `AddPartitionsToTxnResponseData` of Java's kafka-clients 4.3.1 writes it. */
const JAVA_RESPONSES: BytesByVersion = [
  [
    [0, 1, 2],
    "000000140000000200066f72646572730000000200000001003700000102000300046c6174650000" +
    "0001000000000000",
  ],
  [
    [3],
    "0000001403076f726465727303000000010037000000010200030000056c61746502000000000000" +
    "000000",
  ],
];

for (const [version, bytes] of bytesOf(JAVA_REQUESTS)) {
  Deno.test(`an AddPartitionsToTxn request of version ${version} is the same as that of Java's client`, () => {
    // A topic's partitions need not stand side by side.
    const mixed = [PARTITIONS[0], PARTITIONS[2], PARTITIONS[1]];
    for (const partitions of [PARTITIONS, mixed]) {
      const ours = encodeAddPartitionsToTxn(TRANSACTION, partitions, version);
      assertEquals(ours.toString("hex"), bytes.toString("hex"));
    }
  });
}

for (const [version, bytes] of bytesOf(JAVA_RESPONSES)) {
  Deno.test(`an AddPartitionsToTxn response of version ${version} that Java wrote is read`, () => {
    assertEquals(decodePartitionCodes(bytes, version), {
      results: [
        { ...PARTITIONS[0], errorCode: 55 },
        { ...PARTITIONS[1], errorCode: 3 },
        { ...PARTITIONS[2], errorCode: 0 },
      ],
      clientSideThrottleTime: version >= 1 ? 20 : 0,
    });
  });
}

/** Sends a request that is answered with these results. */
function answered(results: readonly PartitionCode[]): Promise<void> {
  return addPartitionsToTxn(
    {
      versions: { 24: { minVersion: 0, maxVersion: 5 } },
      connectionPool: { send: () => Promise.resolve({ results }) },
    },
    TRANSACTION,
    PARTITIONS,
  );
}

Deno.test("a refused partition is reported with the cause, and not with its consequence for others", async () => {
  const error = await assertRejects(() =>
    answered([
      { ...PARTITIONS[0], errorCode: 55 }, // OPERATION_NOT_ATTEMPTED
      { ...PARTITIONS[1], errorCode: 29 },
      { ...PARTITIONS[2], errorCode: 55 },
    ])
  );
  assertEquals((error as { type?: string }).type, "TOPIC_AUTHORIZATION_FAILED");
});

Deno.test("an answer to AddPartitionsToTxn must name each partition once", async () => {
  const added = PARTITIONS.map((each) => ({ ...each, errorCode: 0 }));
  await answered(added);
  await assertRejects(
    () => answered(added.slice(1)),
    WrongAnswerError,
    'does not name partition 1 of topic "orders"',
  );
  await assertRejects(() => answered([...added, added[0]]), WrongAnswerError, "twice");
});
