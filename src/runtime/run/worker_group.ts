/**
 * The workers of a run, as its conductor knows them: what each has reported, and how far it is.
 *
 * @module
 */
import type { WorkerIndex } from "../../core/ids.ts";
import type { LeftOnWorker, LeftStep } from "../stop_limit.ts";
import type { Instruction, ReportOf } from "./messages.ts";
import type { WorkerPort } from "./worker_port.ts";

/** The last report of a worker that the conductor waits for from all of them. */
export type WorkerPhase = "loading" | "loaded" | "opened" | "ended" | "finished";

interface WorkerRecord {
  readonly port: WorkerPort;
  phase: WorkerPhase;
  loaded: ReportOf<"loaded"> | null;
  /** What it had not done when the run was cut short, as it says itself. */
  left: readonly LeftStep[] | null;
}

/** Follows all workers of a run. */
export class WorkerGroup {
  readonly #workers: readonly WorkerRecord[];

  /** The ports, in the order of the workers' indexes. */
  constructor(ports: readonly WorkerPort[]) {
    this.#workers = ports.map((port) => ({ port, phase: "loading", loaded: null, left: null }));
  }

  /** How many workers there are. */
  get size(): number {
    return this.#workers.length;
  }

  /** What each has loaded, in the order of their indexes. Once all have. */
  get loaded(): readonly ReportOf<"loaded">[] {
    return this.#workers.map(({ loaded }) => loaded!);
  }

  /** Resolves when all have left. */
  get gone(): Promise<unknown> {
    return Promise.all(this.#workers.map(({ port }) => port.gone));
  }

  /** Whether each has reported what it leaves, or has finished. */
  get haveAnswered(): boolean {
    return this.#workers.every(({ left, phase }) => left !== null || phase === "finished");
  }

  /** What each has not done; in words if it does not answer. */
  get left(): readonly LeftOnWorker[] {
    return this.#workers.map((worker) => ({ worker: worker.port.index, left: leftOf(worker) }));
  }

  /** The port of a worker. */
  port(index: WorkerIndex): WorkerPort {
    return this.#workers[index].port;
  }

  /** Notes what a worker has loaded. */
  hasLoaded(index: WorkerIndex, report: ReportOf<"loaded">): void {
    this.#workers[index].loaded = report;
  }

  /** Notes what a worker leaves undone. */
  leaves(index: WorkerIndex, steps: readonly LeftStep[]): void {
    this.#workers[index].left = steps;
  }

  /** Notes that a worker has come to a phase. Returns whether all are there now. */
  reaches(index: WorkerIndex, phase: WorkerPhase): boolean {
    this.#workers[index].phase = phase;
    return this.#workers.every((each) => each.phase === phase);
  }

  /** Sends an instruction to all. */
  broadcast(instruction: Instruction): void {
    for (const { port } of this.#workers) port.send(instruction);
  }

  /** Has all leave at once. */
  abort(): void {
    for (const { port } of this.#workers) port.abort();
  }
}

function leftOf({ phase, left }: WorkerRecord): readonly LeftStep[] | string {
  if (phase === "ended" || phase === "finished") return [];
  return left ?? "it does not answer, as when a step is at work without a pause";
}
