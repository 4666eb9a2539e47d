/**
 * Which partitions of its topics a reader reads.
 *
 * @module
 */
import type { Place } from "../../../graph/contracts.ts";

/** The partitions of one reader. Each partition of a topic is in exactly one share of the input. */
export interface PartitionShare {
  /** Returns whether it has a partition, if a topic does. */
  has(partition: number): boolean;
  /** Whether it keeps stored positions of topics that the input does not name. */
  readonly keepsOthers: boolean;
  /** Whether it reports such positions. */
  readonly reportsOthers: boolean;
  /**
   * Topics whose partitions of this share were added since the flow was first run. They are read
   * from their first records, whatever the input says about a first run.
   */
  readonly added: ReadonlySet<string>;
  /** How to begin without state and positions: a part of a sentence. */
  readonly fromScratch: string;
}

const NONE: ReadonlySet<string> = new Set();

/** The share of a worker: `p` belongs to worker `p mod workerCount`. */
export function shareOfWorker(
  { workerIndex, workerCount }: Pick<Place, "workerIndex" | "workerCount">,
): PartitionShare {
  const isFirst = workerIndex === 0;
  return {
    has: (partition) => partition % workerCount === workerIndex,
    keepsOthers: isFirst,
    reportsOthers: isFirst,
    added: NONE,
    fromScratch: "to begin without state and positions, use --from-scratch",
  };
}

/** The share of a task: one partition of each topic. Only its own positions are given to it. */
export function shareOfTask(
  partition: number,
  { added = NONE, fromScratch }: Pick<PartitionShare, "fromScratch"> & Partial<PartitionShare>,
): PartitionShare {
  return {
    has: (each) => each === partition,
    keepsOthers: true,
    reportsOthers: partition === 0, // the others would say the same
    added,
    fromScratch,
  };
}
