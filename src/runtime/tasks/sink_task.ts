import type { Epoch, StepId } from "../../core/ids.ts";
import type { OutputWriter, Positions } from "../../graph/contracts.ts";
import { CallSize } from "../call_size.ts";
import { type Channel, type EpochEnd, isBatch, isEpochEnd, type Message } from "../channel.ts";
import { stepError } from "../step_error.ts";
import type { Task, TaskHost } from "./task.ts";

/**
 * Writes an output, one call at a time. What comes meanwhile waits in the channel. A call that is
 * waited for gets as many items as it can write soon, of several batches if need be.
 */
export class SinkTask implements Task {
  readonly stepId: StepId;
  readonly #writer: OutputWriter<unknown>;
  readonly #input: Channel;
  readonly #host: TaskHost;
  readonly #onWrite: (items: number) => void;
  readonly #commits: Epoch[] = []; // epochs to be made visible, once no call is in progress
  readonly #callSize = new CallSize();
  #epoch: Epoch;
  #isWaitedFor = false; // whether the last call with items gave a promise
  #busy = false;
  #ended = false;
  readonly #prepared: Epoch[] = []; // epochs whose snapshot has not been committed yet
  #onSettled: (() => void)[] = []; // called when no call is in progress any more

  /** `epoch` is the one that the run starts in; `onWrite` is told how many items were written. */
  constructor(
    stepId: StepId,
    writer: OutputWriter<unknown>,
    input: Channel,
    host: TaskHost,
    options: { epoch: Epoch; onWrite: (items: number) => void },
  ) {
    this.stepId = stepId;
    this.#writer = writer;
    this.#input = input;
    this.#host = host;
    this.#epoch = options.epoch;
    this.#onWrite = options.onWrite;
  }

  /** Notes where the output is before a run's first epoch, which is made durable as an epoch is. */
  async begin(epoch: Epoch): Promise<void> {
    const positions = await this.#writer.prepare(epoch);
    if (this.#writer.commit !== undefined) this.#prepared.push(epoch);
    this.#host.journal?.recordPositions(epoch, this.stepId, "output", positions);
  }

  /** The snapshot of an epoch has been committed. Resolves when the output has followed. */
  async commit(epoch: Epoch): Promise<void> {
    if (this.#writer.commit === undefined) return;
    while (this.#prepared.length > 0 && this.#prepared[0] <= epoch) {
      this.#commits.push(this.#prepared.shift()!);
    }
    this.#host.wake();
    while (this.#commits.length > 0 || this.#busy) {
      if (!this.#busy) this.run();
      else await this.settled();
    }
  }

  /** Resolves when the call in progress, if any, is over, well or not. */
  settled(): Promise<void> {
    if (!this.#busy) return Promise.resolve();
    return new Promise((resolve) => this.#onSettled.push(resolve));
  }

  get isBusy(): boolean {
    return this.#busy;
  }

  run(): boolean {
    if (this.#busy) return false;
    const epoch = this.#commits.shift();
    if (epoch !== undefined) {
      this.#call(() => this.#writer.commit!(epoch), () => {});
      return true;
    }
    const message = this.#ended ? undefined : this.#take();
    if (message === undefined) return false;
    if (isBatch(message)) this.#write(message);
    else if (isEpochEnd(message)) this.#prepare(message);
    return true;
  }

  wakeTime(): number {
    return Infinity;
  }

  #take(): Message | undefined {
    return this.#input.take(this.#isWaitedFor ? this.#callSize.items : this.#host.pace.items);
  }

  #write(batch: readonly unknown[]): void {
    const { pace } = this.#host;
    const items = batch.length;
    this.#onWrite(items);
    pace.works(items);
    // The time of the round is known without a look at the clock. Most calls are not waited for.
    const started = this.#isWaitedFor ? performance.now() : pace.now;
    this.#call(() => this.#writer.write(batch, this.#epoch), () => {
      if (!this.#isWaitedFor) return;
      this.#callSize.took(items, performance.now() - started);
      this.#input.takesAtOnce(this.#callSize.ahead);
    });
    this.#isWaitedFor = this.#busy;
  }

  #prepare(control: EpochEnd): void {
    const epoch = this.#epoch++;
    if (control.kind === "end") this.#ended = true;
    this.#call(() => this.#writer.prepare(epoch), (positions) => {
      if (this.#writer.commit !== undefined) this.#prepared.push(epoch);
      this.#host.journal?.recordPositions(epoch, this.stepId, "output", positions as Positions);
      if (control.kind === "end") this.#host.ended(this, control.stopped);
      else this.#host.passed(this);
    });
  }

  /** Calls the writer; waits only where it gives a promise. */
  #call(call: () => unknown, then: (result: unknown) => void): void {
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
    this.#busy = true;
    pending.then(
      (result) => {
        this.#busy = false;
        try {
          then(result);
        } catch (thrown) {
          this.#host.fail(stepError(this, this.#host, thrown));
        }
        this.#host.wake();
      },
      (thrown) => {
        this.#busy = false;
        this.#ended = true;
        this.#host.fail(stepError(this, this.#host, thrown));
      },
    ).finally(() => {
      for (const settled of this.#onSettled.splice(0)) settled();
    });
  }
}
