/**
 * The positions of a consumer group at the end of an epoch. An input knows them, and an output may
 * commit them in its transaction.
 *
 * @module
 */
import type { TopicPartition } from "../wire/topic_partition.ts";

/** A partition's next offset. */
export type GroupOffset = TopicPartition & { readonly offset: bigint };

/** What an input has read by the end of an epoch, for the group that it commits to. */
export class GroupEpoch {
  readonly groupId: string;
  /** The input's cluster; `null` if its brokers report none. */
  readonly clusterId: string | null;
  readonly offsets: readonly GroupOffset[];
  #isTaken = false;

  constructor(groupId: string, clusterId: string | null, offsets: readonly GroupOffset[]) {
    this.groupId = groupId;
    this.clusterId = clusterId;
    this.offsets = offsets;
  }

  /** Whether an output commits these positions. Then the input does not. */
  get isTaken(): boolean {
    return this.#isTaken;
  }

  /** An output commits these positions. */
  take(): void {
    this.#isTaken = true;
  }

  /** Whether these are the same positions. */
  has(offsets: readonly GroupOffset[]): boolean {
    return offsets.length === this.offsets.length &&
      offsets.every(({ topic, partition, offset }, n) => {
        const mine = this.offsets[n];
        return mine.topic === topic && mine.partition === partition && mine.offset === offset;
      });
  }
}
