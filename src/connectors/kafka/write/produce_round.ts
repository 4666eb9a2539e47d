/**
 * One round of an idempotent producer: a batch for each of several partitions, in one request to
 * each leader. The output and the recovery store both write like this.
 *
 * A round is tried with the same batches and sequence numbers until each partition has its own. The
 * next round begins only then. So a lost answer, a broker that restarts and a leader that moves in
 * the middle lose nothing, repeat nothing and change no order: the broker knows a batch that it has
 * by its sequence number (KIP-98).
 *
 * @module
 */
import type { KafkaConnection } from "../client/connection.ts";
import { errorKind } from "../client/errors.ts";
import type { KafkaBroker } from "../client/kafkajs.ts";
import {
  type PartitionResult,
  produce,
  type ProduceOptions,
  type RefusedRecord,
} from "../wire/produce.ts";

/** Sequence numbers start again from 0 here. */
const SEQUENCES = 2 ** 31;

/** The sequence number after those of `count` records, of which `first` is the first one's. */
export function sequenceAfter(first: number, count: number): number {
  return (first + count) % SEQUENCES;
}

/** The next sequence number of each partition, by whatever names a partition. */
export class SequenceNumbers<K> {
  readonly #next = new Map<K, number>();

  /** The number of the next record: 0 for a producer that has not written to the partition. */
  next(partition: K): number {
    return this.#next.get(partition) ?? 0;
  }

  /** The next `count` records have their numbers. */
  advance(partition: K, count: number): void {
    this.#next.set(partition, sequenceAfter(this.next(partition), count));
  }
}

/** A batch that a broker has not written, although it may yet. */
export interface RefusedBatch {
  readonly partition: number;
  readonly error: NonNullable<PartitionResult["error"]>;
  /** The records that are to blame, where the broker names them. */
  readonly refused: readonly RefusedRecord[];
}

/** What a round is made of, and what is done about its answers. */
export interface RoundOptions extends ProduceOptions {
  /** The batch of a partition, encoded: the same bytes each time that the round is tried. */
  readonly batchOf: (partition: number) => Uint8Array | Promise<Uint8Array>;
  /** A partition has its batch, from this try or from one whose answer was lost. */
  readonly written: (partition: number) => void;
  /**
   * Told of a batch that a broker refuses. Returns whether it has changed the round so that the
   * next try is another; if not, the refusal is thrown. What it throws ends the try.
   */
  readonly refused?: (refusal: RefusedBatch) => boolean;
  /** Throws if a broker cannot take these batches. */
  readonly requireBroker?: (broker: KafkaBroker) => void;
}

/**
 * Tries a round once. Waits until every leader has answered or failed, so that no try overlaps the
 * next.
 *
 * @throws What kept a partition from being written: a failed request before a refused batch, and a
 * partition without a leader last.
 */
export async function produceRound(
  connection: Pick<KafkaConnection, "leaders" | "broker">,
  partitions: Iterable<number>,
  options: RoundOptions,
): Promise<void> {
  const leaders = await connection.leaders(options.topic);
  const byLeader = Map.groupBy(partitions, (partition) => leaders.get(partition) ?? -1);
  const withoutLeader = byLeader.get(-1);
  byLeader.delete(-1); // the others need not wait
  const answers = await Promise.allSettled(
    [...byLeader].map(async ([leader, led]) => {
      const batches = await Promise.all(led.map(async (partition) => ({
        partition,
        batch: await options.batchOf(partition),
      })));
      const broker = await connection.broker(leader);
      options.requireBroker?.(broker);
      return firstProblem(await produce(broker, batches, options), options);
    }),
  );
  for (const answer of answers) if (answer.status === "rejected") throw answer.reason;
  for (const answer of answers) {
    if (answer.status === "fulfilled" && answer.value !== null) throw answer.value;
  }
  if (withoutLeader !== undefined) {
    throw new Error(`partition ${withoutLeader[0]} has no leader at the moment`);
  }
}

/** Passes on what a leader has answered. Returns an error that nobody has taken care of. */
function firstProblem(
  results: readonly PartitionResult[],
  { written, refused }: RoundOptions,
): Error | null {
  let problem: Error | null = null;
  for (const { partition, error, refused: records } of results) {
    // A sequence number that the broker has had: it was written before, and its answer lost.
    if (error === undefined || errorKind(error) === "alreadyWritten") written(partition);
    else if (!(refused?.({ partition, error, refused: records }) ?? false)) problem = error;
  }
  return problem;
}
