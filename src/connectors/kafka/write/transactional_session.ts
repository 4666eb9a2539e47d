/**
 * The producer of an exactly-once output: each epoch is a transaction of its own.
 *
 * Three ids take turns (`ids.ts`), and each transaction has a new identity. Otherwise a commit that
 * is repeated after a crash could commit another transaction, half written.
 *
 * ```text
 *   open            commits what the store has (`healing.ts`)
 *   prepare(e - 1)  the store gets the ids, and no transactions any more
 *   commit(e - 1)   acquires all ids: aborts what nobody will commit, and fences other runs
 *   write           the first record begins a transaction
 *   beginAhead      begins that of e + 1, if its records have come while epoch e ends
 *   prepare(e)      the store gets its identity, with the state of the epoch
 *   commit(e)       commits it; then acquires the id of the epoch before e again, for e + 2
 * ```
 *
 * Nothing may acquire an id while the store has a transaction of it.
 *
 * @module
 */
import type { Epoch } from "../../../core/ids.ts";
import { within } from "../../../core/promises.ts";
import type { OpenTransactions, Positions } from "../../../graph/contracts.ts";
import { errorName, isFinalForWrites } from "../client/errors.ts";
import { inWords } from "../transactions/healing.ts";
import {
  finishedIds,
  type IdSet,
  idsOf,
  preparedTransaction,
  type SharedIds,
  SLOTS,
  unfinishedIds,
} from "../transactions/ids.ts";
import type { Transaction } from "../transactions/transaction.ts";
import type { ProducerIdentity, TransactionIdentity } from "../wire/init_producer_id.ts";
import type { CommittedOffset } from "../wire/txn_offset_commit.ts";
import { SequenceNumbers } from "../wire/sequence_numbers.ts";
import type { ProducerSession } from "./producer_session.ts";

/** How long `close` may take to end a transaction or an acquisition, in milliseconds. */
const CLOSING_MS = 1_000;

/** What must be left of a transaction's time when its epoch is prepared, in milliseconds. */
const LEAST_LEFT_MS = 30_000;

/** The broker does not know the transactional id, after `transactional.id.expiration.ms`. */
const FORGOTTEN = "INVALID_PRODUCER_ID_MAPPING";

/** What a session needs of a cluster. */
export interface TransactionCluster {
  /**
   * Acquires an id, which aborts its open transaction. Repeats that while the coordinator is away.
   *
   * @param continues The identity that the id has had. If somebody else has acquired the id since,
   * this fails.
   */
  acquire(transactionalId: string, continues?: ProducerIdentity): Promise<TransactionIdentity>;
  /** Makes the transaction of an identity, which begins with its first partition. */
  begin(identity: TransactionIdentity): BegunTransaction;
}

/** A transaction, once it has an identity. */
export type BegunTransaction = Pick<Transaction, "add" | "commitOffsets" | "end">;

/** What a session needs to know. */
export interface SessionOptions {
  readonly topic: string;
  readonly ids: SharedIds;
  /** How long the broker keeps a transaction open, in milliseconds. */
  readonly timeoutMs: number;
  /** Called when an id cannot be acquired in the background. */
  readonly fail: (error: unknown) => void;
  /** Milliseconds since the Unix epoch. */
  readonly now?: () => number;
  /** Milliseconds of a clock that never goes back. */
  readonly elapsed?: () => number;
}

/** An id that epochs use in turn. */
interface Slot {
  readonly id: string;
  /** The identity of its next transaction; `null` while the id is not being acquired. */
  identity: Promise<TransactionIdentity> | null;
  /** The identity of its last transaction. */
  last?: ProducerIdentity;
}

/** The transaction of an epoch, once it has begun. */
interface Begun {
  readonly identity: TransactionIdentity;
  readonly transaction: BegunTransaction;
  /** Whether the broker has the first partitions. */
  hasBegun: boolean;
  /** When it began, at the latest: by the clock, and by the one that never goes back. */
  readonly openedAt: number;
  readonly openedElapsed: number;
  /** Resolves when no partitions are being added. */
  adding: Promise<unknown>;
}

/** The transactions of one worker's share of an output. */
export class TransactionalSession implements ProducerSession {
  readonly #cluster: TransactionCluster;
  readonly #options: SessionOptions;
  readonly #now: () => number;
  readonly #elapsed: () => number;
  readonly #own: IdSet;
  readonly #slots: readonly Slot[];
  #leftOver: readonly IdSet[];
  #epoch: Epoch | null = null; // the one that is written; `null` before the first `prepare`
  #sequences = new SequenceNumbers<number>();
  #open: Begun | null = null; // of the epoch that is written
  #ahead: Begun | null = null; // of the epoch after that
  #prepared: Begun | null = null; // the store may have it
  /** The last one that was committed: the store has it until the next epoch is there. */
  #committed: { readonly slot: Slot; readonly identity: TransactionIdentity } | null = null;
  #acquired: Promise<void> | null = null; // resolves when all ids have been acquired
  #isClosed = false;

  /** Asks for nothing yet. */
  constructor(cluster: TransactionCluster, options: SessionOptions) {
    const { ids: { own, leftOver }, now = Date.now, elapsed = () => performance.now() } = options;
    this.#cluster = cluster;
    this.#options = options;
    this.#now = now;
    this.#elapsed = elapsed;
    this.#own = own;
    this.#leftOver = leftOver;
    this.#slots = idsOf(own).map((id) => ({ id, identity: null }));
  }

  get transactionalId(): string {
    return this.#slot.id;
  }

  get sequences(): SequenceNumbers<number> {
    return this.#sequences;
  }

  /** The id of the epoch that is written. */
  get #slot(): Slot {
    return this.#slotOf(this.#epoch ?? 0);
  }

  #slotOf(epoch: Epoch): Slot {
    return this.#slots[(epoch % SLOTS + SLOTS) % SLOTS];
  }

  async writesTo(partitions: readonly number[]): Promise<TransactionIdentity> {
    try {
      return await this.#add(partitions);
    } catch (error) {
      if (errorName(error) !== FORGOTTEN || this.#open === null || this.#open.hasBegun) throw error;
      // Nothing was written for a week: the broker has forgotten the id that was acquired ahead.
      const slot = this.#slot;
      slot.last = this.#open.identity;
      slot.identity = null;
      this.#open = null;
      return await this.#add(partitions);
    }
  }

  /**
   * Begins the transaction of the next epoch while the one before it ends. So its first records
   * need not wait for that. Its id is another one, and free: the last transaction with this id has
   * been committed, and the store has forgotten it.
   *
   * @param partitions Returns the partitions of its records so far, or none once the epoch before
   * it has been prepared. Asked again until there are no others.
   * @throws {Error} If the broker refuses, or is away for too long. `writesTo` does it again.
   */
  async beginAhead(partitions: () => readonly number[]): Promise<void> {
    const added = new Set<number>();
    for (;;) {
      const others = partitions().filter((partition) => !added.has(partition));
      if (others.length === 0 || this.#isClosed || this.#epoch === null) return;
      const epoch = this.#epoch + 1;
      const identity = await this.#acquire(this.#slotOf(epoch));
      // It may have been prepared meanwhile, and then `writesTo` begins its transaction.
      if (this.#isClosed || this.#epoch + 1 !== epoch) return;
      await this.#addTo(this.#ahead ??= this.#begin(identity), others);
      for (const partition of others) added.add(partition);
    }
  }

  /** Adds partitions to the transaction, which the first ones begin. */
  async #add(partitions: readonly number[]): Promise<TransactionIdentity> {
    this.#requireOpen();
    if (this.#acquired === null) throw new Error("nothing is written before ids are acquired");
    await this.#acquired;
    const identity = await this.#acquire(this.#slot);
    this.#requireOpen();
    await this.#addTo(this.#open ??= this.#begin(identity), partitions);
    return identity;
  }

  /** Makes the transaction of an epoch, which its first partitions begin. */
  #begin(identity: TransactionIdentity): Begun {
    return {
      identity,
      transaction: this.#cluster.begin(identity),
      hasBegun: false,
      // Before the request: the timeout begins when the broker gets that.
      openedAt: this.#now(),
      openedElapsed: this.#elapsed(),
      adding: Promise.resolve(),
    };
  }

  /** Adds partitions when no others are being added. */
  async #addTo(begun: Begun, partitions: readonly number[]): Promise<void> {
    const { topic } = this.#options;
    const add = async () => {
      await begun.transaction.add(partitions.map((partition) => ({ topic, partition })));
      begun.hasBegun = true;
    };
    await (begun.adding = begun.adding.then(add, add));
  }

  /**
   * Commits positions of a consumer group with the epoch that is written. Returns whether it does:
   * not in an epoch without records, as that has no transaction.
   *
   * @throws {Error} If the broker refuses.
   */
  async commitOffsets(groupId: string, offsets: readonly CommittedOffset[]): Promise<boolean> {
    if (this.#open === null) return false;
    await this.#open.transaction.commitOffsets(groupId, offsets);
    return true;
  }

  /**
   * Ends an epoch whose records have all been acknowledged. Returns what the store must hold.
   *
   * @throws {Error} If little of the transaction's time is left: the epoch would be in the store,
   * and its output might not be.
   */
  prepare(epoch: Epoch): Positions {
    this.#requireOpen();
    const begun = this.#open;
    if (begun !== null) this.#requireTimeLeft(begun);
    this.#prepared = begun;
    this.#open = this.#ahead;
    this.#ahead = null;
    this.#epoch = epoch + 1;
    this.#sequences = new SequenceNumbers();
    const positions = [this.#own, ...this.#leftOver].map(unfinishedIds);
    if (begun !== null) {
      const { identity, openedAt } = begun;
      const { timeoutMs } = this.#options;
      const { cluster } = this.#own;
      positions.push(preparedTransaction({ ...identity, epoch, openedAt, timeoutMs, cluster }));
    }
    return new Map(positions);
  }

  /**
   * The store has an epoch: makes its output visible. The first call acquires the ids.
   *
   * @throws {Error} If the broker refuses, or does not answer in time.
   */
  async commit(epoch: Epoch): Promise<void> {
    this.#requireOpen();
    await (this.#acquired ??= this.#acquireAll());
    const prepared = this.#prepared;
    if (prepared !== null) await prepared.transaction.end("commit");
    this.#prepared = null;
    // The store has replaced the transaction of the epoch before, so that id is free now.
    const free = this.#committed;
    this.#committed = prepared && { slot: this.#slotOf(epoch), identity: prepared.identity };
    if (free !== null && !this.#isClosed) this.#acquireAhead(free.slot, free.identity);
  }

  /** The transactions that are not committed yet. */
  get openTransactions(): OpenTransactions {
    const open = [this.#prepared, this.#open, this.#ahead].filter((each) => each !== null);
    const ages = open.map(({ openedElapsed }) => this.#elapsed() - openedElapsed);
    return { count: open.length, oldestMs: Math.max(0, ...ages) };
  }

  /** Returns what the store must hold once the last epoch has been committed. */
  settled(): Positions {
    return new Map([finishedIds(this.#own)]);
  }

  /**
   * Aborts the transaction of an epoch that will not be prepared, once nothing is sent any more.
   * Never one that is prepared, as the store may have it. Also waits for ids that are being
   * acquired: the request must not arrive after those of the next run.
   *
   * @param idle Resolves when no records are on their way: a late one would begin a transaction.
   * @throws {Error} If the broker refuses. The next run aborts the transaction.
   */
  async close(idle: Promise<void>): Promise<void> {
    this.#isClosed = true;
    const open = [this.#open, this.#ahead];
    this.#open = this.#ahead = null;
    const abort = async (begun: Begun | null) => {
      await idle;
      await begun?.adding.catch(() => {}); // it may have begun all the same
      await begun?.transaction.end("abort");
    };
    await within(Promise.all([this.settledAhead(), ...open.map(abort)]), CLOSING_MS);
  }

  /** Resolves when no id is being acquired. */
  async settledAhead(): Promise<void> {
    await Promise.allSettled(this.#slots.map(({ identity }) => identity));
  }

  /** Acquires all ids. Aborts the transactions of runs before that the store does not have. */
  async #acquireAll(): Promise<void> {
    await Promise.all(this.#slots.map((slot) => this.#acquire(slot)));
    for (const set of this.#leftOver) {
      await Promise.all(idsOf(set).map((id) => this.#cluster.acquire(id)));
    }
    this.#leftOver = [];
  }

  /** Acquires an id while others are in use, so that a later epoch need not wait. */
  #acquireAhead(slot: Slot, last: ProducerIdentity): void {
    slot.last = last;
    slot.identity = null;
    this.#acquire(slot).catch((error) => {
      if (this.#isClosed) return;
      if (isFinalForWrites(error)) this.#options.fail(error);
      else slot.identity = null; // a flow without records goes on without brokers
    });
  }

  /** Returns the identity of a slot's next transaction. */
  #acquire(slot: Slot): Promise<TransactionIdentity> {
    return slot.identity ??= this.#cluster.acquire(slot.id, slot.last);
  }

  #requireOpen(): void {
    if (this.#isClosed) throw new Error("the output has been closed");
  }

  #requireTimeLeft({ openedAt, openedElapsed }: Begun): void {
    const { timeoutMs } = this.#options;
    // Only the first clock goes on while the machine sleeps, and only the other is never set.
    const age = Math.max(this.#now() - openedAt, this.#elapsed() - openedElapsed);
    if (timeoutMs - age >= LEAST_LEFT_MS) return;
    throw new Error(
      `the epoch took ${inWords(age)}, and the broker aborts its transaction after ` +
        `${inWords(timeoutMs)}: set "transaction.timeout.ms" to more, or make epochs shorter ` +
        `(--epoch-interval), unless the process was stopped or the machine slept; the epoch does not ` +
        "count, and a new run writes it again",
    );
  }
}
