import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import {
  decodeDescribeTransactions,
  encodeDescribeTransactions,
} from "../../../../src/connectors/kafka/wire/describe_transactions.ts";

/** As `DescribeTransactionsRequestData` of Java's kafka-clients 4.3.1 writes it. */
const JAVA_REQUEST = "0305666c6f77066f7468657200";

/** As `DescribeTransactionsResponseData` of Java's kafka-clients 4.3.1 writes it. */
const JAVA_RESPONSE =
  "0000001403000005666c6f77084f6e676f696e670000ea600000018bcfe568000000000100000002" +
  "000503076f726465727303000000010000010200056c617465020000000000000069066f74686572" +
  "0100000000000000000000000000000000000000000000010000";

Deno.test("a DescribeTransactions request is the same as that of Java's client", () => {
  assertEquals(encodeDescribeTransactions(["flow", "other"]).toString("hex"), JAVA_REQUEST);
});

Deno.test("a DescribeTransactions response that Java wrote is read", () => {
  assertEquals(decodeDescribeTransactions(Buffer.from(JAVA_RESPONSE, "hex")), {
    transactions: [
      {
        errorCode: 0,
        transactionalId: "flow",
        state: "Ongoing",
        timeoutMs: 60_000,
        startedAt: 1_700_000_000_000,
        producerId: 2n ** 32n + 2n,
        producerEpoch: 5,
        partitions: [
          { topic: "orders", partition: 1 },
          { topic: "orders", partition: 258 },
          { topic: "late", partition: 0 },
        ],
      },
      {
        errorCode: 105,
        transactionalId: "other",
        state: "",
        timeoutMs: 0,
        startedAt: 0,
        producerId: 0n,
        producerEpoch: 0,
        partitions: [],
      },
    ],
    clientSideThrottleTime: 20,
  });
});
