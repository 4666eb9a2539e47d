/**
 * A worker's partitions, and the stored positions that it keeps.
 *
 * Each is in one of three stages, and goes through them in this order:
 *
 * ```text
 *   unread ──────────────▶ pending ────────────────▶ read, by a cursor
 *   only its position      a broker has named it,    a broker has said where
 *   is known               its leader is away        it begins and ends
 * ```
 *
 * If a topic has been deleted and created again, all of it is forgotten, and found as new.
 *
 * @module
 */
import type { Positions } from "../../../graph/contracts.ts";
import type { KafkaInputSettings } from "../properties/settings.ts";
import { positionName, type TopicPartition } from "../wire/topic_partition.ts";
import type { PartitionCursor } from "./partition_cursor.ts";
import type { PartitionShare } from "./partition_share.ts";
import type { KafkaPosition } from "./position.ts";
import { positionsIn } from "./replaced_topics.ts";
import { Unrecoverable } from "./unrecoverable.ts";

/** A partition whose beginning and end are not known yet, as its leader is away. */
export interface PendingPartition extends TopicPartition {
  /** Where to start without a stored position. */
  readonly start: KafkaInputSettings["start"];
  /** Whether the topic has been created again, so that a stored position is not its own. */
  readonly isReplaced: boolean;
  /** How far an earlier run has read. */
  readonly stored: KafkaPosition | undefined;
}

/** A partition that a broker has named. Its stored position may be known here already. */
export interface FoundPartition extends Omit<PendingPartition, "stored"> {
  readonly stored?: KafkaPosition | undefined;
}

/** All partitions of one worker. */
export class WorkerPartitions {
  readonly #read = new Map<string, Map<number, PartitionCursor>>(); // by topic and number
  readonly #pending = new Map<string, PendingPartition>(); // by the names of their positions
  readonly #unread: Map<string, KafkaPosition>; // by the names of their positions
  readonly #forgotten = new Map<string, readonly string[]>(); // names, by topic
  #behind = 0;
  #readCount = 0;

  /** `unread`: stored positions that are kept without reading their partitions, by their names. */
  constructor(unread: ReadonlyMap<string, KafkaPosition> = new Map()) {
    this.#unread = new Map(unread);
  }

  /** How many of the partitions that are read have records to fetch, or may have. */
  get behind(): number {
    return this.#behind;
  }

  /** How many wait for their leader. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /** The names of those that are not read yet: they wait, or their topic has just been replaced. */
  *unreadNames(): Generator<string> {
    yield* this.#pending.keys();
    for (const names of this.#forgotten.values()) yield* names;
  }

  /** Those that wait for their leader. */
  get pending(): Iterable<PendingPartition> {
    return this.#pending.values();
  }

  /** How many are read. */
  get readCount(): number {
    return this.#readCount;
  }

  /** Those that are read. */
  *cursors(): Generator<PartitionCursor> {
    for (const cursors of this.#read.values()) yield* cursors.values();
  }

  /** Those of a topic that are read. */
  cursorsOf(topic: string): Iterable<PartitionCursor> {
    return this.#read.get(topic)?.values() ?? [];
  }

  /** Whether a partition is read, or waits for its leader. */
  has(each: TopicPartition): boolean {
    return this.#read.get(each.topic)?.has(each.partition) === true ||
      this.#pending.has(positionName(each));
  }

  /** A broker has named a partition, which waits to be read. */
  found(partition: FoundPartition): void {
    const name = positionName(partition);
    if (this.has(partition)) throw new Unrecoverable(`partition ${name} was found twice`);
    const stored = partition.stored ?? this.#unread.get(name);
    this.#pending.set(name, { ...partition, stored });
    this.#unread.delete(name);
  }

  /** A partition that was found is read from now on. */
  begin(cursor: PartitionCursor): void {
    const { topic, partition, name } = cursor;
    if (!this.#pending.delete(name)) throw new Unrecoverable(`partition ${name} was not found`);
    const cursors = this.#read.get(topic) ?? new Map<number, PartitionCursor>();
    this.#read.set(topic, cursors.set(partition, cursor));
    this.#readCount++;
    if (cursor.state === "behind") this.#behind++;
    cursor.observe((from, to) =>
      this.#behind += Number(to === "behind") - Number(from === "behind")
    );
  }

  /**
   * Forgets a topic with its stored positions, until its partitions are found again. No broker may
   * fetch it any more.
   */
  forget(topic: string): void {
    const pending = [...this.#pending.values()].filter((each) => each.topic === topic);
    const names = [...this.cursorsOf(topic), ...pending].map(positionName);
    this.#forgotten.set(topic, names);
    for (const cursor of this.cursorsOf(topic)) cursor.retire();
    this.#readCount -= this.#read.get(topic)?.size ?? 0;
    this.#read.delete(topic);
    for (const [name, each] of this.#pending) if (each.topic === topic) this.#pending.delete(name);
    for (const each of positionsIn(topic, this.#unread)) this.#unread.delete(positionName(each));
  }

  /** All partitions that a topic has now have been found. */
  foundAll(topic: string): void {
    this.#forgotten.delete(topic);
  }

  /** The positions to store: where a later run continues. */
  positions(): Positions {
    const positions = new Map<string, KafkaPosition>(this.#unread);
    for (const cursor of this.cursors()) positions.set(cursor.name, cursor.position);
    // A partition that is not in reach yet stays where an earlier run has read to.
    for (const [name, { stored, isReplaced }] of this.#pending) {
      if (stored !== undefined && !isReplaced) positions.set(name, stored);
    }
    return positions;
  }
}

/** The partitions of a topic that belong to a share. */
export function partitionsOf(
  leaders: ReadonlyMap<number, number>,
  share: PartitionShare,
): number[] {
  return [...leaders.keys()].filter((partition) => share.has(partition)).sort((a, b) => a - b);
}
