/**
 * One run of a flow in this process, from opening it to closing it.
 *
 * @module
 */
import type { Clock } from "../core/clock.ts";
import type { Epoch } from "../core/ids.ts";
import type { Log } from "../core/log.ts";
import { within } from "../core/promises.ts";
import type { FlowGraph } from "../graph/graph.ts";
import type { RecoveryConfig } from "../recovery/store.ts";
import type { StepCounts } from "./counts.ts";
import { EpochCoordinator } from "./epochs.ts";
import { InputFailure } from "./input_failure.ts";
import { RunRecovery } from "./run_recovery.ts";
import type { StepChanges } from "./step_changes.ts";
import { storedStepsOf } from "./stored_steps.ts";
import { closeMilliseconds, cutShort, describeLeft, ReadSince, StopLimit } from "./stop_limit.ts";
import { Worker } from "./worker.ts";

/** What came of a run. */
export interface RunResult {
  /**
   * Items in and out of each step, in the order the steps were written. Empty where the run was stopped
   * before its flow had been opened.
   */
  readonly steps: readonly StepCounts[];
  /** Whether it was stopped before its inputs ended. */
  readonly stopped: boolean;
}

/** How a {@linkcode LocalRun} runs. */
export interface LocalRunSettings {
  readonly recovery: RecoveryConfig | null;
  readonly log: Log;
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly stepChanges: StepChanges;
  /** How long a graceful stop may take, in milliseconds. */
  readonly stopMs: number;
}

/** Runs a flow as one worker. */
export class LocalRun {
  readonly #graph: FlowGraph;
  readonly #settings: LocalRunSettings;
  readonly #inputFailure: InputFailure;
  readonly #stopLimit: StopLimit;
  readonly #since: ReadSince;
  readonly #cut: PromiseWithResolvers<RunResult> = Promise.withResolvers(); // a stop took too long
  #recovery: RunRecovery | null = null;
  #worker: Worker | null = null;
  #epochs: EpochCoordinator | null = null;
  #committing: Promise<void> = Promise.resolve();
  readonly #opening = new AbortController(); // aborted by a stop before anything is read
  #isCut = false;

  /** Opens nothing yet. */
  constructor(graph: FlowGraph, settings: LocalRunSettings) {
    const { log, clock, stopMs } = settings;
    this.#graph = graph;
    this.#settings = settings;
    this.#since = new ReadSince(clock);
    this.#inputFailure = new InputFailure({
      clock,
      log,
      stop: () => this.stop(),
      fail: (error) => this.#fail(error),
    });
    this.#stopLimit = new StopLimit(stopMs, clock, {
      giveUp: () => this.#worker?.giveUp(),
      end: () => this.#cutShort(),
    });
  }

  /**
   * Runs the flow to its end, or until a graceful stop is done.
   *
   * @throws {Error} What made it fail.
   */
  async run(): Promise<RunResult> {
    const whole = this.#whole();
    try {
      return await Promise.race([whole, this.#cut.promise]);
    } finally {
      // Of a run that was cut short, something may never come to its end.
      const closeMs = closeMilliseconds(this.#settings.stopMs) / 2;
      if (!await within(whole.catch(() => {}), closeMs) && this.#recovery !== null) {
        await within(this.#recovery.close(), closeMs);
      }
    }
  }

  /** Stops the run gracefully. */
  stop(): void {
    if (this.#since.at === null) return this.#endEarly();
    this.#stopLimit.start();
    this.#worker?.stop();
  }

  /** Nothing has been read yet: a stop need not wait for what is being opened. */
  #endEarly(): void {
    if (this.#isCut) return;
    this.#isCut = true;
    this.#opening.abort();
    this.#fail(new Error("the run is over")); // what is being opened ends
    this.#cut.resolve({ steps: this.#worker?.counts() ?? [], stopped: true });
  }

  async #whole(): Promise<RunResult> {
    const { recovery: config, log, stepChanges } = this.#settings;
    try {
      const recovery = this.#recovery = await RunRecovery.open(
        config,
        this.#graph.name,
        log,
        this.#opening.signal,
      );
      if (this.#isCut) throw new Error("the run is over");
      const worker = this.#worker = this.#workerOver(recovery);
      const epochs = this.#epochs = this.#epochsOf(worker, recovery);
      await recovery.match(storedStepsOf(this.#graph), stepChanges);
      const { positions, numbering: snapshots, epoch } = recovery;
      const plans = await worker.plan(positions);
      await worker.open({ epoch, plans, positions, snapshots, mesh: null });
      for await (const { step, keys } of recovery.state(storedStepsOf(this.#graph).keyed, 1)) {
        worker.restore(step, keys);
      }
      recovery.moved(0, epoch - 1, worker.positionsAt(epoch - 1));
      await recovery.commit(epoch - 1);
      await worker.commit(epoch - 1);
      this.#since.begin();
      epochs.start();
      await worker.run();
      epochs.ended(0);
      await this.#committing;
      const last = worker.finalPositions();
      recovery.moved(0, last.epoch, last.positions);
      await recovery.commit(last.epoch);
      await worker.commit(last.epoch);
      if (this.#inputFailure.error !== null) throw this.#inputFailure.error;
      return { steps: worker.counts(), stopped: worker.stopped };
    } catch (error) {
      throw this.#inputFailure.error ?? error;
    } finally {
      this.#stopLimit.clear();
      this.#inputFailure.close();
      this.#epochs?.stop();
      await this.#worker?.close();
      await this.#recovery?.close();
    }
  }

  #workerOver(recovery: RunRecovery): Worker {
    const { clock, log } = this.#settings;
    return new Worker(this.#graph, { index: 0, count: 1, clock, log }, {
      stateChanged: (epoch, chunk) => recovery.stateChanged(epoch, chunk),
      epochClosed: (epoch, positions) => {
        recovery.moved(0, epoch, positions);
        this.#epochs!.closed(0, epoch);
      },
      stopRequested: () => this.stop(),
      inputFailed: (error) => this.#inputFailure.occurred(error),
      gaveUp: () => this.#cutShort(),
    });
  }

  #epochsOf(worker: Worker, recovery: RunRecovery): EpochCoordinator {
    const { clock, intervalMs } = this.#settings;
    const fail = (error: unknown) => this.#fail(error);
    const commit = (epoch: Epoch): Promise<void> =>
      this.#committing = recovery.commit(epoch).then(() => {
        this.#since.commitEpoch();
        void worker.commit(epoch).catch(fail);
      }, fail);
    return new EpochCoordinator({
      closeEpoch: (epoch) => {
        this.#since.closeEpoch();
        worker.closeEpoch(epoch);
      },
      commitEpoch: commit,
      stillClosing: (epoch, _workers, ms) => worker.stillClosing(epoch, ms),
    }, { workers: 1, intervalMs, clock, epoch: recovery.epoch });
  }

  #fail(error: unknown): void {
    this.#worker?.fail(error);
  }

  /** A graceful stop has used up its time, or cannot be completed. */
  #cutShort(): void {
    if (this.#isCut) return;
    this.#isCut = true;
    const { stopMs, log } = this.#settings;
    const left = describeLeft([{ worker: 0, left: this.#left() }]);
    const epoch = this.#recovery?.committed ?? null;
    const error = cutShort({ stopMs, left, epoch, since: this.#since.at }, log);
    const result = { steps: this.#worker?.counts() ?? [], stopped: true };
    this.#fail(new Error("the run is over")); // its loop stops
    if (error === null) this.#cut.resolve(result);
    else this.#cut.reject(this.#inputFailure.error ?? error);
  }

  #left() {
    if (this.#since.at !== null) return this.#worker!.left;
    return this.#recovery === null
      ? "the recovery store was still being opened"
      : "inputs and outputs were still being opened";
  }
}
