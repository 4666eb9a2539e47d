/**
 * Names of partitions.
 *
 * @module
 */

/** A partition of a topic. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** The name of a partition's position: `orders-3`. */
export function positionName({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`;
}
