/**
 * A worker in the conductor's own process.
 *
 * @module
 */
import type { WorkerIndex } from "../../core/ids.ts";
import type { FlowGraph } from "../../graph/graph.ts";
import type { Mesh } from "../exchange/mesh.ts";
import type { Worker, WorkerOptions } from "../worker.ts";
import type { Instruction, Report } from "./messages.ts";
import { type Schedule, workerPeer } from "./schedule.ts";
import type { WorkerPort, WorkerStatus } from "./worker_port.ts";
import { WorkerSession } from "./worker_session.ts";

/** What joins a worker to the rest of its run. */
export interface LocalWorkerHost {
  /** Decides when messages arrive. */
  readonly schedule: Schedule;
  /** Connects it to the others; `null` where there are none. */
  join(): Mesh | null;
}

/** Runs one worker here. */
export class LocalWorker implements WorkerPort {
  readonly index: WorkerIndex;
  readonly #graph: FlowGraph;
  readonly #options: WorkerOptions;
  readonly #host: LocalWorkerHost;
  readonly #gone: PromiseWithResolvers<void> = Promise.withResolvers();
  #session: WorkerSession | null = null;
  #isLeaving = false;

  /** Opens nothing yet. */
  constructor(graph: FlowGraph, options: WorkerOptions, host: LocalWorkerHost) {
    this.index = options.index;
    this.#graph = graph;
    this.#options = options;
    this.#host = host;
  }

  /** The worker itself, once it has been started: for those who look at it from outside. */
  get worker(): Worker | null {
    return this.#session?.worker ?? null;
  }

  get status(): WorkerStatus | null {
    return this.#session?.status ?? null;
  }

  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  start(take: (report: Report) => void): void {
    const send = (report: Report): void => {
      this.#host.schedule(`${workerPeer(this.index)} to coordinator`, () => take(report));
      if (report.kind === "left") void this.#leave();
      if (report.kind === "finished") this.#gone.resolve(); // it has closed all
    };
    const join = () => Promise.resolve(this.#host.join());
    this.#session = new WorkerSession(this.#graph, this.#options, { send, join });
    send(this.#session.loaded);
  }

  send(instruction: Instruction): void {
    this.#host.schedule(`coordinator to ${workerPeer(this.index)}`, () => {
      this.#session?.take(instruction);
    });
  }

  flushed(): Promise<void> {
    return Promise.resolve(); // there is nothing between
  }

  abort(): void {
    void this.#leave(); // and not by the schedule: as a process is killed
  }

  /** Leaves when nothing is being opened any more: what is open by then has to be closed. */
  async #leave(): Promise<void> {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    this.#session?.end();
    await this.#session?.settled;
    await this.#session?.close();
    this.#gone.resolve();
  }
}
