/** The transactions that are open on a cluster, so that tests can prove that none is left. */
import {
  type DescribedTransaction,
  describeTransactions,
} from "../../../src/connectors/kafka/wire/describe_transactions.ts";
import { listTransactions } from "../../../src/connectors/kafka/wire/list_transactions.ts";
import { connect } from "./transactions.ts";

/** In these states, readers wait for the end of a transaction. */
const OPEN = ["Ongoing", "PrepareCommit", "PrepareAbort", "PrepareEpochFence"];

/**
 * The open transactions on a cluster, by their ids. Markers of an ended one may still be written,
 * so what a run has just ended may be among them for a moment.
 *
 * @param prefix Only ids that begin with this.
 */
export async function openTransactions(
  brokers: readonly string[],
  prefix = "",
): Promise<DescribedTransaction[]> {
  await using at = connect(brokers, []);
  const { connection } = at;
  const { brokers: nodes } = await connection.metadata();
  const open: DescribedTransaction[] = [];
  // Each broker lists and describes those that it coordinates.
  for (const { nodeId } of nodes) {
    const broker = await connection.broker(nodeId);
    const listed = await listTransactions(broker, OPEN);
    const ids = listed.map(({ transactionalId }) => transactionalId)
      .filter((id) => id.startsWith(prefix));
    if (ids.length > 0) open.push(...await describeTransactions(broker, ids));
  }
  return open.filter(({ state }) => OPEN.includes(state))
    .sort((a, b) => a.transactionalId < b.transactionalId ? -1 : 1);
}

/**
 * Waits until no transaction is open: its markers, or its abort after a timeout, take the broker a
 * moment.
 *
 * @throws {Error} If some are still open after ten seconds. The message has their ids and states.
 */
export async function untilNoneIsOpen(brokers: readonly string[], prefix = ""): Promise<void> {
  for (const deadline = performance.now() + 10_000;;) {
    const open = await openTransactions(brokers, prefix);
    if (open.length === 0) return;
    if (performance.now() > deadline) {
      const what = open.map(({ transactionalId, state }) => `${transactionalId} (${state})`);
      throw new Error(`transactions are open: ${what.join(", ")}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
