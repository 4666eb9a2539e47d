/**
 * The sequence numbers by which a broker recognises a producer's batches.
 *
 * @module
 */

/** Sequence numbers start again from 0 here. */
const SEQUENCES = 2 ** 31;

/** The sequence number after those of `count` records, whose first number is `first`. */
export function sequenceAfter(first: number, count: number): number {
  return (first + count) % SEQUENCES;
}

/** The next sequence number of each partition. `K` is what identifies a partition. */
export class SequenceNumbers<K> {
  readonly #next = new Map<K, number>();

  /** The number of the next record. It is 0 if the producer has not written to the partition. */
  next(partition: K): number {
    return this.#next.get(partition) ?? 0;
  }

  /** The next `count` records have got their numbers. */
  advance(partition: K, count: number): void {
    this.#next.set(partition, sequenceAfter(this.next(partition), count));
  }
}
