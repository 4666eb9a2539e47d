/**
 * The log that the tasks of a group share: what they read, write, and commit together.
 *
 * The engine knows this port only. `connectors/kafka_tasks` implements it on Kafka; tests have one
 * in memory. A worker process opens one log, for all of its tasks.
 *
 * An epoch of a process is one transaction. It holds frames for other tasks, changed keys, records
 * of outputs, and positions of inputs. They become visible together, or not at all.
 *
 * @module
 */
import type { PartitionName, StepId } from "../core/ids.ts";
import type { TaskId } from "../core/task_id.ts";
import type {
  InputConfig,
  InputReader,
  OutputConfig,
  OutputWriter,
  Place,
  Positions,
} from "../graph/contracts.ts";
import type { StateChunk, StoredKey, StoredPosition } from "../recovery/store.ts";

/** Keys of one step of a task, as they were at its last commit. */
export interface RestoredKeys {
  readonly step: StepId;
  readonly keys: readonly StoredKey[];
}

/** Where a task goes on. */
export interface RestoredTask {
  /** Where its inputs, and the time of its steps, were at its last commit; empty at first. */
  readonly positions: readonly StoredPosition[];
  /**
   * Returns its keys, in parts of at most some thousands; each key once. To be read once, to its
   * end or until the task is given up. It yields to the event loop between parts.
   */
  keys(): AsyncIterable<RestoredKeys>;
}

/** How far the restoring of a task has come. */
export interface RestoreProgress {
  /** Records that have been read. */
  readonly done: number;
  /** Records in all, as known now. */
  readonly total: number;
}

/** A copy of the state of a task that another machine runs. It is kept up to date here. */
export interface Standby {
  /** How many records of the changelog it does not have, as known now; `null` if not known. */
  readonly lag: number | null;
  /** Whether it has failed, and begins again later. */
  readonly hasFailed: boolean;
  /** Ends it. What it has stays on the disk. */
  close(): void;
}

/** How many records a copy may lack to have caught up: reading them takes some 30 ms. */
const CLOSE_RECORDS = 10_000;

/** Whether a task can move to a machine with this copy without standing still for long. */
export function hasCaughtUp({ lag }: Pick<Standby, "lag">): boolean {
  return lag !== null && lag <= CLOSE_RECORDS;
}

/** Frames that other tasks have sent to one shard of a sub-topology. */
export interface ShuffleRecord {
  /** The offset of the next record: the position after this one. */
  readonly next: bigint;
  /** What {@linkcode ShuffleBatch.bytes} held. */
  readonly bytes: Uint8Array;
}

/** Reads one shard of a shuffle topic, committed records only, in order. */
export interface ShuffleReader {
  /** Returns the next record; `null` if there is none at present. Never waits. */
  next(): ShuffleRecord | null;
  /** Resolves when `next` may have one. Rejects if the log has failed for good. */
  ready(): Promise<void>;
  /** Returns whether all that was committed up to a short time ago has been returned. */
  readonly isCurrent: boolean;
  /** How many records are known to wait. */
  readonly lag: number;
  /** Returns the error for a record of no use: it names where that is, why, and the cure. */
  unreadable(record: ShuffleRecord, cause: Error): Error;
  close(): void;
}

/** Frames for one shard of a sub-topology. */
export interface ShuffleBatch {
  readonly subtopology: string;
  readonly shard: number;
  readonly bytes: Uint8Array;
}

/** How large a record may be. */
export interface RecordLimit {
  /** In bytes, of the record as a whole. */
  readonly bytes: number;
  /** How to raise it, as an end of a sentence: `raise this setting`. */
  readonly raise: string;
}

/** What a task has done in an epoch. */
export interface TaskEpoch {
  readonly task: TaskId;
  /**
   * All its positions, also those that have not changed. That of the shuffle topic is of role
   * `input`, step {@linkcode SHUFFLE_STEP}, partition {@linkcode SHUFFLE_STEP}; its state is the
   * offset as a bigint.
   */
  readonly positions: readonly StoredPosition[];
  /** The keys that have changed, with their text. A later entry replaces an earlier one. */
  readonly state: readonly StateChunk[];
}

/** Names the position in the shuffle topic. No step has this name. */
export const SHUFFLE_STEP: StepId & PartitionName = "";

/** What identifies the process as a member of the group when it commits; see `Membership`. */
export interface CommitIdentity extends Disposable {
  readonly memberId: string;
  /** The member's epoch, or its generation. */
  readonly epoch: number;
  /** The instance id of a member of a classic group; `null` if it has none. */
  readonly instanceId: string | null;
}

/** Is told what waits in a process until a commit. Epochs are those of the process. */
export interface WaitingForCommit {
  /** Bytes have been added to an epoch. If much waits, the epoch ends early. */
  add(epoch: number, bytes: number): void;
}

/** An epoch of a process. */
export interface GroupEpoch {
  /** Every task of the process that has written or read anything in the epoch. */
  readonly tasks: readonly TaskEpoch[];
  /** What goes to other tasks, and to its own: in the order in which it was sent. */
  readonly shuffle: readonly ShuffleBatch[];
  /**
   * Returns what the group must know of the committer. Asked once all records are written, right
   * before the positions are. `null`: tasks are assigned by hand, and nothing is fenced by them.
   */
  readonly identity: (() => Promise<CommitIdentity>) | null;
}

/** The process may not commit: others have its tasks by now, or its transaction is over. */
export class FencedError extends Error {
  override readonly name: string = "FencedError";
}

/** A commit has taken longer than a transaction may be open: it may be again and again. */
export class LateCommitError extends FencedError {
  override readonly name: string = "LateCommitError";
}

/** The log has failed below a step that uses it, which is not to blame. `cause` is what failed. */
export class LogFailedError extends Error {
  override readonly name = "LogFailedError";
}

/**
 * What is stored of a task is of no use: another attempt finds the same, on any machine. The
 * message names it, and the cure.
 */
export class UnrestorableError extends Error {
  override readonly name = "UnrestorableError";
}

/** The log of a group, as one worker process sees it. */
export interface GroupLog {
  /**
   * Opens an input for a task. The reader reads one partition of each topic of the input. Topics
   * that do not have it are left out.
   *
   * @throws {TypeError} If the input cannot be shared out by partition.
   */
  openInput(
    config: InputConfig<unknown>,
    partition: number,
    at: Place,
    resume: Positions,
  ): Promise<InputReader<unknown>>;

  /**
   * Opens an output for a task. After its `prepare`, what it has written to Kafka is part of the
   * next {@linkcode commit}. Its writer is given epochs of the process, which tasks have in common.
   * Before a task takes part in one, its writer is told to prepare epoch -1.
   *
   * @param waiting Is told of all that the writer keeps until the commit of its epoch.
   */
  openOutput(
    config: OutputConfig<unknown>,
    at: Place,
    resume: Positions,
    waiting: WaitingForCommit,
  ): Promise<OutputWriter<unknown>>;

  /**
   * Waits until the last owner of the task has committed, or cannot any more. Then it returns where
   * the task goes on. The state is complete: nothing that was committed is missing.
   *
   * @param onProgress Called now and then.
   * @throws {UnrestorableError} If what is stored does not fit together, also while keys are read.
   * @throws {Error} If the log cannot be read at present.
   */
  restore(task: TaskId, onProgress?: (progress: RestoreProgress) => void): Promise<RestoredTask>;

  /**
   * Keeps a copy of a task's state on this machine, so that a later {@linkcode restore} has little
   * to read. Restoring the task ends the standby. It runs nothing, and its failures are in the log
   * only. Returns `null` if the task has no state, or nothing is kept on this machine's disk.
   *
   * @throws {Error} If the task has a standby here already.
   */
  standby(task: TaskId): Standby | null;

  /**
   * How far the states on this machine's disk are, of tasks and standbys that this process has had:
   * where the changelog goes on after them. What waits to be written counts as well.
   */
  readonly stored: ReadonlyMap<TaskId, number>;

  /** Returns how many partitions a topic has that the group reads. */
  partitionsOf(topic: string): Promise<number>;

  /** Returns how large a record may be that is sent to the shards of a sub-topology. */
  recordLimit(subtopology: string): RecordLimit;

  /** Reads the shuffle topic of a task, from an offset; `null` for its beginning. */
  readShuffle(task: TaskId, from: bigint | null): ShuffleReader;

  /**
   * Commits an epoch. The next call comes after this one has resolved.
   *
   * @throws {FencedError} If the process may not commit any more.
   * @throws {Error} If anything else has failed. What is in memory is then void: the process ends.
   */
  commit(epoch: GroupEpoch): Promise<void>;

  /** A task has been given up, after its last commit, or is lost. It may be restored again then. */
  release(task: TaskId): void;

  /** What it waits for, such as `broker`; `null` for nothing. */
  waitingFor(): string | null;

  /** Closes it. Aborts what is not committed. */
  close(): Promise<void>;
}
