/**
 * Reads the topic for state, and reports whether it is complete.
 *
 * The other topic, with the positions, would never show that keys are missing. So each partition
 * for state has two records of its own. One names the store. It is written first, and only once, so
 * a deletion of records removes it first. A topic that was created again lacks it. The other names
 * the last epoch that wrote to the partition. If the newest records are lost, it is lost too.
 *
 * @module
 */
import type { Epoch, StepId } from "../../core/ids.ts";
import { keyGroupOf } from "../../core/key_groups.ts";
import type { KafkaConnection } from "../kafka/client/connection.ts";
import { foreign, type StoreTopics } from "./store_topics.ts";
import { readPartition } from "./read_partition.ts";
import { EPOCH_KEY, partitionOf, STORE_KEY, textOf } from "./records.ts";

/** The keys of a step, by partition. */
export type StepKeys = ReadonlyMap<string, Uint8Array>[];

/** The two records of a partition; `null` if one is missing. */
export interface PartitionMarks {
  /** The id of the store that it belongs to. */
  store: string | null;
  /** The last epoch that wrote to it. */
  epoch: Epoch | null;
}

/** The content of the topic for state. */
export interface StateRead {
  readonly steps: Map<StepId, StepKeys>;
  readonly marks: readonly PartitionMarks[];
}

/** One of its partitions: the keys of each step, with what is kept of their states. */
export interface PartitionRead<V> {
  readonly steps: ReadonlyMap<StepId, ReadonlyMap<string, V>>;
  readonly marks: PartitionMarks;
}

/** Returns what to keep of a key's state. The bytes that it is given are a view. */
export type Keep<V> = (step: StepId, key: string, state: Uint8Array) => V;

/**
 * Reads all keys of the first `partitions` partitions.
 *
 * @throws {RecoveryError} If there is a record that no store writes.
 */
export async function readState(
  connection: KafkaConnection,
  storeTopics: StoreTopics,
  partitions: number,
): Promise<StateRead> {
  const steps = new Map<StepId, StepKeys>();
  const marks: PartitionMarks[] = [];
  const keep: Keep<Uint8Array> = (_step, _key, state) => state.slice(); // frees what was fetched
  for await (const read of readPartitions(connection, storeTopics, partitions, keep)) {
    marks.push(read.marks);
    for (const [step, keys] of read.steps) {
      const parts = steps.get(step);
      if (parts === undefined) steps.set(step, [keys]);
      else parts.push(keys);
    }
  }
  return { steps, marks };
}

/**
 * Reads the same partition by partition.
 *
 * @throws {RecoveryError} If there is a record that no store writes.
 */
export async function* readPartitions<V>(
  connection: KafkaConnection,
  storeTopics: StoreTopics,
  partitions: number,
  keep: Keep<V>,
): AsyncGenerator<PartitionRead<V>> {
  const topic = storeTopics.stateTopic;
  for (let partition = 0; partition < partitions; partition++) {
    const steps = new Map<StepId, Map<string, V>>();
    const marks: PartitionMarks = { store: null, epoch: null };
    for await (const records of readPartition(connection, { topic, partition })) {
      for (const { key: bytes, value } of records) {
        try {
          const name = textOf(bytes);
          if (name === STORE_KEY) marks.store = textOf(value);
          else if (name === EPOCH_KEY) marks.epoch = Number(textOf(value));
          else {
            const [step, key] = parseKey(name, partition, partitions);
            let keys = steps.get(step);
            if (keys === undefined) steps.set(step, keys = new Map());
            if (value === null) keys.delete(key);
            else keys.set(key, keep(step, key, value));
          }
        } catch (error) {
          throw foreign(storeTopics, topic, error);
        }
      }
    }
    yield { steps, marks };
  }
}

function parseKey(name: string, partition: number, partitions: number): [StepId, string] {
  const [step, key, ...more] = JSON.parse(name) as [string, string];
  if (typeof step === "string" && typeof key === "string" && more.length === 0) {
    if (partitionOf(keyGroupOf(key), partitions) === partition) return [step, key];
  }
  throw new TypeError(`the key ${name} does not belong in partition ${partition}`);
}

/** The records that a store expects in its partitions for state. */
export interface ExpectedMarks {
  /** The store's id. */
  readonly id: string;
  /** The last epoch that wrote to each partition; `null` if none has. */
  readonly written: readonly (Epoch | null)[];
}

/** What is wrong with the topic for state, in words; `null` if it is complete. */
export function damageOf(
  marks: readonly PartitionMarks[],
  { id, written }: ExpectedMarks,
  { stateTopic, metaTopic }: StoreTopics,
): string | null {
  for (const [partition, { store, epoch }] of marks.entries()) {
    const where = `"${stateTopic}", partition ${partition},`;
    if (store === null) {
      return `${where} has lost its first record, and keys with it: the topic was deleted and created ` +
        `again, or records were deleted from it; "${metaTopic}" still has positions`;
    }
    if (store !== id) {
      return `${where} and "${metaTopic}" are of different stores: one of the topics was created ` +
        "again, or brought back from another copy";
    }
    const expected = written[partition] ?? null;
    if (epoch !== expected) {
      const [has, had] = [epoch, expected].map((of) => of === null ? "no epoch" : `epoch ${of}`);
      return `${where} ends with ${has}, and with ${had} as "${metaTopic}" says: records were lost, ` +
        "or the topics were brought back from copies of different times";
    }
  }
  return null;
}
