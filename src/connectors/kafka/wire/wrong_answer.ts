/**
 * Compares the partitions in an answer with the requested ones.
 *
 * A broker, or something in between, may answer for fewer, more or other partitions. If such an
 * answer were accepted, it would acknowledge records that were never written.
 *
 * @module
 */
import { positionName, type TopicPartition } from "./topic_partition.ts";

/**
 * An answer does not fit its request. The next one may, so this is retried like a broker's error.
 */
export class WrongAnswerError extends Error {
  override readonly name = "WrongAnswerError";
  /** The name of the error, among those of the protocol. */
  readonly type = "WRONG_ANSWER";
  /** The request that was answered. A broker that answers is in reach. */
  readonly apiName: string;

  /** `what` is wrong with the answer, as a clause with a verb. */
  constructor(apiName: string, what: string) {
    super(`the broker's answer to ${apiName} ${what}`);
    this.apiName = apiName;
  }
}

/** The error for an answer that leaves out a partition. */
export function missingAnswer(
  apiName: string,
  { topic, partition }: TopicPartition,
): WrongAnswerError {
  return new WrongAnswerError(apiName, `does not name partition ${partition} of topic "${topic}"`);
}

/** The error for an answer that claims something impossible about a partition. */
export function impossibleAnswer(
  apiName: string,
  { topic, partition }: TopicPartition,
  what: string,
): WrongAnswerError {
  return new WrongAnswerError(
    apiName,
    `says that partition ${partition} of topic "${topic}" ${what}`,
  );
}

/**
 * The requested partitions that an answer leaves out.
 *
 * @throws {WrongAnswerError} If it names one that was not requested, or one twice.
 */
export function leftOut<P extends TopicPartition>(
  apiName: string,
  asked: readonly P[],
  answered: readonly TopicPartition[],
): P[] {
  const open = new Map(asked.map((each) => [positionName(each), each]));
  const names = new Set(open.keys());
  for (const each of answered) {
    const name = positionName(each);
    if (open.delete(name)) continue;
    const { topic, partition } = each;
    const why = names.has(name) ? "twice" : "which was not asked for";
    throw new WrongAnswerError(apiName, `names partition ${partition} of topic "${topic}", ${why}`);
  }
  return [...open.values()];
}

/**
 * Checks that an answer names each requested partition once, and no other.
 *
 * @throws {WrongAnswerError} If it does not.
 */
export function requireAnswers(
  apiName: string,
  asked: readonly TopicPartition[],
  answered: readonly TopicPartition[],
): void {
  const [missing] = leftOut(apiName, asked, answered);
  if (missing !== undefined) throw missingAnswer(apiName, missing);
}
