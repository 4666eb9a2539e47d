import type { PartitionName } from "./ids.ts";

/**
 * The beginning of the names of an output's partitions that stand for unfinished work. The output
 * has begun it outside of the store, such as a transaction. The next run must complete or undo it.
 *
 * If they were dropped with the rest of a store, nobody would do that. So a run that begins from
 * scratch opens its outputs with these positions, and with no others. And a step that has some
 * cannot be dropped. What `OutputWriter.settled` returns must have none.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type Positions, UNFINISHED } from "@millrace/millrace";
 *
 * // What `prepare` returns: a transaction may wait for `commit`.
 * function positionsOf(transaction: string | null): Positions {
 *   return new Map(transaction === null ? [] : [[`${UNFINISHED}${transaction}`, { version: 1 }]]);
 * }
 *
 * assertEquals([...positionsOf("t-7").keys()], ["unfinished:t-7"]);
 * assertEquals(positionsOf(null).size, 0);
 * ```
 */
export const UNFINISHED = "unfinished:";

/** Whether a partition of an output stands for unfinished work. */
export function isUnfinished(partition: PartitionName): boolean {
  return partition.startsWith(UNFINISHED);
}
