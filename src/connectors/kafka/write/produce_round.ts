/**
 * One round of an idempotent producer: a batch for each of several partitions, in one request to
 * each leader. The output and the recovery store both write like this.
 *
 * A round is retried with the same batches and sequence numbers until each partition has its batch.
 * Only then does the next round begin. The broker recognises a batch that it has by its sequence
 * number (KIP-98). So nothing is lost, repeated or reordered if an answer is lost, a broker
 * restarts, or a leader moves meanwhile.
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

/** A batch that a broker has refused. An earlier attempt may have written it. */
export interface RefusedBatch {
  readonly partition: number;
  readonly error: NonNullable<PartitionResult["error"]>;
  /** The records that are to blame, if the broker names them. */
  readonly refused: readonly RefusedRecord[];
}

/** The content of a round, and what is done about its answers. */
export interface RoundOptions extends ProduceOptions {
  /** The encoded batch of a partition. Each attempt must get the same bytes. */
  readonly batchOf: (partition: number) => Uint8Array | Promise<Uint8Array>;
  /**
   * A partition has its batch, from this attempt or from one whose answer was lost. `baseOffset` is
   * where the batch begins; `null` if the broker does not tell.
   */
  readonly written: (partition: number, baseOffset: number | null) => void;
  /**
   * Called for a batch that a broker refuses. Returns whether it has changed the round, so that the
   * next attempt differs. If not, the refusal is thrown. An error that it throws ends the attempt.
   */
  readonly refused?: (refusal: RefusedBatch) => boolean;
  /** Throws if a broker does not support these batches. */
  readonly requireBroker?: (broker: KafkaBroker) => void;
}

/**
 * Tries a round once. Waits until every leader has answered or failed, so that attempts do not
 * overlap.
 *
 * @throws The error that kept a partition from being written. A failed request has precedence over
 * a refused batch, and that over a partition without a leader.
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

/** Handles a leader's answer. Returns an error that nobody has handled. */
function firstProblem(
  results: readonly PartitionResult[],
  { written, refused }: RoundOptions,
): Error | null {
  let problem: Error | null = null;
  for (const { partition, error, baseOffset, refused: records } of results) {
    // The broker already had this sequence number: the batch was written, and its answer was lost.
    if (error === undefined || errorKind(error) === "alreadyWritten") {
      written(partition, baseOffset);
    } else if (!(refused?.({ partition, error, refused: records }) ?? false)) problem = error;
  }
  return problem;
}
