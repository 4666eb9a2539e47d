/**
 * Reads the topic for state, and says whether it is all there.
 *
 * The other topic, with the positions, would never show that keys are missing. So each partition for
 * state has two records of its own. One says whose it is: it is written first and never again, so it is
 * the first to go where records are deleted, and a topic that was created again has none. The other says
 * which epoch wrote to the partition last: it is the one that goes where the newest records are lost.
 *
 * @module
 */
import type { Epoch, StepId } from "../../core/ids.ts";
import { keyGroupOf } from "../../core/key_groups.ts";
import type { KafkaConnection } from "../kafka/connection.ts";
import { foreign, type KafkaPlace } from "./place.ts";
import { readPartition } from "./read_partition.ts";
import { EPOCH_KEY, partitionOf, STORE_KEY, textOf } from "./records.ts";

/** The keys of a step, by partition. */
export type StepKeys = Map<string, Uint8Array>[];

/** What a partition says of itself; `null` where it does not. */
export interface PartitionMarks {
  /** The id of the store that it belongs to. */
  store: string | null;
  /** The last epoch that wrote to it. */
  epoch: Epoch | null;
}

/** What is on the topic for state. */
export interface StateRead {
  readonly steps: Map<StepId, StepKeys>;
  readonly marks: readonly PartitionMarks[];
}

/**
 * Reads all keys of the first `partitions` partitions.
 *
 * @throws {RecoveryError} If there is a record that no store writes.
 */
export async function readState(
  connection: KafkaConnection,
  place: KafkaPlace,
  partitions: number,
): Promise<StateRead> {
  const topic = place.stateTopic;
  const steps = new Map<StepId, StepKeys>();
  const marks: PartitionMarks[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const mark: PartitionMarks = { store: null, epoch: null };
    marks.push(mark);
    for await (const records of readPartition(connection, { topic, partition })) {
      for (const { key: bytes, value } of records) {
        try {
          const name = textOf(bytes);
          if (name === STORE_KEY) mark.store = textOf(value);
          else if (name === EPOCH_KEY) mark.epoch = Number(textOf(value));
          else {
            const [step, key] = parseKey(name, partition, partitions);
            const part = partsOf(steps, step, partitions)[partition];
            if (value === null) part.delete(key);
            else part.set(key, value.slice()); // lets go of what was fetched
          }
        } catch (error) {
          throw foreign(place, topic, error);
        }
      }
    }
  }
  return { steps, marks };
}

function partsOf(steps: Map<StepId, StepKeys>, step: StepId, partitions: number): StepKeys {
  let parts = steps.get(step);
  if (parts === undefined) {
    parts = Array.from({ length: partitions }, () => new Map<string, Uint8Array>());
    steps.set(step, parts);
  }
  return parts;
}

function parseKey(name: string, partition: number, partitions: number): [StepId, string] {
  const [step, key, ...more] = JSON.parse(name) as [string, string];
  if (typeof step === "string" && typeof key === "string" && more.length === 0) {
    if (partitionOf(keyGroupOf(key), partitions) === partition) return [step, key];
  }
  throw new TypeError(`the key ${name} does not belong in partition ${partition}`);
}

/** What a store says that its partitions for state must say. */
export interface ExpectedMarks {
  /** The store's id. */
  readonly id: string;
  /** By partition, the last epoch that wrote to it; `null` where none has. */
  readonly written: readonly (Epoch | null)[];
}

/** What is wrong with the topic for state, in words; `null` where all of it is there. */
export function damageOf(
  marks: readonly PartitionMarks[],
  { id, written }: ExpectedMarks,
  { stateTopic, metaTopic }: KafkaPlace,
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
