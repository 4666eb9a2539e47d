/**
 * The life of a run, from loading the flow to the last commit, whatever its workers run in.
 *
 * ```text
 *   state       begins when                         the conductor then
 *   ─────────   ─────────────────────────────────   ──────────────────────────────────────────────
 *   loading     the run begins                      waits until all workers have the same flow
 *   planning    all have loaded it                  opens the recovery store, matches its steps,
 *                                                   has worker 0 share out the inputs
 *   opening     the inputs are shared out           has all open their outputs and inputs
 *   restoring   all have                            hands out stored keys, commits where all begins
 *   running     that is committed                   ends epochs, and commits them
 *   finishing   all workers have ended              commits the last epoch, has outputs show it,
 *                                                   commits what they say after that
 *   cutting     a stop has used up its time         asks what is left, but not for long
 *   finished    all are done; or all have said      has the workers leave
 *               what is left; or a stop came
 *               before anything was read
 *   failed      anything failed                     has the workers leave, and throws
 * ```
 *
 * `run_states.ts` has the moves between them as a diagram, and refuses all others.
 *
 * What ends a run comes from several sides: steps, the recovery store, a stop and its limit, a
 * process that is gone. The first that ends it counts. What workers say afterwards is not heard.
 *
 * @module
 */
import type { ConnectionReading } from "../../core/connection_reading.ts";
import type { Epoch, StepId, WorkerIndex } from "../../core/ids.ts";
import type { Log } from "../../core/log.ts";
import { preview } from "../../core/preview.ts";
import { within } from "../../core/promises.ts";
import type { PlaceRecovery } from "../../graph/contracts.ts";
import { RecoveryError } from "../../recovery/store.ts";
import { sumCounts } from "../counts.ts";
import { EpochCycle } from "../epochs.ts";
import { InputFailure } from "../input_failure.ts";
import { RunRecovery } from "../run_recovery.ts";
import { closeMilliseconds, cutShort, describeLeft, ReadSince, StopLimit } from "../stop_limit.ts";
import type { InputPlans } from "../worker_io.ts";
import type { Report, ReportOf } from "./messages.ts";
import type { ConductorSettings, RunObserver, RunResult } from "./run_settings.ts";
import { RunStates } from "./run_states.ts";
import { requireSameFlow } from "./same_flow.ts";
import { WorkerGroup, type WorkerPhase } from "./worker_group.ts";
import type { WorkerPort } from "./worker_port.ts";

/** Conducts one run: `run`, then always `close`. */
export class Conductor {
  readonly #settings: ConductorSettings;
  readonly #observer: RunObserver;
  readonly #log: Log;
  readonly #states = new RunStates();
  readonly #inputFailure: InputFailure;
  readonly #stopLimit: StopLimit;
  readonly #since: ReadSince;
  readonly #over: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #killed: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #opening = new AbortController(); // aborted when the run ends before anything is read
  #workers = new WorkerGroup([]);
  #recovery: RunRecovery | null = null;
  #epochs: EpochCycle | null = null; // once it is known which epoch begins
  #starting: Promise<void> = Promise.resolve(); // what the conductor itself does before it runs
  #committing: Promise<unknown> = Promise.resolve();
  #lastEpoch: Epoch = 0;
  #cut: PromiseWithResolvers<void> | null = null; // resolves when all have said what they leave
  #isAskedToStop = false;
  #isStopping = false; // for that, or because an input has failed
  #stopped = false;
  #hasRun = false;
  #hurryMs: number | null = null; // how long each thing that is left may take, if somebody waits

  /** Begins nothing yet. */
  constructor(settings: ConductorSettings, observer: RunObserver = {}) {
    const { clock, log, stopMs } = settings;
    this.#settings = settings;
    this.#observer = observer;
    this.#log = log;
    this.#since = new ReadSince(clock);
    this.#over.promise.catch(() => {}); // it may be rejected before `run` comes to await it
    this.#inputFailure = new InputFailure({
      clock,
      log,
      stop: () => this.#stop(),
      fail: (error) => this.fail(error),
    });
    this.#stopLimit = new StopLimit(stopMs, clock, {
      giveUp: () => this.#workers.broadcast({ kind: "giveUp" }),
      end: () => this.#guard(this.#cutShort()),
    });
  }

  /** Whether somebody has asked the run to stop. */
  get isAskedToStop(): boolean {
    return this.#isAskedToStop;
  }

  /** Whether the run has come to its end, well or not. */
  get isOver(): boolean {
    return this.#states.isOver;
  }

  /**
   * Runs the flow on workers. Returns when they have left, or have had their time for it.
   *
   * @throws {Error} What made the run fail.
   */
  async run(ports: readonly WorkerPort[]): Promise<RunResult> {
    this.#workers = new WorkerGroup(ports);
    for (const port of ports) {
      if (this.isOver) port.abort();
      else port.start((report) => this.#take(port.index, report));
    }
    const { done, failed } = this.#settings.leaveMs;
    try {
      await this.#over.promise;
      await this.#leave(done);
      const known = this.#hasRun ? ports.map(({ status }) => status?.steps) : [];
      const steps = sumCounts(known.filter((each) => each !== undefined));
      return { steps, stopped: this.#stopped };
    } catch (error) {
      await this.#leave(failed);
      throw error;
    }
  }

  /** The connections of the recovery store. */
  get storeConnections(): readonly ConnectionReading[] {
    return this.#recovery?.connections ?? [];
  }

  /** Frees the recovery store. Afterwards nothing of the run is left here. */
  async close(): Promise<void> {
    const closed = this.#closeRecovery();
    if (this.#hurryMs === null) await closed;
    else await within(closed, this.#hurryMs);
  }

  /**
   * Refuses a flow that could not go on with what this run would leave behind now. Before items
   * move, every flow is accepted.
   *
   * @param next What the workers of that flow have loaded.
   * @param keyed The steps of this run that have keys now.
   * @throws {RecoveryError} If it could not.
   */
  refuseMisfit(next: ReportOf<"loaded">, keyed: readonly StepId[]): void {
    if (!this.#hasRun) return;
    const [{ flow }] = this.#workers.loaded;
    if (next.flow !== flow) {
      throw new RecoveryError(
        `the flow is called ${JSON.stringify(next.flow)} now, and what is kept belongs to ` +
          `${JSON.stringify(flow)}: leave it its name, or start the command again`,
      );
    }
    this.#recovery!.foresee(next.stored, keyed, this.#settings.stepChanges);
  }

  /** Stops the run gracefully. */
  stop(): void {
    this.#isAskedToStop = true;
    this.#stop();
  }

  #stop(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#observer.stopping?.();
    if (this.isOver) return;
    if (this.#states.isStarting) return this.#endEarly();
    this.#stopLimit.start();
    this.#workers.broadcast({ kind: "stop" });
  }

  /** Stops the run at once: it fails. */
  kill(): void {
    this.#hurryMs = this.#settings.leaveMs.killed;
    this.fail(new Error("the run was stopped at once"));
    this.#killed.resolve();
  }

  /** Ends the run with an error, unless it is over already. */
  fail(error: unknown): void {
    if (this.isOver) return;
    this.#end("failed");
    this.#over.reject(this.#inputFailure.error ?? error);
    this.#workers.abort();
  }

  /** Nothing has been read yet: a stop need not wait for what is being opened. */
  #endEarly(): void {
    this.#stopped = true;
    this.#hurryMs ??= this.#settings.leaveMs.early;
    this.#finished();
    this.#workers.abort();
  }

  #take(index: WorkerIndex, report: Report): void {
    if (this.isOver) return;
    try {
      this.#onReport(index, report);
    } catch (error) {
      this.fail(error);
    }
  }

  #onReport(index: WorkerIndex, report: Report): void {
    switch (report.kind) {
      case "loaded":
        this.#workers.hasLoaded(index, report);
        return this.#reached(index, "loaded", () => this.#begin(this.#plan()));
      case "planned":
        return this.#open(report.plans);
      case "opened":
        this.#recovery!.recordPositions(index, this.#recovery!.epoch - 1, report.positions);
        return this.#reached(index, "opened", () => this.#begin(this.#restore()));
      case "stateChanged":
        return this.#recovery!.stateChanged(report.epoch, report.chunk);
      case "epochClosed":
        this.#recovery!.recordPositions(index, report.epoch, report.positions);
        return this.#epochs!.acknowledge(index, report.epoch);
      case "stopRequested":
        return this.stop();
      case "gaveUp":
        return this.#guard(this.#cutShort());
      case "left":
        this.#workers.leaves(index, report.steps);
        return this.#answered();
      case "inputFailed":
        return this.#inputFailure.occurred(report.error);
      case "ended":
        this.#stopped ||= report.stopped;
        this.#lastEpoch = Math.max(this.#lastEpoch, report.epoch);
        this.#recovery!.recordPositions(index, report.epoch, report.positions);
        this.#epochs!.ended(index);
        return this.#reached(index, "ended", () => this.#guard(this.#finish()));
      case "settled":
        return this.#recovery!.recordSettled(index, report.epoch, report.positions);
      case "finished":
        this.#reached(index, "finished", () => this.#guard(this.#settle()));
        return this.#answered();
      case "failed":
        return this.fail(report.error);
      default: {
        const { kind }: { kind: string } = report satisfies never;
        throw new Error(`worker ${index} sent a message of an unknown kind: ${preview(kind)}`);
      }
    }
  }

  /** A worker has come to a phase; `all` is called when the last one has. */
  #reached(index: WorkerIndex, phase: WorkerPhase, all: () => void): void {
    if (this.#workers.reaches(index, phase)) all();
  }

  async #plan(): Promise<void> {
    const { loaded } = this.#workers;
    const [first] = loaded;
    requireSameFlow(loaded.map(({ steps }, worker) => ({ worker, steps })));
    this.#states.moveTo("planning");
    const turn = this.#observer.loaded?.(first);
    if (turn !== undefined) {
      await turn;
      if (this.isOver) return;
    }
    const { recovery: config, stepChanges, intervalMs, clock } = this.#settings;
    const { signal } = this.#opening;
    const recovery = await RunRecovery.open(config, first.flow, this.#log, signal);
    if (this.isOver) return await recovery.close(); // it took too long to open
    this.#recovery = recovery;
    await recovery.match(first.stored, stepChanges);
    if (this.isOver) return;
    this.#epochs = new EpochCycle({
      trigger: (epoch) => {
        this.#since.trigger();
        this.#observer.closing?.(epoch);
        this.#workers.broadcast({ kind: "closeEpoch", epoch });
      },
      stillClosing: (epoch, workers, ms) => {
        for (const index of workers) {
          this.#workers.port(index).send({ kind: "stillClosing", epoch, ms });
        }
      },
      commit: (epoch) => this.#commit(epoch),
    }, { workers: this.#workers.size, intervalMs, clock, epoch: recovery.epoch });
    this.#workers.port(0).send({
      kind: "plan",
      positions: recovery.positions,
      recovery: this.#placeRecovery,
    });
  }

  #open(plans: InputPlans): void {
    this.#states.moveTo("opening");
    const { epoch, positions, numbering: snapshots } = this.#recovery!;
    const recovery = this.#placeRecovery;
    this.#workers.broadcast({ kind: "open", epoch, plans, positions, snapshots, recovery });
  }

  get #placeRecovery(): PlaceRecovery | null {
    const { recovery, intervalMs } = this.#settings;
    return recovery && { intervalMs };
  }

  async #restore(): Promise<void> {
    this.#states.moveTo("restoring");
    await this.#observer.opened?.();
    const recovery = this.#recovery!;
    const { keyed } = this.#workers.loaded[0].stored;
    for await (const { worker, step, keys } of recovery.state(keyed, this.#workers.size)) {
      if (this.isOver) return;
      const port = this.#workers.port(worker);
      port.send({ kind: "state", step, keys });
      await port.flushed(); // no more than a chunk waits in memory
    }
    // Before anything is read or written: whatever a run leaves behind, the next one knows of it.
    await this.#commit(recovery.epoch - 1);
    if (this.isOver) return;
    this.#states.moveTo("running");
    this.#observer.running?.(recovery.epoch);
    this.#hasRun = true;
    this.#since.begin();
    this.#epochs!.start();
    this.#workers.broadcast({ kind: "run" });
  }

  /** Writes an epoch that all workers have closed, and has their outputs make it visible. */
  #commit(epoch: Epoch): Promise<void> {
    return this.#committing = this.#recovery!.commit(epoch).then(
      (cost) => {
        this.#since.commit();
        if (this.#hasRun) this.#observer.committed?.(epoch, cost);
        if (!this.isOver) this.#workers.broadcast({ kind: "commitEpoch", epoch });
      },
      (error) => this.fail(error),
    );
  }

  /** All workers are at their end: what they ended with is written, and they may leave. */
  async #finish(): Promise<void> {
    if (this.#cut !== null) return; // they leave already
    this.#states.moveTo("finishing");
    await this.#committing;
    const epoch = this.#lastEpoch;
    await (this.#committing = this.#recovery!.commit(epoch));
    if (!this.isOver) this.#workers.broadcast({ kind: "finish", epoch });
  }

  /**
   * All that was written is visible. What outputs have to say after that is written too: the last
   * epoch once more, with other positions.
   */
  async #settle(): Promise<void> {
    const { error } = this.#inputFailure;
    if (error !== null) return this.fail(error);
    if (this.#recovery!.hasSettled) {
      await (this.#committing = this.#recovery!.commit(this.#lastEpoch));
      if (this.isOver) return;
    }
    this.#finished();
  }

  /**
   * A graceful stop has used up its time, or cannot be completed: the run ends at the last
   * committed epoch.
   */
  async #cutShort(): Promise<void> {
    if (this.isOver || this.#cut !== null) return;
    this.#states.moveTo("cutting");
    const { stopMs, outlivesRun = () => true } = this.#settings;
    const hurryMs = this.#hurryMs ??= closeMilliseconds(stopMs) / 2;
    this.#cut = Promise.withResolvers();
    this.#workers.broadcast({ kind: "cutShort" });
    this.#answered(); // all may have finished, and the store is at work
    // A worker in a loop without end does not answer.
    await within(this.#cut.promise, hurryMs);
    if (this.isOver) return;
    const left = describeLeft(this.#workers.left);
    this.#stopped = true;
    const epoch = outlivesRun() ? this.#recovery?.committed ?? null : null;
    const error = cutShort({ stopMs, left, epoch, since: this.#since.at }, this.#log);
    if (error !== null) return this.fail(error);
    this.#end("finished");
    this.#over.resolve();
  }

  /** A worker may be the last one to say what it leaves. */
  #answered(): void {
    if (this.#workers.haveAnswered) this.#cut?.resolve();
  }

  #finished(): void {
    this.#end("finished");
    this.#observer.finished?.(this.#stopped);
    this.#over.resolve();
  }

  /** The run is over: its clocks stand still. */
  #end(state: "finished" | "failed"): void {
    if (this.#states.isStarting) this.#opening.abort();
    this.#states.moveTo(state);
    this.#stopLimit.clear();
    this.#inputFailure.close();
    this.#epochs?.stop();
    this.#cut?.resolve();
  }

  /** Does some work; what goes wrong in it ends the run. */
  #guard(work: Promise<void>): void {
    work.catch((error) => this.fail(error));
  }

  /** The same, for what comes before the run. */
  #begin(work: Promise<void>): void {
    this.#starting = work.catch((error) => this.fail(error));
  }

  /** Lets the workers leave by themselves, which they do when done and after a failure. */
  async #leave(ms: number | null): Promise<void> {
    const { gone } = this.#workers;
    await withinOrEver(Promise.race([gone, this.#killed.promise]), this.#hurryMs ?? ms);
  }

  async #closeRecovery(): Promise<void> {
    await withinOrEver(this.#starting, this.#settings.leaveMs.failed);
    await this.#committing.catch(() => {}); // not to close in the middle; the run has failed by it
    await this.#recovery?.close();
  }
}

/** Waits for `work`, but no longer than `ms`, where that is a number. */
async function withinOrEver(work: Promise<unknown>, ms: number | null): Promise<void> {
  await (ms === null ? work : within(work, ms));
}
