/**
 * The content of the topics.
 *
 * ```text
 *   PREFIX-state
 *     key ["store"]                              the store's id, in each partition
 *     key ["epoch"]                              the last epoch that wrote to the partition
 *     key ["STEP","KEY"]                         the state's bytes; none if it is forgotten
 *   PREFIX-meta
 *     key ["flow"]                               {"format":2,"flow":…,"id":…,"partitions":…}
 *     key ["epoch"]                              {"epoch":…,"committedAt":…,"written":[…]}
 *     key ["position","ROLE","STEP","PARTITION"] the position's bytes; none if it is gone
 * ```
 *
 * Keys are JSON as `JSON.stringify` writes it. It escapes text that is not well-formed, so no two
 * keys are alike. A key of `PREFIX-state` is in the partition `floor(group * partitions /
 * KEY_GROUPS)`. So a range of key groups is in a range of partitions.
 *
 * @module
 */
import type { Epoch } from "../../core/ids.ts";
import { KEY_GROUPS } from "../../core/key_groups.ts";
import { decodeUtf8 } from "../../core/utf8.ts";
import type { PositionRole, StoredPosition } from "../../recovery/store.ts";
import { Buffer } from "node:buffer";

/** The format that is written, and the only one that can be read. */
export const FORMAT = 2;

/** The keys of records that exist once, or once in each partition for state. */
export const FLOW_KEY = '["flow"]';
export const EPOCH_KEY = '["epoch"]';
export const STORE_KEY = '["store"]';

/** The owner of a store. */
export interface StoreHead {
  readonly format: number;
  readonly flow: string;
  /** Different for each store. It is in each partition for state, too. */
  readonly id: string;
  /** How many partitions the topic for state had when it was made. */
  readonly partitions: number;
}

/** The last epoch. */
export interface StoredEpoch {
  readonly epoch: Epoch;
  /** When it was committed, in milliseconds since the Unix epoch. */
  readonly committedAt: number;
  /** The last epoch that wrote to each partition for state; `null` if none has. */
  readonly written: readonly (Epoch | null)[];
}

/** The key of the record of a key's state. */
export function stateKey(step: string, key: string): Buffer {
  return Buffer.from(JSON.stringify([step, key]));
}

/** The key of a position's record. */
export function positionKey({ role, step, partition }: StoredPosition): string {
  return JSON.stringify(["position", role, step, partition]);
}

/** The position in a record; `null` if the record is not a position. */
export function readPosition(key: string, state: Uint8Array): StoredPosition | null {
  const [kind, role, step, partition] = JSON.parse(key) as string[];
  if (kind !== "position") return null;
  return { role: role as PositionRole, step, partition, state };
}

/** The partition of the keys in a group. */
export function partitionOf(group: number, partitions: number): number {
  return Math.floor(group * partitions / KEY_GROUPS);
}

/**
 * The records for positions: those that are new or have changed, and deletions of those that are
 * gone.
 */
export function* movedPositions(
  before: ReadonlyMap<string, StoredPosition>,
  after: ReadonlyMap<string, StoredPosition>,
): Generator<[string, Uint8Array | null]> {
  for (const [key, { state }] of after) {
    const old = before.get(key)?.state;
    if (old === undefined || Buffer.compare(old, state) !== 0) yield [key, state];
  }
  for (const key of before.keys()) if (!after.has(key)) yield [key, null];
}

/** The text of a key or value, which must exist. */
export function textOf(bytes: Uint8Array | null): string {
  if (bytes === null) throw new TypeError("a record has no key or value");
  return decodeUtf8(bytes);
}
