import { assertEquals, assertRejects } from "@std/assert";
import {
  addOffsetsToTxn,
  encodeAddOffsetsToTxn,
} from "../../../../src/connectors/kafka/wire/add_offsets_to_txn.ts";
import { decodeCode } from "../../../../src/connectors/kafka/wire/transaction_answers.ts";
import { type BytesByVersion, bytesOf } from "../../../support/bytes_by_version.ts";

const TRANSACTION = { transactionalId: "flow", producerId: 2n ** 32n + 2n, producerEpoch: 5 };

/** As `AddOffsetsToTxnRequestData` of Java's kafka-clients 4.3.1 writes it. */
const JAVA_REQUESTS: BytesByVersion = [
  [[0, 1, 2], "0004666c6f7700000001000000020005000772656164657273"],
  [[3], "05666c6f7700000001000000020005087265616465727300"],
];

/** As `AddOffsetsToTxnResponseData` of Java's kafka-clients 4.3.1 writes it. */
const JAVA_RESPONSES: BytesByVersion = [
  [[0, 1, 2], "000000140030"],
  [[3], "00000014003000"],
];

for (const [version, bytes] of bytesOf(JAVA_REQUESTS)) {
  Deno.test(`an AddOffsetsToTxn request of version ${version} is the same as that of Java's client`, () => {
    const ours = encodeAddOffsetsToTxn(TRANSACTION, "readers", version);
    assertEquals(ours.toString("hex"), bytes.toString("hex"));
  });
}

for (const [version, bytes] of bytesOf(JAVA_RESPONSES)) {
  Deno.test(`an AddOffsetsToTxn response of version ${version} that Java wrote is read`, () => {
    assertEquals(decodeCode(bytes, version), {
      errorCode: 48,
      clientSideThrottleTime: version >= 1 ? 20 : 0,
    });
  });
}

Deno.test("a refused AddOffsetsToTxn is an error with the broker's code", async () => {
  const broker = {
    versions: { 25: { minVersion: 0, maxVersion: 4 } },
    connectionPool: { send: () => Promise.resolve({ errorCode: 30 }) },
  };
  const error = await assertRejects(() => addOffsetsToTxn(broker, TRANSACTION, "readers"));
  assertEquals((error as { type?: string }).type, "GROUP_AUTHORIZATION_FAILED");
});
