/**
 * Reads the topic with the positions.
 *
 * @module
 */
import type { StoredPosition } from "../../recovery/store.ts";
import type { KafkaConnection } from "../kafka/client/connection.ts";
import { foreign, type StoreTopics } from "./store_topics.ts";
import { readPartition } from "./read_partition.ts";
import {
  EPOCH_KEY,
  FLOW_KEY,
  readPosition,
  type StoredEpoch,
  type StoreHead,
  textOf,
} from "./records.ts";

/** The content of the topic. */
export interface MetaRead {
  /** The owner of the store; `null` if the topic does not tell. */
  readonly head: StoreHead | null;
  /** The last epoch; `null` if none has been committed. */
  readonly epoch: StoredEpoch | null;
  /** Positions by the keys of their records. */
  readonly positions: Map<string, StoredPosition>;
}

/**
 * Reads the topic to its end.
 *
 * @throws {RecoveryError} If it has a record that no store writes.
 */
export async function readMeta(
  connection: KafkaConnection,
  storeTopics: StoreTopics,
): Promise<MetaRead> {
  const topic = storeTopics.metaTopic;
  const positions = new Map<string, StoredPosition>();
  let head: StoreHead | null = null;
  let epoch: StoredEpoch | null = null;
  for await (const records of readPartition(connection, { topic, partition: 0 })) {
    for (const { key: bytes, value } of records) {
      const key = textOf(bytes);
      try {
        if (key === FLOW_KEY) head = JSON.parse(textOf(value)) as StoreHead;
        else if (key === EPOCH_KEY) epoch = JSON.parse(textOf(value)) as StoredEpoch;
        else if (value === null) positions.delete(key);
        else {
          const position = readPosition(key, value.slice());
          if (position !== null) positions.set(key, position);
        }
      } catch (error) {
        throw foreign(storeTopics, topic, error);
      }
    }
  }
  return { head, epoch, positions };
}
