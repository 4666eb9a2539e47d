/** Transactions by our own requests, without a sink or a store around them. */
import { KafkaConnection } from "../../../src/connectors/kafka/client/connection.ts";
import { readOutputProperties } from "../../../src/connectors/kafka/properties/output_settings.ts";
import { type Persist, persist } from "../../../src/connectors/kafka/transactions/persist.ts";
import type { Transaction } from "../../../src/connectors/kafka/transactions/transaction.ts";
import { ACKS } from "../../../src/connectors/kafka/wire/produce.ts";
import { positionName } from "../../../src/connectors/kafka/wire/topic_partition.ts";
import { encodeRecordBatch } from "../../../src/connectors/kafka/wire/write_batch.ts";
import { produceRound } from "../../../src/connectors/kafka/write/produce_round.ts";
import { testPlace } from "../runtime/test_place.ts";

/** A connection of a test, closed when it is disposed. */
export interface TestConnection extends AsyncDisposable {
  readonly connection: KafkaConnection;
  /** Tries for as long as the connection's patience lasts. */
  readonly persist: Persist;
}

/**
 * Connects to a cluster with the defaults of an output.
 *
 * @param patienceMs How long brokers may be away, in milliseconds.
 */
export function connect(
  brokers: readonly string[],
  topics: readonly string[],
  patienceMs = 10_000,
): TestConnection {
  const connection = new KafkaConnection([...brokers], topics, readOutputProperties(), testPlace());
  return {
    connection,
    persist: (work) => persist(connection, patienceMs, work),
    [Symbol.asyncDispose]: () => connection.close(),
  };
}

/** Writes a record to a partition, as part of a transaction. */
export async function writeIn(
  { connection, persist }: TestConnection,
  transaction: Transaction,
  topic: string,
  value: string,
  partition = 0,
  key: string | null = null,
): Promise<void> {
  const { identity, sequences } = transaction;
  await transaction.add([{ topic, partition }]);
  const name = positionName({ topic, partition });
  const bytes = (text: string) => new TextEncoder().encode(text);
  const record = {
    key: key === null ? null : bytes(key),
    value: bytes(value),
    headers: [],
    timestamp: 0,
  };
  const header = { ...identity, baseSequence: sequences.next(name), transactional: true };
  const batch = encodeRecordBatch([record], header);
  sequences.advance(name, 1);
  await persist(() =>
    produceRound(connection, [partition], {
      topic,
      acks: ACKS.all,
      timeoutMs: 5_000,
      transactionalId: identity.transactionalId,
      batchOf: () => batch,
      written: () => {},
    })
  );
}
