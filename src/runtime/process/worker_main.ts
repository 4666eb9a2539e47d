/**
 * What a worker process runs: it connects to its coordinator, loads the flow and runs its share.
 * Started by `spawnCluster` only.
 *
 * @module
 */
import { systemClock } from "../../core/clock.ts";
import { createLog, isAtLeast, type LogLevel } from "../../core/log.ts";
import type { FlowGraph } from "../../graph/graph.ts";
import { Worker } from "../worker.ts";
import { connectTo, ControlLink } from "./control_link.ts";
import { toFailure } from "./failure.ts";
import { loadFlow } from "./load_flow.ts";
import { PROTOCOL_VERSION, type ToCoordinator, type ToWorker } from "./protocol.ts";
import { WORKER_ENV, type WorkerBootstrap } from "./spawn.ts";

type Link = ControlLink<ToWorker, ToCoordinator>;
type Of<K extends ToWorker["kind"]> = Extract<ToWorker, { kind: K }>;

/** The worker of this process, from `load` to `finished`. */
class WorkerProcess {
  readonly #link: Link;
  #load: Of<"load"> | null = null;
  #graph: FlowGraph | null = null;
  #worker: Worker | null = null;
  #status: ReturnType<typeof setInterval> | undefined;
  #stopped = false;

  constructor(link: Link) {
    this.#link = link;
  }

  /**
   * Follows the coordinator. Returns when it has gone or all is done.
   *
   * It waits for nothing but messages: a flow file that never finishes loading, or an output that
   * never commits, must not keep it from seeing that the coordinator has gone.
   */
  async follow(): Promise<void> {
    for await (const message of this.#link.messages()) {
      switch (message.kind) {
        case "load":
          void this.#guard(() => this.#onLoad(message));
          break;
        case "run":
          void this.#guard(() => this.#onRun(message));
          break;
        case "closeEpoch":
          this.#worker?.closeEpoch(message.epoch);
          break;
        case "commitEpoch":
          void this.#guard(() => this.#worker!.commit(message.epoch));
          break;
        case "stop":
          this.#stopped = true;
          this.#worker?.stop();
          break;
        case "finish":
          void this.#guard(() => this.#onFinish(message));
          break;
      }
    }
  }

  async #onLoad(message: Of<"load">): Promise<void> {
    this.#load = message;
    this.#graph = await loadFlow(message.moduleUrl, message.exportName, Deno.args);
    const steps = [...this.#graph.ids.values()];
    this.#link.send({ kind: "loaded", flow: this.#graph.name, steps });
  }

  async #onRun({ epoch, statusMs }: Of<"run">): Promise<void> {
    const { index, count, logLevel } = this.#load!;
    const log = this.#log(logLevel);
    const worker = new Worker(this.#graph!, { index, count, epoch, clock: systemClock, log }, {
      epochClosed: (epoch) => this.#link.send({ kind: "epochClosed", epoch }),
      stopRequested: () => this.#link.send({ kind: "stopRequested" }),
    });
    this.#worker = worker;
    if (this.#stopped) worker.stop();
    await worker.open();
    this.#link.send({ kind: "running" });
    if (statusMs !== null) this.#status = setInterval(() => this.#sendStatus(worker), statusMs);
    await worker.run();
    this.#link.send({ kind: "ended", stopped: worker.stopped });
  }

  async #onFinish({ epoch }: Of<"finish">): Promise<void> {
    const worker = this.#worker!;
    await worker.commit(epoch);
    await this.#close();
    this.#link.send({ kind: "finished", steps: worker.counts() });
    await this.#link.flushed();
    this.#link.close(); // the last message: nothing more comes either
  }

  #sendStatus(worker: Worker): void {
    this.#link.send({ kind: "status", steps: worker.counts(), progress: worker.progress() });
  }

  #log(least: LogLevel): ReturnType<typeof createLog> {
    return createLog((level, message, fields) => {
      if (!isAtLeast(level, least)) return;
      this.#link.send({ kind: "log", level, message, fields });
    });
  }

  async #close(): Promise<void> {
    clearInterval(this.#status);
    await this.#worker?.close();
  }

  /** Does some work; if it fails, tells the coordinator why and leaves. */
  async #guard(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (thrown) {
      await this.fail(thrown);
    }
  }

  /** Reports a failure, frees what is held and leaves. */
  async fail(thrown: unknown): Promise<never> {
    this.#link.send({ kind: "failed", failure: toFailure(thrown) });
    await this.#link.flushed();
    await this.#close();
    Deno.exit(1);
  }
}

async function main(): Promise<void> {
  const bootstrap = Deno.env.get(WORKER_ENV);
  if (bootstrap === undefined) throw new Error("a worker is started by spawnCluster only");
  Deno.env.delete(WORKER_ENV); // it holds a secret that the flow has no use for
  const { address, token }: WorkerBootstrap = JSON.parse(bootstrap);
  const link: Link = new ControlLink(await connectTo(address));
  const process = new WorkerProcess(link);
  if (Deno.build.os !== "windows") {
    // A terminal sends its signals to all processes; only the coordinator acts on them, once.
    for (const signal of ["SIGINT", "SIGHUP"] as const) Deno.addSignalListener(signal, () => {});
    // So does a service manager with its own; but who sends it to a worker alone means a stop too.
    Deno.addSignalListener("SIGTERM", () => link.send({ kind: "stopRequested" }));
  }
  // What user code lets slip (a promise nobody awaits, a throwing timer) fails the run, readably.
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    void process.fail(event.reason);
  });
  addEventListener("error", (event) => {
    event.preventDefault();
    void process.fail(event.error);
  });
  link.send({ kind: "hello", version: PROTOCOL_VERSION, token });
  await process.follow();
  Deno.exit(0); // whatever the flow left running; without a coordinator there is nobody to serve
}

await main();
