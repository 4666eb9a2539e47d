/**
 * Follows the worker processes of a run (`worker_processes.ts`), and tells monitor, telemetry and
 * log how it goes. What the run does is decided by its conductor (`../run/conductor.ts`).
 *
 * It touches no item and never loads the flow file. User code runs in workers only, so that it
 * cannot block the process that watches it.
 *
 * @module
 */
import { systemClock } from "../../core/clock.ts";
import type { StepId } from "../../core/ids.ts";
import { isAtLeast, type Log } from "../../core/log.ts";
import { Conductor } from "../run/conductor.ts";
import type { ReportOf } from "../run/messages.ts";
import type { LeaveTimes } from "../run/run_settings.ts";
import { FAILED, setExitCode } from "./exit_code.ts";
import type { ClusterResult, Job } from "./job.ts";
import { Liveness, stateOfProcess } from "./liveness.ts";
import { LoadingLog } from "./loading_log.ts";
import type { RemoteWorker } from "./remote_worker.ts";
import type { MonitoredWorker } from "./run_monitor.ts";
import { itemsOf, runStatusOf } from "./run_status.ts";
import { WorkerLog } from "./worker_log.ts";
import { WorkerProcesses } from "./worker_processes.ts";

/** How long workers get to leave by themselves, in milliseconds. */
const LEAVE_MS: LeaveTimes = {
  done: 10_000,
  failed: 4_000, // the whole is to be over within ten seconds
  early: 2_000,
  killed: 1_000,
};

/** How a run begins. */
export interface CoordinatorOptions {
  /**
   * Whether the run waits, once all workers have loaded the flow, until `begin` is called. Until
   * then it touches no store, input or output, and the monitor shows another run.
   *
   * @default {false}
   */
  readonly waits?: boolean;
}

/** One run on worker processes. */
export class Coordinator {
  readonly #job: Job;
  readonly #log: Log;
  readonly #conductor: Conductor;
  readonly #liveness: Liveness;
  readonly #loading: LoadingLog;
  readonly #workerLog: WorkerLog;
  readonly #waits: boolean;
  readonly #loaded: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #turn: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #processes: WorkerProcesses;
  #flow: ReportOf<"loaded"> | null = null; // what the workers have loaded
  #hasBegun = false;
  #hasFinished = false;

  /** Starts nothing yet. */
  constructor(job: Job, { waits = false }: CoordinatorOptions = {}) {
    const { log, workers, monitor, telemetry } = job;
    this.#job = job;
    this.#waits = waits;
    this.#loaded.promise.catch(() => {}); // few ask
    this.#log = log;
    this.#conductor = new Conductor({ ...job, clock: systemClock, leaveMs: LEAVE_MS }, {
      loaded: async (report) => {
        this.#flow = report;
        this.#loading.stop();
        this.#loaded.resolve();
        if (waits) await this.#turn.promise;
        if (!this.#conductor.isOver) this.#begins(report);
      },
      opened: () => this.#processes.met(),
      running: (epoch) => {
        job.onRunning();
        monitor?.runs(epoch);
        telemetry?.runs(epoch);
        log.info("flow running", { workers });
      },
      closing: () => {
        monitor?.closes();
        telemetry?.closes();
      },
      committed: (epoch, cost) => {
        monitor?.committed(epoch, cost);
        telemetry?.committed(epoch);
      },
      stopping: () => {
        log.info("stopping");
        monitor?.stops();
      },
      finished: () => {
        this.#hasFinished = true;
        monitor?.ends();
        telemetry?.finished();
      },
    });
    this.#processes = this.#processesOf(job);
    this.#liveness = new Liveness(workers, {
      ping: (worker) => this.#workers[worker].ping(),
      stateOf: (worker) => stateOfProcess(this.#workers[worker].pid),
      onStopped: (worker) => this.#onFrozen(this.#workers[worker]),
    }, { clock: systemClock, log });
    this.#loading = new LoadingLog(
      job.moduleUrl,
      () => this.#workers.filter(({ hasLoaded }) => !hasLoaded).map(({ index }) => index),
      { clock: systemClock, log },
    );
    this.#workerLog = new WorkerLog(workers, {
      clock: systemClock,
      write: (level, message, fields) => {
        if (isAtLeast(level, job.logLevel)) log[level](message, fields);
        else monitor?.log.keep(level, message, fields);
      },
    });
  }

  /**
   * Runs the job.
   *
   * @throws {Error} What made it fail.
   */
  async run(): Promise<ClusterResult> {
    try {
      if (!this.#waits) this.#showMonitor();
      this.#processes.start((error) => this.#conductor.fail(error));
      this.#liveness.start();
      this.#loading.start();
      const result = await this.#conductor.run(this.#workers);
      const { stopped, steps } = result;
      this.#workerLog.flush();
      if (this.#hasFinished) this.#log.info("flow finished", { stopped, ...itemsOf(steps) });
      const codes = this.#workers.map((worker) => worker.exitCode);
      return { ...result, exitCode: codes.find((code) => code !== 0) ?? 0 };
    } catch (error) {
      const codes = this.#workers.map((worker) => worker.exitCodeOfFailure);
      setExitCode(error, codes.find((code) => code > FAILED) ?? FAILED);
      this.#loaded.reject(error);
      throw error;
    } finally {
      this.#loaded.reject(new Error("the run was stopped before its flow was loaded"));
      this.#turn.resolve(); // it is over: nothing waits for its turn
      this.#job.telemetry?.sample();
      this.#liveness.stop();
      this.#loading.stop();
      await this.#processes.close();
      this.#workerLog.flush();
      await this.#conductor.close();
    }
  }

  /** Whether all workers have loaded the flow, and the run does not wait, or no longer. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** Whether the run is still to wait for its turn. */
  get isWaiting(): boolean {
    return this.#waits && !this.#hasBegun;
  }

  /** Resolves when all workers have loaded the flow. Rejects if the run fails before. */
  get loaded(): Promise<void> {
    return this.#loaded.promise;
  }

  /** Lets a run that waits go on. */
  begin(): void {
    this.#showMonitor();
    this.#turn.resolve();
  }

  /**
   * Refuses another run's flow if it could not go on with what this run would leave behind now.
   *
   * @param next Its workers have loaded the flow.
   * @throws {RecoveryError} If it could not.
   */
  async refuseMisfit(next: Coordinator): Promise<void> {
    const keyed = await this.#keyedNow().catch(() => null);
    if (keyed === null || next.#flow === null) return; // this run ends: the next one will see
    this.#conductor.refuseMisfit(next.#flow, keyed);
  }

  /** Returns the steps that have keys now. */
  async #keyedNow(): Promise<StepId[]> {
    const answers = await Promise.all(this.#workers.map((worker) => worker.ask({ kind: "steps" })));
    return answers.flatMap(({ steps }) => steps).filter(({ keys }) => keys > 0)
      .map(({ step }) => step);
  }

  get #workers(): readonly RemoteWorker[] {
    return this.#processes.all;
  }

  #showMonitor(): void {
    this.#job.monitor?.begins(
      () => this.#monitored(),
      async (worker, question) => await this.#workers[worker].ask(question),
      () => this.#conductor.storeConnections,
    );
    this.#job.telemetry?.begins();
  }

  #begins({ flow, written }: ReportOf<"loaded">): void {
    this.#hasBegun = true;
    this.#job.monitor?.loaded(this.#workers[0].flow!);
    this.#job.telemetry?.loaded(flow);
    this.#log.info("flow loaded", { flow, steps: written });
  }

  /** Whether somebody has asked the run to stop. */
  get isAskedToStop(): boolean {
    return this.#conductor.isAskedToStop;
  }

  /** Stops the run gracefully. */
  stop(): void {
    this.#conductor.stop();
  }

  /** Stops the run at once: it fails. */
  kill(): void {
    this.#conductor.kill();
  }

  #processesOf(job: Job): WorkerProcesses {
    const { moduleUrl, exportName, logLevel, statusMs, onStatus, workers } = job;
    const { monitor, telemetry } = job;
    const environmentOf = (worker: number) => telemetry?.environmentOf(worker) ?? {};
    return new WorkerProcesses({ ...job, environmentOf }, {
      workers,
      moduleUrl,
      exportName,
      logLevel: monitor?.log.lesser(logLevel) ?? logLevel,
      statusMs,
      heard: (worker) => this.#liveness.heard(worker),
      onStatus: () => {
        monitor?.onStatus();
        onStatus(runStatusOf(this.#workers.map(({ status }) => status)));
      },
      onTraces: (epoch, traces) => telemetry?.seen(epoch, traces),
      onLine: (worker, line) => this.#workerLog.accept(worker, line),
    });
  }

  #monitored(): MonitoredWorker[] {
    return this.#workers.map(({ index, status, memory, readings, measured }) => ({
      status,
      memory,
      readings,
      measured,
      unanswered: this.#liveness.unanswered(index),
    }));
  }

  #onFrozen(worker: RemoteWorker): void {
    worker.kill(); // it cannot leave by itself
    this.#conductor.fail(
      new Error(
        `worker ${worker.index} (process ${worker.pid}) does not answer: its process has been ` +
          `stopped, as by SIGSTOP or a debugger`,
      ),
    );
  }
}
