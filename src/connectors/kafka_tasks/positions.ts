/**
 * What the positions of a task mean as offsets of its group.
 *
 * @module
 */
import { decodeValue, encodeValue } from "../../core/value_codec.ts";
import { partsOf, type TaskId } from "../../core/task_id.ts";
import { SHUFFLE_STEP } from "../../group/log.ts";
import { shuffleTopic } from "../../group/topology.ts";
import type { PositionRole, StoredPosition } from "../../recovery/store.ts";
import { positionName, type TopicPartition } from "../kafka/wire/topic_partition.ts";
import { Buffer } from "node:buffer";

/** The version of {@linkcode encodePositions}. */
const VERSION = 1;

/** The next offset of a partition that a task reads. */
export interface ReadOffset extends TopicPartition {
  readonly offset: bigint;
}

/** Returns whether a position is that in the shuffle topic. */
export function isShufflePosition({ role, step }: StoredPosition): boolean {
  return role === "input" && step === SHUFFLE_STEP;
}

/**
 * Returns the next offset of each partition that a task reads, by the partition's name. If two of
 * its inputs read one partition, that is the smaller offset.
 */
export function readOffsets(
  app: string,
  task: TaskId,
  positions: readonly StoredPosition[],
): Map<string, ReadOffset> {
  const offsets = new Map<string, ReadOffset>();
  for (const position of positions) {
    const read = readOffset(app, task, position);
    if (read === null) continue;
    const name = positionName(read);
    const other = offsets.get(name);
    if (other === undefined || read.offset < other.offset) offsets.set(name, read);
  }
  return offsets;
}

function readOffset(app: string, task: TaskId, position: StoredPosition): ReadOffset | null {
  if (position.role !== "input") return null;
  const value = decodeValue(position.state);
  if (isShufflePosition(position)) {
    const { subtopology, partition } = partsOf(task);
    return { topic: shuffleTopic(app, subtopology), partition, offset: value as bigint };
  }
  const { offset } = value as { offset?: unknown };
  if (typeof offset !== "bigint") return null; // a partition that has yet to be found
  const dash = position.partition.lastIndexOf("-");
  const topic = position.partition.slice(0, dash);
  return { topic, partition: Number(position.partition.slice(dash + 1)), offset };
}

/** Encodes the positions of a task. */
export function encodePositions(positions: readonly StoredPosition[]): Uint8Array {
  const rows = positions.map(({ role, step, partition, state }) => [role, step, partition, state]);
  return encodeValue([VERSION, rows]);
}

/**
 * Returns the positions that were encoded.
 *
 * @throws {Error} If the bytes are corrupt, or another version of Millrace has written them.
 */
export function decodePositions(bytes: Uint8Array): StoredPosition[] {
  const [version, rows] = decodeValue(bytes) as [
    number,
    [PositionRole, string, string, Uint8Array][],
  ];
  if (version !== VERSION) {
    throw new Error(
      `positions of a task have version ${version}, and this Millrace knows version ${VERSION}: ` +
        "use the newer one",
    );
  }
  return rows.map(([role, step, partition, state]) => ({ role, step, partition, state }));
}

/**
 * Returns the positions that a task without a changelog has committed with its offsets; `null` if
 * there are none.
 *
 * @throws {Error} If something else has committed.
 */
export function positionsInMetadata(
  committed: readonly { readonly metadata: string }[],
): StoredPosition[] | null {
  const written = committed.filter(({ metadata }) => metadata !== "");
  if (written.length === 0) return null;
  if (written.length > 1) throw new TypeError("several partitions have positions of the task");
  return decodePositions(Buffer.from(written[0].metadata, "base64"));
}
