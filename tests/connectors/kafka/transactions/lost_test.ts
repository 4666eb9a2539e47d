import { assertEquals, assertStringIncludes } from "@std/assert";
import { evidenceOf, isLost } from "../../../../src/connectors/kafka/transactions/lost.ts";
import { persist } from "../../../../src/connectors/kafka/transactions/persist.ts";
import { errorOfCode } from "../../../../src/connectors/kafka/wire/error_codes.ts";
import type { DescribedTransaction } from "../../../../src/connectors/kafka/wire/describe_transactions.ts";
import type { KafkaBroker } from "../../../../src/connectors/kafka/client/kafkajs.ts";
import { FakeConnection } from "../../../support/kafka/fake_coordinator.ts";

const OURS = { transactionalId: "id", producerId: 7n, producerEpoch: 3 };

/** The evidence from brokers that answer with these, one after the other. */
async function evidence(
  answers: readonly (Partial<DescribedTransaction> | null)[],
  versions = { 65: { minVersion: 0, maxVersion: 0 } },
): Promise<string> {
  const left = [...answers];
  const send = () => {
    const answer = left.length > 1 ? left.shift()! : left[0];
    const whole = { ...OURS, errorCode: 0, state: "CompleteAbort", timeoutMs: 900_000, ...answer };
    return Promise.resolve({ transactions: answer === null ? [] : [whole] });
  };
  const connection = new FakeConnection();
  connection.broker = () =>
    Promise.resolve({ versions, connectionPool: { send } } as unknown as KafkaBroker);
  return await evidenceOf(connection, OURS, (work) => persist(connection, 10_000, work));
}

Deno.test("a refused commit is a loss if the transaction is over, and no other error is", () => {
  const codes = [14, 15, 16, 47, 48, 49, 50, 51, 53, 90];
  assertEquals(codes.filter((code) => isLost(errorOfCode(code))), [47, 48, 49, 90]);
  assertEquals(isLost(new Error("the connection was closed")), false);
});

for (
  const [what, answer, text] of [
    ["its timeout", { producerEpoch: 4 }, "open for longer than its timeout of 900 s"],
    [
      "another producer",
      { producerEpoch: 5, state: "Empty" },
      "has been used since: it has producer",
    ],
    ["an abort in our name", {}, "it was aborted in our name"],
    ["a forgotten id", { errorCode: 105, producerId: 0n }, "the broker has forgotten"],
    ["an id that was given away", { producerId: 8n, producerEpoch: 0 }, "was given away"],
    ["an older epoch", { producerEpoch: 2 }, "was given away"],
    ["nothing", { state: "Empty" }, "it is in the state Empty"],
  ] as const
) {
  Deno.test(`the evidence of a lost transaction names ${what}`, async () => {
    assertStringIncludes(await evidence([answer]), text);
    // A coordinator that has moved is asked again.
    assertStringIncludes(await evidence([{ errorCode: 16 }, answer]), text);
  });
}

Deno.test("a broker that does not tell what has become of a transaction is named in the evidence", async () => {
  const untold = "the broker does not tell what has become of it";
  assertStringIncludes(await evidence([{ errorCode: 53 }]), untold);
  assertStringIncludes(await evidence([null]), untold);
  const old = await evidence([{}], {} as never); // before Kafka 3.0
  assertEquals(
    old,
    `${untold} (the broker does not have the request DescribeTransactions)`,
  );
});
