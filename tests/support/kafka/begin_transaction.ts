/**
 * Begins a transaction, writes a record in it, prints its identity, and leaves it open until the
 * process is killed: `begin_transaction.ts BROKER TOPIC TRANSACTIONAL_ID VALUE`.
 */
import { acquire, Transaction } from "../../../src/connectors/kafka/transactions/transaction.ts";
import { connect, writeIn } from "./transactions.ts";

const [broker, topic, id, value] = Deno.args;
const at = connect([broker], [topic]);
const { connection, persist } = at;
const identity = await acquire(connection, id, { timeoutMs: 60_000, persist });
const transaction = new Transaction(connection, identity, persist);
await writeIn(at, transaction, topic, value);
console.log(JSON.stringify({ ...identity, producerId: String(identity.producerId) }));
setInterval(() => {}, 1_000); // it goes on until it is killed
