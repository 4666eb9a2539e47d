/**
 * What the records of a changelog say, for those who read them.
 *
 * @module
 */
import { groupOfHash, KEY_GROUPS } from "../../core/key_groups.ts";
import type { StoredPosition } from "../../recovery/store.ts";
import type { TopicPartition } from "../kafka/wire/topic_partition.ts";
import { LatestStates } from "./latest_states.ts";
import { decodePositions } from "./positions.ts";
import { isPositionsKey } from "./state_records.ts";
import { unreadableRecord } from "./task_log_error.ts";

/** What has been read of a changelog. */
export interface ReadRecords {
  /** The last positions; `null` if there are none. */
  positions: readonly StoredPosition[] | null;
  readonly states: LatestStates;
}

/** A record, as it was read. */
export interface ChangelogRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly offset: number;
}

/** Makes a table of states that has no other keys than those of a shard. */
export function statesOf(shard: number, shards: number): LatestStates {
  return new LatestStates((hash) => Math.floor(groupOfHash(hash) * shards / KEY_GROUPS) === shard);
}

/**
 * Adds a record to what has been read. Its bytes are copied.
 *
 * @throws {TaskLogError} If no task of ours has written it.
 */
export function takeRecord(
  read: ReadRecords,
  { key: name, value, offset }: ChangelogRecord,
  of: TopicPartition,
  app: string,
): void {
  try {
    if (name === null) throw new TypeError("it has no key");
    if (!isPositionsKey(name)) read.states.set(name, value);
    else read.positions = value === null ? null : decodePositions(value);
  } catch (cause) {
    throw unreadableRecord(app, of, BigInt(offset), cause);
  }
}
