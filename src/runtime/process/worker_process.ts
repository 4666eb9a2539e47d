/**
 * A worker process: it follows its coordinator, loads the flow and runs its share.
 *
 * @module
 */
import { systemClock } from "../../core/clock.ts";
import { createLog, isAtLeast, type Log, type LogLevel } from "../../core/log.ts";
import { describeSteps, type FlowGraph } from "../../graph/graph.ts";
import { countSteps } from "../../graph/written_steps.ts";
import { Mesh } from "../exchange/mesh.ts";
import { whileLoading } from "../nesting.ts";
import { storedStepsOf } from "../stored_steps.ts";
import { Worker } from "../worker.ts";
import type { ControlLink } from "./control_link.ts";
import { FAILED } from "./exit_code.ts";
import { toFailure } from "./failure.ts";
import { loadFlow } from "./load_flow.ts";
import { MeshListener } from "./mesh_listener.ts";
import type { MeshAddresses, ToCoordinator, ToWorker, WorkerStatus } from "./protocol.ts";
import type { RunFolder } from "./socket_folder.ts";
import { SocketTransport } from "./socket_transport.ts";

type Link = ControlLink<ToWorker, ToCoordinator>;
type Of<K extends ToWorker["kind"]> = Extract<ToWorker, { kind: K }>;

/**
 * How long a worker that has lost another waits for its coordinator to say why, in milliseconds: what
 * happened to that other one is the better reason.
 */
const LOST_MS = 3_000;

/** The worker of this process, from `load` to `finished`. */
export class WorkerProcess {
  readonly #link: Link;
  readonly #folder: RunFolder | null;
  #worker: Worker | null = null;
  #listener: MeshListener | null = null;
  #status: ReturnType<typeof setInterval> | undefined;
  #ended = false;
  #leaving = false;

  /** `folder` is where the run's sockets are. */
  constructor(link: Link, folder: RunFolder | null) {
    this.#link = link;
    this.#folder = folder;
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
        case "plan":
          void this.#guard(() => this.#onPlan(message));
          break;
        case "open":
          void this.#guard(() => this.#onOpen(message));
          break;
        case "state":
          void this.#guard(() => Promise.try(() => this.#onState(message)));
          break;
        case "run":
          void this.#guard(() => this.#onRun(message));
          break;
        case "stillClosing":
          this.#worker?.stillClosing(message.epoch, message.ms);
          break;
        case "closeEpoch":
          this.#worker?.closeEpoch(message.epoch);
          break;
        case "commitEpoch":
          void this.#guard(() => this.#worker!.commit(message.epoch));
          break;
        case "stop":
          this.#worker?.stop();
          break;
        case "finish":
          void this.#guard(() => this.#onFinish(message));
          break;
        case "giveUp":
          this.#worker?.giveUp();
          break;
        case "cutShort":
          this.#link.send({ kind: "left", steps: this.#worker?.left ?? [] });
          void this.#link.flushed().then(() => this.#leave());
          break;
        case "abort":
          void this.#leave();
          break;
        case "ping":
          this.#link.send({ kind: "pong" });
          break;
      }
    }
  }

  async #onLoad({ index, count, moduleUrl, exportName, logLevel }: Of<"load">): Promise<void> {
    const graph: FlowGraph = await whileLoading(() => loadFlow(moduleUrl, exportName, Deno.args));
    const log = this.#log(logLevel);
    this.#worker = new Worker(graph, { index, count, clock: systemClock, log }, {
      stateChanged: (epoch, chunk) => this.#link.send({ kind: "stateChanged", epoch, chunk }),
      epochClosed: (epoch, positions) => this.#link.send({ kind: "epochClosed", epoch, positions }),
      stopRequested: () => this.#link.send({ kind: "stopRequested" }),
      inputFailed: (error) => this.#link.send({ kind: "inputFailed", failure: toFailure(error) }),
      gaveUp: () => this.#link.send({ kind: "gaveUp" }),
    });
    if (count > 1) this.#listener = MeshListener.open(this.#folder, index);
    const mesh = this.#listener?.address ?? null;
    this.#link.send({
      kind: "loaded",
      flow: graph.name,
      written: countSteps(graph),
      steps: describeSteps(graph),
      stored: storedStepsOf(graph),
      mesh,
    });
  }

  async #onPlan({ positions }: Of<"plan">): Promise<void> {
    this.#link.send({ kind: "planned", plans: await this.#worker!.plan(positions) });
  }

  async #onOpen({ mesh: addresses, ...start }: Of<"open">): Promise<void> {
    const mesh = addresses === null ? null : await this.#join(addresses);
    await this.#worker!.open({ ...start, mesh });
    const positions = this.#worker!.positionsAt(start.epoch - 1);
    this.#link.send({ kind: "opened", positions });
  }

  async #join({ addresses, key }: MeshAddresses): Promise<Mesh> {
    const conns = await this.#listener!.join(addresses, key);
    return new Mesh(
      new SocketTransport(conns, (peer, cause) => {
        setTimeout(() => {
          const error = new Error(`the connection to worker ${peer} broke`, { cause });
          if (!this.#ended && !this.#leaving) this.#worker!.fail(error);
        }, LOST_MS);
      }),
    );
  }

  #onState({ step, keys }: Of<"state">): void {
    this.#worker!.restore(step, keys);
  }

  async #onRun({ statusMs }: Of<"run">): Promise<void> {
    const worker = this.#worker!;
    this.#status = setInterval(
      () => this.#link.send({ kind: "status", ...statusOf(worker) }),
      statusMs,
    );
    await worker.run();
    this.#ended = true;
    this.#link.send({ kind: "ended", stopped: worker.stopped, ...worker.finalPositions() });
  }

  async #onFinish({ epoch }: Of<"finish">): Promise<void> {
    const worker = this.#worker!;
    await worker.commit(epoch);
    await this.#close();
    this.#link.send({ kind: "finished", steps: worker.counts() });
    await this.#link.flushed();
    this.#link.close(); // the last message: nothing more comes either
  }

  #log(least: LogLevel): Log {
    return createLog((level, message, fields) => {
      if (!isAtLeast(level, least)) return;
      this.#link.send({ kind: "log", level, message, fields });
    });
  }

  async #close(): Promise<void> {
    clearInterval(this.#status);
    this.#listener?.close();
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
  async fail(thrown: unknown): Promise<void> {
    if (this.#leaving) return; // what fails now fails because of that
    this.#link.send({ kind: "failed", failure: toFailure(thrown) });
    await this.#link.flushed();
    await this.#leave();
  }

  async #leave(): Promise<void> {
    if (this.#leaving) return;
    this.#leaving = true;
    this.#worker?.fail(new Error("the run is over")); // its loop stops
    await this.#close();
    Deno.exit(Deno.exitCode || FAILED);
  }
}

function statusOf(worker: Worker): WorkerStatus {
  return {
    steps: worker.counts(),
    progress: worker.progress(),
    waitingFor: worker.waitingFor(),
  };
}
