/** A broker whose `transaction.version` is raised step by step. */
import { brokerOfThisRun } from "./broker/broker.ts";
import { javaTool } from "./tools.ts";

/**
 * A broker that begins with `transaction.version` 0, as host:port. It looks for transactions whose
 * timeout is over ten times a second.
 *
 * @throws {Error} If a tool to start one is missing.
 */
export async function oldTransactionsKafka(): Promise<string[]> {
  return [
    (await brokerOfThisRun("transactions-kafka", { script: "transactions.sh", ports: 0 })).address,
  ];
}

/** Raises the `transaction.version` of a broker. */
export async function raiseTransactionVersion(brokers: string[], version: 1 | 2): Promise<void> {
  await javaTool("org.apache.kafka.tools.FeatureCommand", [
    ...["--bootstrap-server", brokers.join()],
    ...["upgrade", "--feature", `transaction.version=${version}`],
  ]);
}
