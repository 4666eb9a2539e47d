import type { Epoch, StepId } from "../../core/ids.ts";
import type { InputNotes, OutputWriter, Positions } from "../../graph/contracts.ts";
import { CallSize } from "../call_size.ts";
import { type Channel, type EpochEnd, isBatch, isEpochEnd, type Message } from "../channel.ts";
import { stepError } from "../step_error.ts";
import type { OutputReading } from "../worker_readings.ts";
import type { Task, TaskHost, Waits } from "./task.ts";

/** What a sink's task needs to know of its run. */
export interface SinkOptions {
  /** The one that the run starts in. */
  readonly epoch: Epoch;
  /** Told how many items are written, and in which epoch. */
  readonly onWrite: (items: number, epoch: Epoch) => void;
  /** What the inputs upstream said at the end of an epoch; absent if there is nothing. */
  readonly notesAt?: (epoch: Epoch) => InputNotes;
  /**
   * Whether the end of an epoch waits until the one before is committed, as it does for an output
   * with `commit`. Needed if a commit includes whatever has been prepared by then.
   */
  readonly waitsForCommit?: boolean;
}

/**
 * Writes an output, one call at a time. What comes meanwhile waits in the channel. A call that is
 * waited for gets as many items as it can write soon, of several batches if need be.
 *
 * An output with `writesAhead` gets items of the next epoch while the end of one is in progress.
 * Two calls may then be in progress: one that writes, and one that ends an epoch.
 *
 * An output with `commit` has one prepared epoch at most. With several workers, the end of the next
 * epoch may come from another worker before the coordinator's notice that this one is committed. It
 * then waits here for the notice:
 *
 * ```text
 *   prepare 4 ─▶ write 5 ─▶ end of 5 is held ─▶ commit 4 ─▶ prepare 5
 * ```
 *
 * The notice does come. A barrier of epoch 5 is only sent once the store has epoch 4. The end of
 * all items, in epoch 5, comes after this worker has acknowledged epoch 4 and before it has ended.
 * So `EpochCycle` still counts it, and commits epoch 4 once the others have acknowledged it or
 * ended. Items of epoch 6 may follow in the channel. Epoch 4 needs none of them.
 */
export class SinkTask implements Task {
  readonly stepId: StepId;
  readonly #writer: OutputWriter<unknown>;
  readonly #input: Channel;
  readonly #host: TaskHost;
  readonly #onWrite: (items: number, epoch: Epoch) => void;
  readonly #notesAt: (epoch: Epoch) => InputNotes;
  readonly #waitsForCommit: boolean;
  readonly #commits: Epoch[] = []; // epochs to be made visible, once no call is in progress
  readonly #callSize = new CallSize();
  #epoch: Epoch;
  #isWaitedFor = false; // whether the last call with items gave a promise
  #isWriting = false; // whether a call of `write` is in progress
  #isEnding = false; // whether a call of `prepare` or `commit` is
  #ended = false;
  #prepared: Epoch | null = null; // the epoch whose snapshot has not been committed yet
  #held: EpochEnd | null = null; // the end of the next one, which waits for that
  #lastEpoch: Epoch | null = null; // the one that the output's items end in, once prepared
  #prepareMs: number | null = null; // how long the last epoch took to be made durable
  #hasSettled = false; // whether the output has other positions since then
  #onCallOver: (() => void)[] = []; // called when a call in progress is over

  /** Writes nothing yet. */
  constructor(
    stepId: StepId,
    writer: OutputWriter<unknown>,
    input: Channel,
    host: TaskHost,
    options: SinkOptions,
  ) {
    this.stepId = stepId;
    this.#writer = writer;
    this.#input = input;
    this.#host = host;
    this.#epoch = options.epoch;
    this.#onWrite = options.onWrite;
    this.#notesAt = options.notesAt ?? (() => new Map());
    this.#waitsForCommit = options.waitsForCommit ?? writer.commit !== undefined;
  }

  /** Notes where the output is before a run's first epoch, which is made durable as an epoch is. */
  async begin(epoch: Epoch): Promise<void> {
    const positions = await this.#writer.prepare(epoch, this.#notesAt(epoch));
    this.#hasPrepared(epoch, positions);
  }

  /** The snapshot of an epoch has been committed. Resolves when the output has followed. */
  async commit(epoch: Epoch): Promise<void> {
    if (!this.#waitsForCommit) return;
    if (this.#prepared !== null && this.#prepared <= epoch) {
      if (this.#writer.commit !== undefined) this.#commits.push(this.#prepared);
      this.#prepared = null;
    }
    this.#host.wake();
    while (this.#commits.length > 0 || this.#isEnding) {
      if (!this.#commitNext()) await this.#callOver();
    }
  }

  /**
   * Returns whether the output has other positions since its last commit, and nobody has asked yet.
   */
  takeSettled(): boolean {
    const hasSettled = this.#hasSettled;
    this.#hasSettled = false;
    return hasSettled;
  }

  /** Resolves when the calls in progress, if any, are over, well or not. */
  async settled(): Promise<void> {
    while (this.isBusy) await this.#callOver();
  }

  #callOver(): Promise<void> {
    return new Promise((resolve) => this.#onCallOver.push(resolve));
  }

  get isBusy(): boolean {
    return this.#isWriting || this.#isEnding;
  }

  /** What operators want to know of it. */
  get reading(): OutputReading {
    const transactions = this.#writer.openTransactions?.() ?? null;
    return { step: this.stepId, prepareMs: this.#prepareMs, transactions };
  }

  get queued(): number {
    return this.#input.items;
  }

  get waits(): Waits {
    return this.isBusy ? "calls" : null;
  }

  run(): boolean {
    if (this.#commitNext()) return true;
    if (this.#isWriting || this.#isEnding && !this.#writesAhead) return false;
    const message = this.#next();
    if (message === undefined) return false;
    if (isBatch(message)) this.#write(message);
    else if (isEpochEnd(message)) this.#prepare(message);
    return true;
  }

  wakeTime(): number {
    return Infinity;
  }

  get #writesAhead(): boolean {
    return this.#writer.writesAhead ?? false;
  }

  /** Begins to make an epoch visible, if one waits for that and may begin. */
  #commitNext(): boolean {
    if (this.#isEnding || this.#isWriting && !this.#writesAhead) return false;
    const epoch = this.#commits.shift();
    if (epoch === undefined) return false;
    this.#call("end", () => this.#writer.commit!(epoch), () => this.#hasCommitted(epoch));
    return true;
  }

  /** The next message that may be worked on; `undefined` if there is none yet. */
  #next(): Message | undefined {
    if (this.#ended) return undefined;
    const message = this.#held ?? this.#take();
    this.#held = null;
    if (message === undefined || isBatch(message) || !isEpochEnd(message)) return message;
    if (this.#prepared === null && !this.#isEnding) return message;
    this.#held = message; // `commit` wakes the loop
    return undefined;
  }

  #take(): Message | undefined {
    return this.#input.take(this.#isWaitedFor ? this.#callSize.items : this.#host.pace.items);
  }

  #write(batch: readonly unknown[]): void {
    const { pace } = this.#host;
    const items = batch.length;
    this.#onWrite(items, this.#epoch);
    pace.works(items);
    const began = this.#host.elapsed();
    this.#call("write", () => this.#writer.write(batch, this.#epoch), () => {
      if (!this.#isWaitedFor) return;
      this.#callSize.took(items, this.#host.elapsed() - began);
      this.#input.takesAtOnce(this.#callSize.ahead);
    });
    this.#isWaitedFor = this.#isWriting;
  }

  #prepare(control: EpochEnd): void {
    const epoch = this.#epoch++;
    if (control.kind === "end") this.#ended = true;
    const began = this.#host.elapsed();
    this.#call("end", () => this.#writer.prepare(epoch, this.#notesAt(epoch)), (positions) => {
      this.#prepareMs = this.#host.elapsed() - began;
      this.#hasPrepared(epoch, positions as Positions);
      if (control.kind === "end") this.#lastEpoch = epoch;
      if (control.kind === "end") this.#host.ended(this, control.stopped);
      else this.#host.passed(this);
    });
  }

  #hasPrepared(epoch: Epoch, positions: Positions): void {
    if (this.#waitsForCommit) this.#prepared = epoch;
    this.#host.journal?.recordPositions(epoch, this.stepId, "output", positions);
  }

  /** What its last commit has brought to its end leaves the snapshot. */
  #hasCommitted(epoch: Epoch): void {
    const { journal } = this.#host;
    if (epoch !== this.#lastEpoch || journal === null || !this.#writer.settled) return;
    journal.recordPositions(epoch, this.stepId, "output", this.#writer.settled());
    this.#hasSettled = true;
  }

  /** Calls the writer; waits only where it gives a promise. */
  #call(kind: "write" | "end", call: () => unknown, then: (result: unknown) => void): void {
    let pending: unknown;
    try {
      pending = call();
    } catch (thrown) {
      throw stepError(this, this.#host, thrown);
    }
    if (!(pending instanceof Promise)) {
      then(pending);
      return;
    }
    const inProgress = (isIt: boolean) => {
      if (kind === "write") this.#isWriting = isIt;
      else this.#isEnding = isIt;
    };
    inProgress(true);
    pending.then(
      (result) => {
        inProgress(false);
        try {
          then(result);
        } catch (thrown) {
          this.#host.fail(stepError(this, this.#host, thrown));
        }
        this.#host.wake();
      },
      (thrown) => {
        inProgress(false);
        this.#ended = true;
        this.#host.fail(stepError(this, this.#host, thrown));
      },
    ).finally(() => {
      for (const over of this.#onCallOver.splice(0)) over();
    });
  }
}
