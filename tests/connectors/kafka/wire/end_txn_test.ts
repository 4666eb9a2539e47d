import { assertEquals, assertRejects } from "@std/assert";
import { encodeEndTxn, endTxn } from "../../../../src/connectors/kafka/wire/end_txn.ts";
import { decodeCode } from "../../../../src/connectors/kafka/wire/transaction_answers.ts";
import type { Exchange } from "../../../../src/connectors/kafka/wire/request.ts";
import { type BytesByVersion, bytesOf } from "../../../support/bytes_by_version.ts";

const TRANSACTION = { transactionalId: "flow", producerId: 2n ** 32n + 2n, producerEpoch: 5 };

/** As `EndTxnRequestData` of Java's kafka-clients 4.3.1 writes it for a commit. */
const JAVA_COMMITS: BytesByVersion = [
  [[0, 1, 2], "0004666c6f770000000100000002000501"],
  [[3], "05666c6f77000000010000000200050100"],
];

/** The same for an abort. */
const JAVA_ABORTS: BytesByVersion = [
  [[0, 1, 2], "0004666c6f770000000100000002000500"],
  [[3], "05666c6f77000000010000000200050000"],
];

/** As `EndTxnResponseData` of Java's kafka-clients 4.3.1 writes it. */
const JAVA_RESPONSES: BytesByVersion = [
  [[0, 1, 2], "00000014005a"],
  [[3], "00000014005a00"],
];

for (const [how, requests] of [["commit", JAVA_COMMITS], ["abort", JAVA_ABORTS]] as const) {
  for (const [version, bytes] of bytesOf(requests)) {
    Deno.test(`an EndTxn request of version ${version} to ${how} is the same as that of Java's client`, () => {
      const ours = encodeEndTxn(TRANSACTION, how, version);
      assertEquals(ours.toString("hex"), bytes.toString("hex"));
    });
  }
}

for (const [version, bytes] of bytesOf(JAVA_RESPONSES)) {
  Deno.test(`an EndTxn response of version ${version} that Java wrote is read`, () => {
    assertEquals(decodeCode(bytes, version), {
      errorCode: 90,
      clientSideThrottleTime: version >= 1 ? 20 : 0,
    });
  });
}

Deno.test("EndTxn does not use version 5, which changes the epoch, where a broker has it", async () => {
  const sent: number[] = [];
  const broker = {
    versions: { 26: { minVersion: 0, maxVersion: 5 } },
    connectionPool: {
      send: ({ request }: Exchange) => {
        sent.push(request.apiVersion);
        return Promise.resolve({ errorCode: 0 });
      },
    },
  };
  await endTxn(broker, TRANSACTION, "commit");
  assertEquals(sent, [3]);
});

Deno.test("a refused EndTxn is an error with the broker's code", async () => {
  const broker = {
    versions: { 26: { minVersion: 0, maxVersion: 5 } },
    connectionPool: { send: () => Promise.resolve({ errorCode: 90 }) },
  };
  const error = await assertRejects(() => endTxn(broker, TRANSACTION, "commit"));
  assertEquals((error as { type?: string }).type, "PRODUCER_FENCED");
});
