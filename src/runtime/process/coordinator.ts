/**
 * Starts worker processes, follows them through a run, and sees to it that nothing is left of them.
 *
 * It touches no item and never loads the flow file: user code runs in workers only, so that it cannot
 * block whoever watches it.
 *
 * @module
 */
import { systemClock } from "../../core/clock.ts";
import type { Epoch, WorkerIndex } from "../../core/ids.ts";
import { type Log, LOG_LEVELS, type LogLevel } from "../../core/log.ts";
import { preview } from "../../core/preview.ts";
import { within } from "../../core/promises.ts";
import type { RecoveryConfig } from "../../recovery/store.ts";
import { EpochCoordinator } from "../epochs.ts";
import { InputFailure } from "../input_failure.ts";
import { RunRecovery } from "../run_recovery.ts";
import type { StepChanges } from "../step_changes.ts";
import {
  closeMilliseconds,
  cutShort,
  describeLeft,
  type LeftStep,
  ReadSince,
  StopLimit,
} from "../stop_limit.ts";
import type { InputPlans } from "../worker_io.ts";
import type { RunResult } from "../run.ts";
import type { ControlLink } from "./control_link.ts";
import { FAILED, setExitCode } from "./exit_code.ts";
import { fromFailure } from "./failure.ts";
import { createKey } from "./handshake.ts";
import { ControlListener } from "./listener.ts";
import { Liveness, stateOfProcess } from "./liveness.ts";
import type { WorkerStatus } from "../run/worker_port.ts";
import type { MeshAddresses, ToCoordinator, ToWorker } from "./protocol.ts";
import { type RunStatus, runStatusOf, sumCounts } from "./run_status.ts";
import { makeFolder, removeFolder, type RunFolder, type SocketAddress } from "./socket_folder.ts";
import { type OutputTaps, spawnWorker, type WorkerChild } from "./spawn.ts";

/** What came of a run on worker processes. */
export interface ClusterResult extends RunResult {
  /**
   * What the flow has set as `Deno.exitCode` or `process.exitCode`: that of the first worker where it
   * is not 0, else 0.
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
  readonly recovery: RecoveryConfig | null;
  readonly stepChanges: StepChanges;
  /** The flow, behind those that processes above this one run. */
  readonly running: readonly string[];
  readonly taps: OutputTaps;
  /** How long a graceful stop may take, in milliseconds. */
  readonly stopMs: number;
}

/**
 * How long a worker's last words may take to come when its process has ended, and its process to end
 * when it has hung up, in milliseconds. A process that the flow has started may hold the worker's
 * socket open, with half a message in it.
 */
const LAST_WORDS_MS = 3_000;

/** How long workers that are done get to leave by themselves, in milliseconds. */
const LEAVE_MS = 10_000;

/** The same after a failure: the whole is to be over within ten seconds. */
const ABORT_MS = 4_000;

/** The same where a stop came before anything was read. */
const EARLY_MS = 2_000;

/** How long the recovery store may take to close when the run is stopped at once, in milliseconds. */
const KILLED_MS = 1_000;

type Phase = "starting" | "loaded" | "opened" | "ended" | "finished";

/** What the coordinator knows about a worker. */
interface WorkerState {
  readonly index: WorkerIndex;
  readonly child: WorkerChild;
  link: ControlLink<ToCoordinator, ToWorker> | null;
  phase: Phase;
  /** Its steps, and where it waits for the others. */
  loaded: Extract<ToCoordinator, { kind: "loaded" }> | null;
  status: WorkerStatus | null;
  /** What it had not done when the run was cut short, as it says itself. */
  left: readonly LeftStep[] | null;
  /** Whether it has said that the flow failed. */
  hasFailed: boolean;
  /** What its process exited with, and whether the run had failed by then. */
  exit: { readonly code: number; readonly isAborted: boolean } | null;
}

/** One run on worker processes. */
export class Coordinator {
  readonly #job: Job;
  readonly #log: Log;
  #epochs: EpochCoordinator | null = null; // once it is known which epoch begins
  #recovery: RunRecovery | null = null;
  #committing: Promise<void> = Promise.resolve();
  #lastEpoch: Epoch = 0;
  readonly #liveness: Liveness;
  readonly #inputFailure: InputFailure;
  readonly #done: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #killed: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #workers: WorkerState[] = [];
  #folder: RunFolder | null = null;
  #isAborted = false; // the run has failed, and workers are told
  #listener: ControlListener | null = null;
  #stopping = false;
  #isRunning = false; // workers have been told to read
  readonly #opening = new AbortController(); // aborted by a stop before they have
  readonly #stopLimit: StopLimit;
  #stopped = false;
  #isKilled = false;
  #isOver = false;
  #hasLoaded = false;
  readonly #since = new ReadSince(systemClock);
  #cut: PromiseWithResolvers<void> | null = null; // resolves when all have said what they leave

  /** Starts nothing yet. */
  constructor(job: Job) {
    this.#job = job;
    this.#log = job.log;
    this.#done.promise.catch(() => {}); // it may be rejected before `run` comes to await it
    this.#inputFailure = new InputFailure({
      clock: systemClock,
      log: job.log,
      stop: () => this.stop(),
      fail: (error) => this.#done.reject(error),
    });
    this.#stopLimit = new StopLimit(job.stopMs, systemClock, {
      giveUp: () => this.#broadcast({ kind: "giveUp" }),
      end: () => this.#guard(this.#cutShort()),
    });
    this.#liveness = new Liveness(job.workers, {
      ping: (worker) => this.#workers[worker].link?.send({ kind: "ping" }),
      stateOf: (worker) => stateOfProcess(this.#workers[worker].child.pid),
      onStopped: (worker) => this.#onFrozen(this.#workers[worker]),
    }, { clock: systemClock, log: job.log });
  }

  /**
   * Runs the job.
   *
   * @throws {Error} What made it fail.
   */
  async run(): Promise<ClusterResult> {
    try {
      this.#spawn();
      this.#liveness.start();
      await this.#done.promise;
      this.#stopLimit.clear();
      if (!this.#isRunning) this.#endWorkers();
      await this.#leave(this.#hurryMs ?? LEAVE_MS);
      const steps = sumCounts(this.#workers.map(({ status }) => status?.steps ?? []));
      const exitCode = this.#codes().find((code) => code !== 0) ?? 0;
      return { steps, stopped: this.#stopped, exitCode };
    } catch (thrown) {
      this.#stopLimit.clear();
      this.#isAborted = true;
      this.#broadcast({ kind: "abort" });
      await this.#leave(this.#hurryMs ?? ABORT_MS);
      const error = this.#inputFailure.error ?? thrown;
      setExitCode(error, this.#codes().find((code) => code > FAILED) ?? FAILED);
      throw error;
    } finally {
      this.#isOver = true;
      this.#inputFailure.close();
      this.#epochs?.stop();
      this.#liveness.stop();
      for (const { child, link } of this.#workers) {
        child.kill();
        link?.close();
      }
      await Promise.all(this.#workers.map(({ child }) => child.exited));
      this.#listener?.close();
      await removeFolder(this.#folder);
      const closed = this.#closeRecovery();
      if (this.#hurryMs === null) await closed;
      else await within(closed, this.#hurryMs);
    }
  }

  async #closeRecovery(): Promise<void> {
    await this.#committing.catch(() => {}); // not to close in the middle; whoever waited knows
    await this.#recovery?.close();
  }

  /** How long each thing that is left may take, where somebody waits for the end; else `null`. */
  get #hurryMs(): number | null {
    if (this.#isKilled) return KILLED_MS;
    if (this.#opening.signal.aborted) return EARLY_MS;
    return this.#cut === null ? null : closeMilliseconds(this.#job.stopMs) / 2;
  }

  /** Whether all workers could load the flow. */
  get hasLoaded(): boolean {
    return this.#hasLoaded;
  }

  /** Whether the run has been asked to stop, by whomever. */
  get isStopping(): boolean {
    return this.#stopping;
  }

  /** Stops the run gracefully. */
  stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#log.info("stopping");
    if (!this.#isRunning) return this.#endEarly();
    this.#stopLimit.start();
    this.#broadcast({ kind: "stop" });
  }

  /** Nothing has been read yet: a stop need not wait for what is being opened. */
  #endEarly(): void {
    this.#stopped = true;
    this.#opening.abort();
    this.#log.info("flow finished", { stopped: true });
    this.#done.resolve();
  }

  /** Has workers leave that have not begun; one that has not connected cannot be told. */
  #endWorkers(): void {
    this.#broadcast({ kind: "abort" });
    for (const { child, link } of this.#workers) if (link === null) child.kill();
  }

  /** Stops the run at once: it fails. */
  kill(): void {
    this.#isKilled = true;
    this.#done.reject(new Error("the run was stopped at once"));
    this.#killed.resolve();
  }

  /**
   * Makes the folder where workers find us and listens there, and only then starts them: what is
   * named in their arguments is ours already. If this process is killed right between, an empty
   * folder is left; afterwards there is a worker that removes it.
   */
  #spawn(): void {
    const { moduleUrl, workers, flags, args, running, taps } = this.#job;
    const keys = Array.from({ length: workers }, createKey);
    const folder = this.#folder = makeFolder(this.#log);
    const listener = this.#listener = new ControlListener(folder, keys);
    listener.accept((index, link) => {
      const state = this.#workers[index];
      state.link = link;
      void this.#follow(state, link).catch((error) => this.#done.reject(error));
    }, (error) => this.#done.reject(error));
    const { address } = listener;
    const options = { moduleUrl, flags: flags(folder?.path ?? null), args, running, taps };
    for (const [index, key] of keys.entries()) {
      const bootstrap = { index, address, folder, key, coordinatorPid: Deno.pid };
      const child = spawnWorker(bootstrap, options);
      const state: WorkerState = {
        index,
        child,
        link: null,
        phase: "starting",
        loaded: null,
        status: null,
        left: null,
        hasFailed: false,
        exit: null,
      };
      this.#workers.push(state);
      void child.exited.then((status) => this.#onExit(state, status));
    }
  }

  async #follow(state: WorkerState, link: ControlLink<ToCoordinator, ToWorker>): Promise<void> {
    const { moduleUrl, exportName, logLevel, workers: count } = this.#job;
    link.send({ kind: "load", index: state.index, count, moduleUrl, exportName, logLevel });
    for await (const message of link.messages()) {
      this.#liveness.heard(state.index);
      this.#onMessage(state, message);
    }
    if (state.phase === "finished" || await within(state.child.exited, LAST_WORDS_MS)) return;
    this.#done.reject(new Error(`worker ${state.index} has hung up, and its process goes on`));
  }

  #onMessage(state: WorkerState, message: ToCoordinator): void {
    const { index } = state;
    switch (message.kind) {
      case "loaded":
        state.loaded = message;
        this.#enter(state, "loaded", () => this.#guard(this.#onLoaded()));
        break;
      case "planned":
        this.#open(message.plans);
        break;
      case "opened":
        this.#recovery!.moved(index, this.#recovery!.epoch - 1, message.positions);
        this.#enter(state, "opened", () => this.#guard(this.#onOpened()));
        break;
      case "stateChanged":
        this.#recovery!.stateChanged(message.epoch, message.chunk);
        break;
      case "epochClosed":
        this.#recovery!.moved(index, message.epoch, message.positions);
        this.#epochs!.closed(index, message.epoch);
        break;
      case "stopRequested":
        this.stop();
        break;
      case "gaveUp":
        this.#guard(this.#cutShort());
        break;
      case "left":
        state.left = message.steps;
        if (this.#workers.every(({ left }) => left !== null)) this.#cut?.resolve();
        break;
      case "inputFailed":
        this.#inputFailure.occurred(fromFailure(message.failure, index));
        break;
      case "status":
        state.status = message;
        this.#job.onStatus(runStatusOf(this.#workers.map(({ status }) => status)));
        break;
      case "log":
        this.#logOf(state, message);
        break;
      case "ended":
        this.#stopped ||= message.stopped;
        this.#lastEpoch = Math.max(this.#lastEpoch, message.epoch);
        this.#recovery!.moved(index, message.epoch, message.positions);
        this.#epochs!.ended(index);
        this.#enter(state, "ended", () => this.#guard(this.#finish()));
        break;
      case "finished":
        state.status = { steps: message.steps, progress: null, waitingFor: [] };
        this.#enter(state, "finished", () => {
          const { error } = this.#inputFailure;
          if (error !== null) return this.#done.reject(error);
          this.#log.info("flow finished", { stopped: this.#stopped });
          this.#done.resolve();
        });
        break;
      case "failed":
        state.hasFailed = true;
        this.#done.reject(fromFailure(message.failure, index));
        break;
      case "pong":
        break;
      default: {
        const { kind }: { kind: string } = message satisfies never;
        throw new Error(`worker ${index} sent a message of an unknown kind: ${preview(kind)}`);
      }
    }
  }

  #logOf({ index }: WorkerState, line: Extract<ToCoordinator, { kind: "log" }>): void {
    const { level, message, fields } = line;
    if (!LOG_LEVELS.includes(level)) throw new Error(`worker ${index} logs at no level of ours`);
    const { worker: _, ...others } = fields; // which it is, is not for it to say
    this.#log[level](message, this.#job.workers === 1 ? fields : { worker: index, ...others });
  }

  /** A worker has come to a phase; `all` is called when the last one has. */
  #enter(state: WorkerState, phase: Phase, all: () => void): void {
    state.phase = phase;
    if (this.#workers.every((worker) => worker.phase === phase)) all();
  }

  /** What goes wrong in some work ends the run. */
  #guard(work: Promise<void>): void {
    work.catch((error) => this.#done.reject(error));
  }

  async #onLoaded(): Promise<void> {
    const [{ loaded: first }, ...others] = this.#workers;
    for (const { index, loaded } of others) {
      const difference = differenceOf(first!.steps, loaded!.steps);
      if (difference !== null) {
        this.#done.reject(
          new Error(
            `worker ${index} has another flow than worker 0: ${difference}. The flow must be the same ` +
              `on every worker, so it must not depend on time, chance, or the worker`,
          ),
        );
        return;
      }
    }
    this.#hasLoaded = true;
    this.#log.info("flow loaded", { flow: first!.flow, steps: first!.written });
    const recovery = await RunRecovery.open(
      this.#job.recovery,
      first!.flow,
      this.#log,
      this.#opening.signal,
    );
    this.#recovery = recovery;
    if (this.#isOver) return void await recovery.close(); // it took too long to open
    await recovery.match(first!.stored, this.#job.stepChanges);
    const { workers, intervalMs } = this.#job;
    this.#epochs = new EpochCoordinator({
      closeEpoch: (epoch) => {
        this.#since.closeEpoch();
        this.#broadcast({ kind: "closeEpoch", epoch });
      },
      stillClosing: (epoch, workers, ms) => {
        for (const worker of workers) {
          this.#workers[worker].link?.send({ kind: "stillClosing", epoch, ms });
        }
      },
      commitEpoch: (epoch) => this.#commit(epoch),
    }, { workers, intervalMs, clock: systemClock, epoch: recovery.epoch });
    this.#workers[0].link!.send({ kind: "plan", positions: recovery.positions });
  }

  #open(plans: InputPlans): void {
    const { epoch, positions, numbering: snapshots } = this.#recovery!;
    this.#broadcast({ kind: "open", epoch, plans, positions, snapshots, mesh: this.#mesh() });
  }

  #mesh(): MeshAddresses | null {
    if (this.#job.workers === 1) return null;
    const addresses = this.#workers.map(({ loaded }): SocketAddress => loaded!.mesh!);
    return { addresses, key: createKey() };
  }

  async #onOpened(): Promise<void> {
    await removeFolder(this.#folder); // all have met
    const { keyed } = this.#workers[0].loaded!.stored;
    for await (const chunk of this.#recovery!.state(keyed, this.#job.workers)) {
      const { link } = this.#workers[chunk.worker];
      link!.send({ kind: "state", step: chunk.step, keys: chunk.keys });
      await link!.flushed(); // no more than a chunk waits in memory
    }
    // Before anything is read or written: whatever a run leaves behind, the next one knows of it.
    await this.#commit(this.#recovery!.epoch - 1);
    if (this.#stopping) return;
    this.#log.info("flow running", { workers: this.#job.workers });
    this.#isRunning = true;
    this.#since.begin();
    this.#broadcast({ kind: "run", statusMs: this.#job.statusMs });
    this.#epochs!.start();
  }

  /** Writes an epoch that all workers have closed, and has their outputs make it visible. */
  #commit(epoch: Epoch): Promise<void> {
    this.#committing = this.#recovery!.commit(epoch).then(
      () => {
        this.#since.commitEpoch();
        this.#broadcast({ kind: "commitEpoch", epoch });
      },
      (error) => this.#done.reject(error),
    );
    return this.#committing;
  }

  /** All workers are at their end: what they ended with is written, and they may leave. */
  async #finish(): Promise<void> {
    await this.#committing;
    const epoch = this.#lastEpoch;
    await (this.#committing = this.#recovery!.commit(epoch));
    this.#broadcast({ kind: "finish", epoch });
  }

  /**
   * A graceful stop has used up its time, or cannot be completed: the run ends at the last committed
   * epoch.
   */
  async #cutShort(): Promise<void> {
    if (this.#cut !== null) return;
    this.#cut = Promise.withResolvers();
    this.#broadcast({ kind: "cutShort" });
    // A worker in a loop without end does not answer.
    await within(this.#cut.promise, this.#hurryMs!);
    const left = describeLeft(
      this.#workers.map((state) => ({ worker: state.index, left: leftOf(state) })),
    );
    this.#stopped = true;
    const { stopMs } = this.#job;
    const epoch = this.#recovery?.committed ?? null;
    const error = cutShort({ stopMs, left, epoch, since: this.#since.at }, this.#log);
    if (error === null) this.#done.resolve();
    else this.#done.reject(error);
  }

  #onFrozen({ index, child }: WorkerState): void {
    child.kill(); // it cannot leave by itself
    this.#done.reject(
      new Error(
        `worker ${index} (process ${child.pid}) does not answer: its process has been stopped, as by ` +
          `SIGSTOP or a debugger`,
      ),
    );
  }

  /** A worker that leaves before it has finished, and has not said why, has been killed or has quit. */
  #onExit(state: WorkerState, { code, signal }: Deno.CommandStatus): void {
    if (signal === null) state.exit = { code, isAborted: this.#isAborted };
    if (state.phase === "finished" || this.#cut !== null) return;
    const how = signal === null ? `with code ${code}` : `by ${signal}`;
    const why = signal === "SIGKILL" || signal === "SIGABRT" || signal === "SIGTRAP"
      ? " (out of memory?)"
      : signal === null && state.link !== null
      ? " (does the flow call Deno.exit?)"
      : "";
    // What it said last may still be on its way through the socket.
    const last = state.link === null ? Promise.resolve() : state.link.drained();
    void within(last, LAST_WORDS_MS).then(() => {
      if (state.phase === "finished") return; // which was what it said
      const when = state.link === null
        ? "before it could load the flow; Deno says above why"
        : `while it ran${why}`;
      this.#done.reject(new Error(`worker ${state.index} ended ${how} ${when}`));
    });
  }

  /** What workers have left with by themselves: the flow may have set it. */
  #codes(): number[] {
    return this.#workers.flatMap(({ phase, hasFailed, exit }) =>
      exit !== null && (phase === "finished" || hasFailed || exit.isAborted) ? [exit.code] : []
    );
  }

  /** Lets the workers leave by themselves, which they do when done and after a failure. */
  async #leave(ms: number): Promise<void> {
    const left = Promise.all(this.#workers.map(({ child }) => child.exited));
    await within(Promise.race([left, this.#killed.promise]), ms);
  }

  #broadcast(message: ToWorker): void {
    for (const { link } of this.#workers) link?.send(message);
  }
}

/** What a worker has not done; in words where it does not say. */
function leftOf({ phase, left }: WorkerState): readonly LeftStep[] | string {
  switch (phase) {
    case "starting":
      return "the flow was still being loaded";
    case "loaded":
      return "inputs and outputs were still being opened";
    case "opened":
      return left ?? "it does not answer, as when a step is at work without a pause";
    case "ended":
    case "finished":
      return [];
  }
}

/** The first step that differs, in words; `null` where none does. */
function differenceOf(first: readonly string[], other: readonly string[]): string | null {
  for (let i = 0; i < Math.max(first.length, other.length); i++) {
    if (first[i] !== other[i]) {
      return `it has ${other[i] ?? "no step"} in place of ${first[i] ?? "none"}`;
    }
  }
  return null;
}
