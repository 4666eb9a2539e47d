/**
 * Records of a process's Kafka outputs that wait for its next transaction.
 *
 * All tasks of the process share one transaction for each epoch. It begins late, as readers of
 * committed records wait for it. So records wait here, encoded, until the epoch is committed. Tasks
 * that write to one output share its batches: a batch for each task would be small.
 *
 * If much waits, the runner ends the epoch early. What comes through until its barriers do may be
 * more than memory should hold: a step may make many items of one. That is written before the epoch
 * ends. Otherwise an output could never push back: a barrier does not overtake a write that waits
 * for room.
 *
 * Records of the next epoch may come while an epoch ends. They are never part of its transaction.
 *
 * @module
 */
import { messageOf, StepError } from "../../core/errors.ts";
import type { Epoch, StepId } from "../../core/ids.ts";
import { LogFailedError } from "../../group/log.ts";
import { TopicDeletedError } from "../kafka/client/deleted_topic.ts";
import type { KafkaOutputSettings } from "../kafka/properties/settings.ts";
import { SequenceNumbers } from "../kafka/wire/sequence_numbers.ts";
import {
  type OutputStep,
  PendingOutput,
  type PendingRound,
  type PendingTarget,
} from "./pending_output.ts";

/** How many bytes may wait before some are written early. */
const MOST_BYTES = 32 << 20;

/** How many may wait of an epoch that cannot end yet, as the one before is being committed. */
const MOST_AHEAD_BYTES = 16 << 20;

/** A write that waits for room. */
interface Waiter {
  readonly epoch: Epoch;
  readonly done: PromiseWithResolvers<void>;
}

/** An output, or one that is being opened. */
interface OpenOutput {
  readonly opening: Promise<PendingOutput>;
  /** `null` until it is open. */
  output: PendingOutput | null;
  /** How many tasks write to it, or wait until they can. */
  users: number;
}

/** The outputs of a process, and what waits to be written. */
export class PendingOutputs {
  readonly #target: PendingTarget;
  readonly #outputs = new Map<StepId, OpenOutput>();
  readonly #sequences = new Map<string, SequenceNumbers<number>>(); // by topic
  #prepared: Epoch = -1; // the last epoch that a task has ended
  #closed: Epoch = -1; // the last one whose transaction takes no more records
  #over: Epoch = -1; // the last one that is committed, or needs no commit
  #isCommitting = false;
  #writing: Promise<void> | null = null; // early, while an epoch is open
  #failure: { error: unknown } | null = null;
  #waiters: Waiter[] = [];

  /** Nothing waits yet, and no output is open. */
  constructor(target: PendingTarget) {
    this.#target = target;
  }

  /**
   * Opens an output for one more task. It is closed once each of them has called
   * {@linkcode leave}, and nothing of it waits.
   *
   * @throws {Error} If brokers do not answer, or do not have the topic.
   */
  async open(settings: KafkaOutputSettings, step: OutputStep): Promise<PendingOutput> {
    this.throwFailure();
    const { stepId } = step;
    const open = this.#outputs.get(stepId) ?? this.#begin(settings, step);
    open.users++;
    return await open.opening;
  }

  #begin(settings: KafkaOutputSettings, step: OutputStep): OpenOutput {
    const { topic } = settings;
    const sequences = this.#sequences.get(topic) ?? new SequenceNumbers<number>();
    this.#sequences.set(topic, sequences);
    const opening = PendingOutput.open(settings, step, { ...this.#target, sequences });
    const open: OpenOutput = { opening, output: null, users: 0 };
    this.#outputs.set(step.stepId, open);
    opening.then(
      (output) => open.output = output,
      () => this.#outputs.delete(step.stepId), // the next task tries again
    );
    return open;
  }

  /** A task does not write to the output of a step any more. */
  async leave(stepId: StepId): Promise<void> {
    const open = this.#outputs.get(stepId);
    if (open === undefined) return; // all are closed
    open.users--;
    if (!this.#isCommitting) await this.#closeUnused();
  }

  /** How many bytes wait, of all epochs. */
  get bytes(): number {
    return this.#bytesUpTo(Infinity);
  }

  /**
   * Throws if anything has failed before: nothing can be committed after it.
   *
   * @throws {StepError} If a topic does not accept a record.
   * @throws {LogFailedError} If it was the transaction, which no step is to blame for.
   */
  throwFailure(): void {
    if (this.#failure !== null) throw asSeenByStep(this.#failure.error);
  }

  /** Makes sure that an epoch can still get records: all tasks count epochs alike. */
  requireOpen(epoch: Epoch): void {
    if (epoch > this.#closed) return;
    throw new Error(`epoch ${epoch} gets no more records: epoch ${this.#closed} is committed`);
  }

  /**
   * Records of an epoch have been added. Returns a promise if too much waits, which resolves once
   * there is room.
   */
  added(epoch: Epoch): void | Promise<void> {
    if (this.#waitingFor(epoch) < this.#mostFor(epoch)) return;
    const done = Promise.withResolvers<void>();
    this.#waiters.push({ epoch, done });
    this.#writeEarly();
    return done.promise;
  }

  /** A task has written all that it writes in an epoch. Epochs are those of the process. */
  prepared(epoch: Epoch): void {
    this.requireOpen(epoch);
    this.#prepared = Math.max(this.#prepared, epoch);
  }

  /**
   * Writes what waits of the epoch that all tasks have prepared, as part of the transaction. Then
   * it calls `end`, which adds the rest and commits. Nothing else is written until that is done.
   *
   * @throws {StepError} If a topic does not accept a record. It names the step and the record.
   * @throws {TransactionRefusedError} If the transaction is over, or another producer has its id.
   * @throws {Error} If anything else fails. Nothing can be committed after that.
   */
  async commit(end: () => Promise<void>): Promise<void> {
    const epoch = this.#closed = Math.max(this.#closed, this.#prepared);
    this.#isCommitting = true;
    try {
      await this.#writing; // it never rejects
      if (this.#failure !== null) throw this.#failure.error;
      await this.#writeAll(epoch);
      for (const output of this.#opened()) await output.confirm();
      await end();
    } catch (error) {
      this.fail(error);
      throw error;
    }
    this.#isCommitting = false;
    await this.#closeUnused();
    this.over(epoch);
  }

  /**
   * An epoch is over, with a commit or without one: nothing was done in it. If it has records all
   * the same, such as those of timers, they wait for the next commit.
   */
  over(epoch: Epoch): void {
    this.#over = Math.max(this.#over, epoch);
    this.#wake(1); // those of the next epoch may have more waiting now
    this.#writeEarly();
  }

  /** Something has failed that lets nothing be committed any more. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    const seen = asSeenByStep(this.#failure.error);
    for (const { done } of this.#waiters.splice(0)) done.reject(seen);
  }

  /** Drops what waits, and closes all outputs. */
  async close(): Promise<void> {
    this.fail(new Error("the outputs of the process are closed"));
    const all = [...this.#outputs.values()];
    await Promise.allSettled(all.map(({ opening }) => opening));
    const opened = this.#opened();
    this.#outputs.clear();
    await Promise.all(opened.map((output) => output.close()));
    await this.#writing;
  }

  /** How much waits, as far as a write of an epoch has to care: later epochs wait for it. */
  #waitingFor(epoch: Epoch): number {
    return this.#isHeld(epoch)
      ? this.#bytesUpTo(Infinity) - this.#bytesUpTo(epoch - 1)
      : this.#bytesUpTo(epoch);
  }

  #mostFor(epoch: Epoch): number {
    return this.#isHeld(epoch) ? MOST_AHEAD_BYTES : MOST_BYTES;
  }

  /** Whether the transaction of the epoch before is not over. */
  #isHeld(epoch: Epoch): boolean {
    return this.#prepared > this.#over && epoch > this.#prepared;
  }

  #bytesUpTo(epoch: Epoch): number {
    let sum = 0;
    for (const output of this.#opened()) sum += output.bytesUpTo(epoch);
    return sum;
  }

  /** Writes what waits before its epoch ends, if a write waits for that. */
  #writeEarly(): void {
    if (this.#writing !== null || this.#isCommitting || this.#failure !== null) return;
    const waiting = this.#waiters.map(({ epoch }) => epoch).filter((each) => !this.#isHeld(each));
    if (waiting.length === 0) return;
    this.#writing = this.#writeAll(Math.max(...waiting)).catch((error) => this.fail(error))
      .then(() => {
        this.#writing = null;
        this.#writeEarly(); // more may have come since it saw that nothing waits
      });
  }

  /** Writes until nothing waits up to an epoch. */
  async #writeAll(epoch: Epoch): Promise<void> {
    for (;;) {
      const rounds = this.#opened().flatMap((output) => output.takeRound(epoch) ?? []);
      if (rounds.length === 0) return this.#wake();
      await this.#addPartitions(rounds);
      // Outputs that write to one topic share its sequence numbers, so they take turns.
      const byTopic = Map.groupBy(rounds, ({ output }) => output.topic);
      const results = await Promise.allSettled(
        Array.from(byTopic.values(), async (each) => {
          for (const round of each) await round.output.deliver(round);
        }),
      );
      for (const result of results) if (result.status === "rejected") throw result.reason;
      if (this.#failure !== null) throw this.#failure.error; // it has been closed
      this.#wake();
    }
  }

  /** Adds the partitions to the transaction. A topic that was deleted is an error of its step. */
  async #addPartitions(rounds: readonly PendingRound[]): Promise<void> {
    try {
      await this.#target.transaction.add(rounds.flatMap(({ partitions }) => partitions));
    } catch (error) {
      if (!(error instanceof TopicDeletedError)) throw error;
      const round = rounds.find(({ output }) => output.topic === error.topic);
      throw round?.output.deleted(error) ?? error;
    }
  }

  /** Ends waits of writes, if less waits than this part of what may. */
  #wake(part = 0.5): void {
    this.#waiters = this.#waiters.filter(({ epoch, done }) => {
      if (this.#waitingFor(epoch) > this.#mostFor(epoch) * part) return true;
      done.resolve();
      return false;
    });
  }

  #opened(): PendingOutput[] {
    return Array.from(this.#outputs.values()).flatMap(({ output }) => output ?? []);
  }

  async #closeUnused(): Promise<void> {
    for (const [stepId, { output, users }] of this.#outputs) {
      if (output === null || users > 0 || output.bytesUpTo(Infinity) > 0) continue;
      this.#outputs.delete(stepId);
      await output.close();
    }
  }
}

/** All steps of a process share its transaction. Each of them learns that it has failed. */
function asSeenByStep(error: unknown): unknown {
  if (error instanceof StepError) return error;
  return new LogFailedError(`nothing more can be committed: ${messageOf(error)}`, { cause: error });
}
