/**
 * Errors of the log of a group.
 *
 * @module
 */
import { messageOf } from "../../core/errors.ts";
import type { TaskId } from "../../core/task_id.ts";
import { FencedError, UnrestorableError } from "../../group/log.ts";
import { type ErrorKind, errorKind, errorName, messageOfKafka } from "../kafka/client/errors.ts";
import type { TopicPartition } from "../kafka/wire/topic_partition.ts";

/** The log of a group cannot be used. The message names the reason and the cure. */
export class TaskLogError extends Error {
  override readonly name = "TaskLogError";
}

/** Tells how an app begins again, without state and positions: a part of a sentence. */
export function toBeginAgain(app: string): string {
  return `stop all machines, and run cli.ts group ${app} reset to begin again`;
}

/** The positions that a task without a changelog has committed are not what a task commits. */
export function unreadablePositions(task: TaskId, groupId: string, cause: unknown): TaskLogError {
  return new TaskLogError(
    `the positions of task "${task}" in group "${groupId}" cannot be read (${messageOf(cause)}): ` +
      "has something else committed to the group?",
    { cause },
  );
}

/** A task has committed, and the group does not have its offsets any more, though it has others. */
export function lostOffsets(
  app: string,
  groupId: string,
  task: TaskId,
  changelog: string | null = null,
): TaskLogError {
  const also = changelog === null ? "" : `, and its changelog "${changelog}" has nothing of it`;
  return new TaskLogError(
    `task "${task}" cannot be restored: it has committed before, but group "${groupId}" has none of ` +
      `its offsets${also}. Were they deleted? Reading everything again would repeat results: if that ` +
      `is right, ${toBeginAgain(app)}`,
  );
}

/** The error for a record of an internal topic that is not what a task has written. */
export function unreadableRecord(
  app: string,
  { topic, partition }: TopicPartition,
  offset: bigint,
  cause: unknown,
): TaskLogError {
  const why = cause instanceof Error ? cause.message : messageOf(cause);
  return new TaskLogError(
    `topic "${topic}", partition ${partition}, offset ${offset}: ${why}. Has another ` +
      "version of Millrace written it? Then use that one. If something else writes to the topic, " +
      `stop that; then ${toBeginAgain(app)}`,
    { cause },
  );
}

/**
 * Does a part of a restore.
 *
 * @throws {UnrestorableError} If what is stored is of no use, on any machine.
 */
export async function explainRestore<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof TaskLogError)) throw error;
    throw new UnrestorableError(error.message, { cause: error });
  }
}

/** The same for what a restore reads part by part. */
export async function* explainKeys<T>(keys: AsyncIterable<T>): AsyncGenerator<T> {
  const parts = keys[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await explainRestore(() => parts.next());
      if (done) return;
      yield value;
    }
  } finally {
    await parts.return?.();
  }
}

/** Kinds of errors that mean: others have the tasks, or the transaction is over. */
const FENCED: ReadonlySet<ErrorKind> = new Set([
  "fenced",
  "notMember",
  "transactionRefused",
  "sequenceBroken",
]);

/** Whether an error says that the group has taken the tasks away. */
export function isMemberLost(error: unknown): boolean {
  return errorKind(error) === "notMember" || errorName(error) === "MembershipLostError";
}

/** Turns any error of a commit into one that says what it means for the process. */
export function explainCommit(error: unknown, app: string): unknown {
  const name = errorName(error);
  if (error instanceof FencedError || error instanceof TaskLogError) return error;
  if (name === "INVALID_TRANSACTION_TIMEOUT") return error;
  if (FENCED.has(errorKind(error)) || isMemberLost(error)) {
    return new FencedError(
      `this process may not commit for "${app}" any more (${name}: ${messageOfKafka(error)}): ` +
        "others have its tasks by now, or its transaction took too long",
      { cause: error },
    );
  }
  if (name === "OFFSET_METADATA_TOO_LARGE") {
    return new TaskLogError(
      `the positions of a task of "${app}" take more bytes than the group accepts: raise ` +
        "offset.metadata.max.bytes of the brokers, or have its inputs read fewer topics",
      { cause: error },
    );
  }
  if (name === "TRANSACTIONAL_ID_AUTHORIZATION_FAILED" || name === "TransactionRefusedError") {
    return error; // says what to do already
  }
  if (errorKind(error) !== "denied") return error;
  return new TaskLogError(
    `no permission to commit for "${app}" (${name}): allow Read on the groups, Read and Write on the ` +
      `topics, and Write on the transactional ids that begin with "${app}", and Write on the topics ` +
      "of outputs",
    { cause: error },
  );
}

/** The name of the error by which brokers deny something; `null` if it is another error. */
export function deniedBy(error: unknown): string | null {
  for (let each = error; each instanceof Error; each = each.cause) {
    if (errorKind(each) === "denied") return errorName(each);
  }
  return null;
}
