/**
 * Starts worker processes, follows them through a run, and sees to it that nothing is left of them.
 * What the run does is decided by its conductor (`../run/conductor.ts`).
 *
 * It touches no item and never loads the flow file. User code runs in workers only, so that it
 * cannot block the process that watches it.
 *
 * @module
 */
import { systemClock } from "../../core/clock.ts";
import type { StepId } from "../../core/ids.ts";
import { isAtLeast, type Log, type LogLevel } from "../../core/log.ts";
import type { RecoveryConfig } from "../../recovery/store.ts";
import { Conductor } from "../run/conductor.ts";
import type { ReportOf } from "../run/messages.ts";
import type { LeaveTimes, RunResult } from "../run/run_settings.ts";
import type { StepChanges } from "../step_changes.ts";
import { FAILED, setExitCode } from "./exit_code.ts";
import { createKey } from "./handshake.ts";
import { ControlListener } from "./listener.ts";
import { Liveness, stateOfProcess } from "./liveness.ts";
import { LoadingLog } from "./loading_log.ts";
import type { MeshAddresses } from "./protocol.ts";
import { type RemoteHost, RemoteWorker } from "./remote_worker.ts";
import type { MonitoredWorker, RunMonitor } from "./run_monitor.ts";
import { itemsOf, type RunStatus, runStatusOf } from "./run_status.ts";
import { makeFolder, removeFolder, type RunFolder } from "./socket_folder.ts";
import { type OutputTaps, spawnWorker } from "./spawn.ts";
import type { Telemetry } from "./telemetry.ts";
import { WorkerLog } from "./worker_log.ts";

/** The result of a run on worker processes. */
export interface ClusterResult extends RunResult {
  /**
   * What the flow has set as `Deno.exitCode` or `process.exitCode`: that of the first worker where
   * it is not 0, else 0.
   */
  readonly exitCode: number;
}

/** What a coordinator runs, and how. */
export interface Job {
  readonly moduleUrl: string;
  readonly exportName: string | null;
  readonly args: readonly string[];
  readonly workers: number;
  /** Deno's flags for the workers, given the run's folder. */
  readonly flags: (folder: string | null) => readonly string[];
  readonly intervalMs: number;
  readonly log: Log;
  readonly logLevel: LogLevel;
  /** How often workers say how far they are, in milliseconds. */
  readonly statusMs: number;
  readonly onStatus: (status: RunStatus) => void;
  /** Called when the flow begins to run. */
  readonly onRunning: () => void;
  /** Notes what happens, for the operations port and telemetry; `null` where there is neither. */
  readonly monitor: RunMonitor | null;
  /** Exports it; `null` where nothing is exported. */
  readonly telemetry: Telemetry | null;
  readonly recovery: RecoveryConfig | null;
  /** Returns whether a later run can continue from that store; absent: it can. */
  readonly outlivesRun?: () => boolean;
  readonly stepChanges: StepChanges;
  /** The flow, after those that the processes above this one run. */
  readonly running: readonly string[];
  readonly taps: OutputTaps;
  /** How long a graceful stop may take, in milliseconds. */
  readonly stopMs: number;
}

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
  readonly #workers: RemoteWorker[] = [];
  #folder: RunFolder | null = null;
  #listener: ControlListener | null = null;
  #mesh: MeshAddresses | null = null;
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
      opened: () => removeFolder(this.#folder), // all have met
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
      this.#spawn();
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
      await Promise.all(this.#workers.map((worker) => worker.close()));
      this.#workerLog.flush();
      this.#listener?.close();
      await removeFolder(this.#folder);
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

  /**
   * Makes the folder where workers find us and listens there, and only then starts them: what is
   * named in their arguments is ours already. If this process is killed right between, an empty
   * folder is left; afterwards there is a worker that removes it.
   */
  #spawn(): void {
    const { moduleUrl, workers, flags, args, running, taps, telemetry } = this.#job;
    const fail = (error: unknown) => this.#conductor.fail(error);
    const keys = Array.from({ length: workers }, createKey);
    const folder = this.#folder = makeFolder(this.#log);
    const listener = this.#listener = new ControlListener(folder, keys);
    listener.accept((index, link) => {
      void this.#workers[index].follow(link).catch(fail);
    }, fail);
    const { address } = listener;
    const options = { moduleUrl, flags: flags(folder?.path ?? null), args, running, taps };
    for (const [index, key] of keys.entries()) {
      const bootstrap = { index, address, folder, key, coordinatorPid: Deno.pid };
      const env = telemetry?.environmentOf(index) ?? {};
      const child = spawnWorker(bootstrap, { ...options, env });
      this.#workers.push(new RemoteWorker(index, child, this.#host()));
    }
  }

  #host(): RemoteHost {
    const { moduleUrl, exportName, logLevel, statusMs, onStatus, workers } = this.#job;
    const { monitor, telemetry } = this.#job;
    return {
      workers,
      moduleUrl,
      exportName,
      logLevel: monitor?.log.lesser(logLevel) ?? logLevel,
      statusMs,
      mesh: () => workers === 1 ? null : this.#mesh ??= this.#addresses(),
      heard: (worker) => this.#liveness.heard(worker),
      onStatus: () => {
        monitor?.onStatus();
        onStatus(runStatusOf(this.#workers.map(({ status }) => status)));
      },
      onTraces: (epoch, traces) => telemetry?.seen(epoch, traces),
      onLine: (worker, line) => this.#workerLog.accept(worker, line),
    };
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

  #addresses(): MeshAddresses {
    return { addresses: this.#workers.map(({ address }) => address!), key: createKey() };
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
