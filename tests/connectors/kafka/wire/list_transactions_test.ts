import { assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import {
  decodeListTransactions,
  encodeListTransactions,
  listTransactions,
} from "../../../../src/connectors/kafka/wire/list_transactions.ts";

/** As `ListTransactionsRequestData` of Java's kafka-clients 4.3.1 writes it. */
const JAVA_REQUEST = "03084f6e676f696e670e50726570617265436f6d6d69740100";
const JAVA_REQUEST_FOR_ANY_STATE = "010100";

/** As `ListTransactionsResponseData` of Java's kafka-clients 4.3.1 writes it. */
const JAVA_RESPONSE =
  "00000014000002054c6f73740305666c6f770000000100000002084f6e676f696e6700066f746865" +
  "7200000000000000070f436f6d706c657465436f6d6d69740000";

Deno.test("a ListTransactions request is the same as that of Java's client", () => {
  const ours = encodeListTransactions(["Ongoing", "PrepareCommit"]);
  assertEquals(ours.toString("hex"), JAVA_REQUEST);
  assertEquals(encodeListTransactions([]).toString("hex"), JAVA_REQUEST_FOR_ANY_STATE);
});

Deno.test("a ListTransactions response that Java wrote is read", () => {
  assertEquals(decodeListTransactions(Buffer.from(JAVA_RESPONSE, "hex")), {
    errorCode: 0,
    transactions: [
      { transactionalId: "flow", producerId: 2n ** 32n + 2n, state: "Ongoing" },
      { transactionalId: "other", producerId: 7n, state: "CompleteCommit" },
    ],
    clientSideThrottleTime: 20,
  });
});

Deno.test("a refused ListTransactions is an error with the broker's code", async () => {
  const broker = {
    versions: { 66: { minVersion: 0, maxVersion: 2 } },
    connectionPool: { send: () => Promise.resolve({ errorCode: 14, transactions: [] }) },
  };
  const error = await assertRejects(() => listTransactions(broker, ["Ongoing"]));
  assertEquals((error as { type?: string }).type, "GROUP_LOAD_IN_PROGRESS");
});
