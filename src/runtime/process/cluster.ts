/**
 * Runs a flow on worker processes.
 *
 * The coordinator touches no item and never loads the flow file: user code runs in workers only, so
 * that it cannot block whoever watches it.
 *
 * @module
 */
import { systemClock } from "../../core/clock.ts";
import type { Duration } from "../../core/duration.ts";
import type { WorkerIndex } from "../../core/ids.ts";
import { type Log, type LogLevel, silentLog } from "../../core/log.ts";
import { within } from "../../core/promises.ts";
import type { Progress } from "../../graph/contracts.ts";
import type { StepCounts } from "../counts.ts";
import { EpochCoordinator } from "../epochs.ts";
import { epochMilliseconds, type RunResult } from "../run.ts";
import type { ControlLink } from "./control_link.ts";
import { fromFailure } from "./failure.ts";
import { ControlListener } from "./listener.ts";
import type { ToCoordinator, ToWorker } from "./protocol.ts";
import { type OutputTaps, spawnWorker, type WorkerChild } from "./spawn.ts";
import { configFlags } from "./worker_config.ts";

/** How far a run has come. */
export interface RunStatus {
  /** Items in and out of each step, over all workers. */
  readonly steps: readonly StepCounts[];
  /** How much of the inputs has been read, where their lengths are known. */
  readonly progress: Progress | null;
}

/** How a flow runs on worker processes. */
export interface ClusterOptions {
  /**
   * How many worker processes. This version runs one.
   *
   * @default {1}
   */
  readonly workers?: number;
  /**
   * Which export of the module is the flow, or a function that makes it.
   *
   * @default {"default"}
   */
  readonly exportName?: string;
  /** What the flow sees as `Deno.args`, and what a function that makes it is called with. */
  readonly args?: readonly string[];
  /** Epochs, the units of recovery. */
  readonly epoch?: {
    /**
     * How long an epoch lasts, at least.
     *
     * @default {{ seconds: 10 }}
     */
    readonly interval: Duration;
  };
  /** Aborting it stops the run gracefully. */
  readonly signal?: AbortSignal;
  /** Aborting it kills the workers: the run rejects. */
  readonly killSignal?: AbortSignal;
  /**
   * Takes the lines of log of the coordinator and the workers.
   *
   * @default {silent}
   */
  readonly log?: Log;
  /**
   * The least level of log that workers send.
   *
   * @default {"info"}
   */
  readonly logLevel?: LogLevel;
  /** Called a few times a second with how far the run has come. */
  readonly onStatus?: (status: RunStatus) => void;
  /** Take what workers print; without them, workers print to this process's own outputs. */
  readonly taps?: OutputTaps;
}

/** How often workers say how far they are. */
const STATUS_MS = 250;

/** How long a worker that is done, or has said why it failed, gets to leave by itself. */
const LEAVE_MS = 10_000;

/**
 * Runs a flow on worker processes of this machine.
 *
 * @param moduleUrl The module that exports the flow: an absolute URL.
 * @returns Counts for each step, once the inputs have ended or a graceful stop is done, and every
 * output has made all durable.
 * @throws {StepError} If a step fails.
 * @throws {UsageError} If the module has no such export, or it is no flow.
 * @throws {RangeError} If more workers are asked for than this version runs.
 *
 * @example
 * ```ts ignore
 * import { spawnCluster } from "millrace";
 *
 * const { steps } = await spawnCluster(import.meta.resolve("./flow.ts"));
 * console.log(steps);
 * ```
 */
export async function spawnCluster(
  moduleUrl: string | URL,
  options: ClusterOptions = {},
): Promise<RunResult> {
  const { workers = 1, epoch } = options;
  if (workers !== 1) {
    throw new RangeError(`this version runs one worker; got workers: ${workers}`);
  }
  const intervalMs = epochMilliseconds(epoch);
  const cluster = new Cluster(new URL(moduleUrl).href, workers, intervalMs, options);
  return await cluster.run();
}

/** What the coordinator knows about a worker. */
interface WorkerState {
  readonly index: WorkerIndex;
  readonly child: WorkerChild;
  link: ControlLink<ToCoordinator, ToWorker> | null;
  steps: readonly StepCounts[];
  progress: Progress | null;
  phase: "starting" | "loaded" | "running" | "ended" | "finished";
}

class Cluster {
  readonly #moduleUrl: string;
  readonly #options: ClusterOptions;
  readonly #log: Log;
  readonly #epochs: EpochCoordinator;
  readonly #count: number;
  readonly #done: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #killed: PromiseWithResolvers<void> = Promise.withResolvers();
  #workers: WorkerState[] = [];
  #stopping = false;
  #stopped = false;

  constructor(moduleUrl: string, count: number, intervalMs: number, options: ClusterOptions) {
    this.#moduleUrl = moduleUrl;
    this.#options = options;
    this.#done.promise.catch(() => {}); // it may be rejected before `run` comes to await it
    this.#log = options.log ?? silentLog;
    this.#count = count;
    this.#epochs = new EpochCoordinator({
      closeEpoch: (epoch) => this.#broadcast({ kind: "closeEpoch", epoch }),
      commitEpoch: (epoch) => this.#broadcast({ kind: "commitEpoch", epoch }),
    }, { workers: count, intervalMs, clock: systemClock, epoch: 0 });
  }

  async run(): Promise<RunResult> {
    const { signal, killSignal } = this.#options;
    const stop = () => this.#stop();
    const kill = () => {
      this.#done.reject(new Error("the run was stopped at once"));
      this.#killed.resolve();
    };
    signal?.addEventListener("abort", stop, { once: true });
    killSignal?.addEventListener("abort", kill, { once: true });
    if (killSignal?.aborted) kill();
    const flags = await configFlags(this.#moduleUrl);
    const listener = await ControlListener.open();
    try {
      this.#spawn(listener, flags);
      if (signal?.aborted) this.#stop();
      await this.#done.promise;
      await this.#leave();
      return { steps: sumCounts(this.#workers.map(({ steps }) => steps)), stopped: this.#stopped };
    } catch (error) {
      await this.#leave();
      throw error;
    } finally {
      this.#epochs.stop();
      signal?.removeEventListener("abort", stop);
      killSignal?.removeEventListener("abort", kill);
      for (const { child, link } of this.#workers) {
        child.kill();
        link?.close();
      }
      await Promise.all(this.#workers.map(({ child }) => child.exited));
      await listener.close();
    }
  }

  #spawn(listener: ControlListener, flags: readonly string[]): void {
    const { args = [], taps = {} } = this.#options;
    const { address } = listener;
    for (let index = 0; index < this.#count; index++) {
      const token = listener.expect(index);
      const child = spawnWorker({ address, token }, { flags, args }, taps);
      const state: WorkerState = {
        index,
        child,
        link: null,
        steps: [],
        progress: null,
        phase: "starting",
      };
      this.#workers.push(state);
      void child.exited.then((status) => this.#onExit(state, status));
    }
    listener.accept((index, conn) => {
      const state = this.#workers[index];
      state.link = conn;
      void this.#follow(state, conn).catch((error) => this.#done.reject(error));
    }, (error) => this.#done.reject(error));
  }

  async #follow(
    state: WorkerState,
    link: ControlLink<ToCoordinator, ToWorker>,
  ): Promise<void> {
    const { exportName = null, logLevel = "info" } = this.#options;
    link.send({
      kind: "load",
      index: state.index,
      count: this.#count,
      moduleUrl: this.#moduleUrl,
      exportName,
      logLevel,
    });
    for await (const message of link.messages()) this.#onMessage(state, message);
  }

  #onMessage(state: WorkerState, message: ToCoordinator): void {
    const { index } = state;
    switch (message.kind) {
      case "loaded":
        state.phase = "loaded";
        this.#log.info("flow loaded", { flow: message.flow, steps: message.steps.length });
        if (this.#allIn("loaded")) this.#start();
        break;
      case "running":
        state.phase = "running";
        if (this.#allIn("running")) {
          this.#log.info("flow running", { workers: this.#count });
          this.#epochs.start();
        }
        break;
      case "epochClosed":
        this.#epochs.closed(index, message.epoch);
        break;
      case "stopRequested":
        this.#stop();
        break;
      case "status":
        state.steps = message.steps;
        state.progress = message.progress;
        this.#options.onStatus?.(this.#status());
        break;
      case "log":
        this.#log[message.level](message.message, message.fields);
        break;
      case "ended":
        state.phase = "ended";
        this.#stopped ||= message.stopped;
        this.#epochs.ended(index);
        if (this.#allIn("ended")) this.#broadcast({ kind: "finish", epoch: this.#epochs.epoch });
        break;
      case "finished":
        state.phase = "finished";
        state.steps = message.steps;
        this.#log.info("flow finished", { stopped: this.#stopped });
        if (this.#allIn("finished")) this.#done.resolve();
        break;
      case "failed":
        this.#done.reject(fromFailure(message.failure, index));
        break;
      case "hello":
        break; // the listener has had it
    }
  }

  #start(): void {
    const statusMs = this.#options.onStatus === undefined ? null : STATUS_MS;
    this.#broadcast({ kind: "run", epoch: 0, statusMs });
    if (this.#stopping) this.#broadcast({ kind: "stop" });
  }

  #stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#log.info("stopping");
    this.#broadcast({ kind: "stop" });
  }

  /** A worker that leaves before it has finished, and has not said why, has been killed or has quit. */
  #onExit(state: WorkerState, { code, signal }: Deno.CommandStatus): void {
    if (state.phase === "finished") return;
    const how = signal === null ? `with code ${code}` : `by ${signal}`;
    const why = signal === "SIGKILL" || signal === "SIGABRT" || signal === "SIGTRAP"
      ? " (out of memory?)"
      : signal === null && state.link !== null
      ? " (does the flow call Deno.exit?)"
      : "";
    // What it said last may still be on its way through the socket.
    const last = state.link === null ? Promise.resolve() : state.link.drained();
    void last.then(() =>
      this.#done.reject(new Error(`worker ${state.index} ended ${how} while it ran${why}`))
    );
  }

  /** Lets the workers leave by themselves, which they do when done and after a failure. */
  async #leave(): Promise<void> {
    const left = Promise.all(this.#workers.map(({ child }) => child.exited));
    await within(Promise.race([left, this.#killed.promise]), LEAVE_MS);
  }

  #status(): RunStatus {
    const steps = sumCounts(this.#workers.map(({ steps }) => steps));
    return { steps, progress: this.#count === 1 ? this.#workers[0].progress : null };
  }

  #allIn(phase: WorkerState["phase"]): boolean {
    return this.#workers.every((worker) => worker.phase === phase);
  }

  #broadcast(message: ToWorker): void {
    for (const { link } of this.#workers) link?.send(message);
  }
}

function sumCounts(workers: readonly (readonly StepCounts[])[]): StepCounts[] {
  const [first = [], ...others] = workers;
  return first.map((counts, i) => ({
    ...counts,
    in: others.reduce((sum, steps) => sum + (steps[i]?.in ?? 0), counts.in),
    out: others.reduce((sum, steps) => sum + (steps[i]?.out ?? 0), counts.out),
  }));
}
