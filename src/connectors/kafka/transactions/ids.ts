/**
 * The transactional ids of an output, and the transactions that a store holds: as positions.
 *
 * Each worker has ids of its own, with a random part, and new ones in each run. They are stored
 * before they are used. So the next run knows all ids that may have an open transaction, whatever
 * its number of workers, and two flows never share an id.
 *
 * A run does not use the ids of the run before. A process that has been killed may have sent a
 * request to acquire one, which arrives late. The broker would then abort a transaction of the new
 * run, even one that the store has.
 *
 * @module
 */
import { UNFINISHED } from "../../../core/unfinished.ts";
import type { Positions } from "../../../graph/contracts.ts";
import type { TransactionIdentity } from "../wire/init_producer_id.ts";

/**
 * How many ids a worker uses in turn. One epoch is in the store, with its commit on the way. The
 * next one is prepared and waits for the store. The third is being written.
 */
export const SLOTS = 3;

/** Ids that a worker uses in turn. */
export interface IdSet {
  /** The ids are this, a dot, and a number from 0. */
  readonly prefix: string;
  readonly slots: number;
  /** The cluster's id; `null` if its brokers report none. */
  readonly cluster: string | null;
}

/** A transaction whose epoch the store has. It must be committed before anything else. */
export interface StoredTransaction extends TransactionIdentity {
  readonly epoch: number;
  /** When it began, at the latest; in milliseconds since the Unix epoch. */
  readonly openedAt: number;
  readonly timeoutMs: number;
  /** The cluster's id; `null` if its brokers report none. */
  readonly cluster: string | null;
}

/** What the positions of an output hold. */
export interface StoredIds {
  /** In the order of their prefixes, the same on all workers. */
  readonly sets: readonly IdSet[];
  /** In the order of their ids, the same on all workers. */
  readonly transactions: readonly StoredTransaction[];
}

/** Makes new ids that nobody has. */
export function newIdSet(prefix: string, cluster: string | null): IdSet {
  return { prefix: `${prefix}.${crypto.randomUUID().slice(0, 8)}`, slots: SLOTS, cluster };
}

/** The ids of a set. */
export function idsOf({ prefix, slots }: IdSet): string[] {
  return Array.from({ length: slots }, (_, slot) => `${prefix}.${slot}`);
}

/** The position of ids while one of them may have an open transaction. */
export function unfinishedIds(set: IdSet): [string, unknown] {
  return [`${UNFINISHED}ids:${set.prefix}`, set];
}

/** The position of ids of which none has an open transaction. */
export function finishedIds(set: IdSet): [string, unknown] {
  return [`ids:${set.prefix}`, set];
}

/** The position of a transaction that waits for its epoch to be committed. */
export function preparedTransaction(transaction: StoredTransaction): [string, unknown] {
  // The version of requests that it was begun with: others cannot end it reliably.
  return [`${UNFINISHED}open:${transaction.transactionalId}`, { ...transaction, protocol: "old" }];
}

/**
 * Reads the positions of an output.
 *
 * @throws {Error} If another version of Millrace has written them.
 */
export function readStoredIds(positions: Positions): StoredIds {
  const sets: IdSet[] = [];
  const transactions: StoredTransaction[] = [];
  for (const [name, state] of positions) {
    const kind = /^(?:unfinished:)?(ids|open):/.exec(name)?.[1];
    if (kind === "ids") sets.push(state as IdSet);
    else if (kind === "open" && isOld(state)) transactions.push(state);
    else {
      throw new Error(
        `the recovery store has a position of this output that this version of Millrace does not ` +
          `know, "${name}": run the flow with the version that wrote it`,
      );
    }
  }
  return {
    sets: sets.sort((a, b) => compare(a.prefix, b.prefix)),
    transactions: transactions.sort((a, b) => compare(a.transactionalId, b.transactionalId)),
  };
}

function isOld(state: unknown): state is StoredTransaction {
  return (state as { protocol?: unknown }).protocol === "old";
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Which worker, of how many. */
export interface WorkerShare {
  readonly workerIndex: number;
  readonly workerCount: number;
}

/** The ids that a worker has to do with. */
export interface SharedIds {
  /** The ids that it uses. */
  readonly own: IdSet;
  /** Ids of runs before. It ends the transactions that are open there. */
  readonly leftOver: readonly IdSet[];
}

/** The items that are a worker's, if workers take turns. */
export function ofWorker<T>(
  items: readonly T[],
  { workerIndex, workerCount }: WorkerShare,
): T[] {
  return items.filter((_, n) => n % workerCount === workerIndex);
}
