/**
 * A worker's side of the conversation with the conductor of its run.
 *
 * @module
 */
import { describeSteps, type FlowGraph } from "../../graph/graph.ts";
import type { MeasuredMetric } from "../../graph/measured.ts";
import { countSteps } from "../../graph/written_steps.ts";
import type { Mesh } from "../exchange/mesh.ts";
import { storedStepsOf } from "../stored_steps.ts";
import { Worker, type WorkerOptions } from "../worker.ts";
import type { Instruction, InstructionOf, Report, ReportOf } from "./messages.ts";
import type { WorkerReadings } from "../worker_readings.ts";
import type { WorkerStatus } from "./worker_port.ts";

/** What a worker says once it has said that its flow is loaded. */
export type LaterReport = Exclude<Report, { kind: "loaded" }>;

/** What carries the conversation. */
export interface SessionHost {
  /** Sends a report. `left`, `finished` and `failed` are the last one. */
  send(report: LaterReport): void;
  /** Connects the worker to the others; `null` where there are none. */
  join(): Promise<Mesh | null>;
}

/** Follows a conductor's instructions with one worker. */
export class WorkerSession {
  /** The worker. */
  readonly worker: Worker;
  /** The first report, for the host to send. */
  readonly loaded: ReportOf<"loaded">;
  readonly #host: SessionHost;
  #isOver = false;
  #hasEnded = false;
  #work: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | null = null;

  /** Plans the flow; opens nothing yet. */
  constructor(graph: FlowGraph, options: WorkerOptions, host: SessionHost) {
    this.#host = host;
    this.worker = new Worker(graph, options, {
      stateChanged: (epoch, chunk) => this.#send({ kind: "stateChanged", epoch, chunk }),
      acknowledge: (epoch, positions) => this.#send({ kind: "epochClosed", epoch, positions }),
      stopRequested: () => this.#send({ kind: "stopRequested" }),
      inputFailed: (error) => this.#send({ kind: "inputFailed", error }),
      gaveUp: () => this.#send({ kind: "gaveUp" }),
    });
    this.loaded = {
      kind: "loaded",
      flow: graph.name,
      written: countSteps(graph),
      steps: describeSteps(graph),
      stored: storedStepsOf(graph),
    };
  }

  /** How far the worker has come. */
  get status(): WorkerStatus {
    return {
      steps: this.worker.counts(),
      progress: this.worker.progress(),
      waitingFor: this.worker.waitingFor(),
    };
  }

  /** What else operators want to know of it. */
  get readings(): WorkerReadings {
    return this.worker.readings();
  }

  /** What users have measured in their own code. */
  get measured(): readonly MeasuredMetric[] {
    return this.worker.measured();
  }

  /** Whether inputs and outputs are being closed, or are closed already. */
  get isClosing(): boolean {
    return this.#closing !== null;
  }

  /** Resolves when what the worker plans, opens and runs has come to its end, well or not. */
  get settled(): Promise<unknown> {
    return this.#work;
  }

  /**
   * Follows an instruction. It waits for nothing: an output that never commits must not keep the
   * worker from taking the next one.
   */
  take(instruction: Instruction): void {
    if (this.#isOver) return;
    const { worker } = this;
    switch (instruction.kind) {
      case "plan":
        return this.#start(() => this.#plan(instruction));
      case "open":
        return this.#start(() => this.#open(instruction));
      case "run":
        return this.#start(() => this.#run());
      case "finish":
        return this.#start(() => this.#finish(instruction));
      case "state":
        return this.#do(() => worker.restore(instruction.step, instruction.keys));
      case "closeEpoch":
        return this.#do(() => worker.trigger(instruction.epoch));
      case "commitEpoch":
        return this.#do(() => this.#commit(instruction));
      case "stillClosing":
        return this.#do(() => worker.stillClosing(instruction.epoch, instruction.ms));
      case "stop":
        return this.#do(() => worker.stop());
      case "giveUp":
        return this.#do(() => worker.giveUp());
      case "cutShort":
        return this.#sayLast({ kind: "left", steps: worker.left });
    }
  }

  /** Ends the worker's part with an error, which the conductor is told. */
  fail(thrown: unknown): void {
    if (this.#isOver) return; // what fails now fails because of that
    this.#sayLast({ kind: "failed", error: thrown });
  }

  /** Ends the worker's part at once: it says nothing more. */
  end(): void {
    this.#isOver = true;
    this.worker.fail(new Error("the run is over")); // its loop stops
  }

  /** Closes all that is open. */
  close(): Promise<void> {
    return this.#closing ??= this.worker.close();
  }

  async #plan({ positions, recovery }: InstructionOf<"plan">): Promise<void> {
    const plans = await this.worker.plan(positions, recovery);
    this.#send({ kind: "planned", plans });
  }

  async #open(instruction: InstructionOf<"open">): Promise<void> {
    const { epoch, plans, positions, snapshots, recovery } = instruction;
    const mesh = await this.#host.join();
    await this.worker.open({ epoch, plans, positions, snapshots, recovery, mesh });
    this.#send({ kind: "opened", positions: this.worker.positionsAt(epoch - 1) });
  }

  async #run(): Promise<void> {
    await this.worker.run();
    const { stopped } = this.worker;
    this.#hasEnded = true;
    this.#send({ kind: "ended", stopped, ...this.worker.finalPositions() });
  }

  /** A worker that has not ended reports its positions with its next epoch. */
  async #commit({ epoch }: InstructionOf<"commitEpoch" | "finish">): Promise<void> {
    await this.worker.commit(epoch);
    const settled = this.#hasEnded ? this.worker.settledPositions() : null;
    if (settled !== null) this.#send({ kind: "settled", ...settled });
  }

  async #finish(instruction: InstructionOf<"finish">): Promise<void> {
    await this.#commit(instruction);
    await this.close();
    if (!this.#isOver) this.#sayLast({ kind: "finished", steps: this.worker.counts() });
  }

  /** Does a part of the worker's life. */
  #start(work: () => Promise<void>): void {
    this.#work = Promise.all([this.#work, this.#guard(work)]);
  }

  #do(work: () => void | Promise<void>): void {
    void this.#guard(work);
  }

  async #guard(work: () => void | Promise<void>): Promise<void> {
    try {
      await work();
    } catch (thrown) {
      this.fail(thrown);
    }
  }

  #send(report: LaterReport): void {
    if (!this.#isOver) this.#host.send(report);
  }

  #sayLast(report: ReportOf<"left" | "finished" | "failed">): void {
    this.#isOver = true;
    this.#host.send(report);
  }
}
