/**
 * A worker in a process of its own, as the conductor of its run sees it.
 *
 * @module
 */
import type { Epoch, WorkerIndex } from "../../core/ids.ts";
import type { LogLevel } from "../../core/log.ts";
import { within } from "../../core/promises.ts";
import type { MeasuredMetric } from "../../graph/measured.ts";
import type { FlowDescription } from "../flow_description.ts";
import type { Instruction, Report } from "../run/messages.ts";
import type { StateAnswer, StateQuestion } from "../../ops/state_question.ts";
import { NO_READINGS, type WorkerReadings } from "../worker_readings.ts";
import type { WorkerPort, WorkerStatus } from "../run/worker_port.ts";
import type { ControlLink } from "./control_link.ts";
import { fromFailure } from "./failure.ts";
import type { MeshAddresses, ToCoordinator, ToWorker } from "./protocol.ts";
import type { Memory } from "./run_monitor.ts";
import type { SocketAddress } from "./socket_folder.ts";
import type { WorkerChild } from "./spawn.ts";

/**
 * How long a worker's last words may take to arrive after its process has ended, in milliseconds.
 * Its process may take as long to end after it has hung up. A process that the flow has started may
 * hold the worker's socket open, with half a message in it.
 */
const LAST_WORDS_MS = 3_000;

/** A line that a worker logs. */
export type WorkerLine = Extract<ToCoordinator, { kind: "log" }>;

/** The coordinator, as far as one of its workers is concerned. */
export interface RemoteHost {
  /** How many workers there are. */
  readonly workers: number;
  readonly moduleUrl: string;
  readonly exportName: string | null;
  readonly logLevel: LogLevel;
  /** How often workers say how far they are, in milliseconds. */
  readonly statusMs: number;
  /**
   * How the workers reach one another; `null` where there is one only. Asked once all have loaded.
   */
  mesh(): MeshAddresses | null;
  /** The worker has said something. */
  heard(worker: WorkerIndex): void;
  /** It has said how far it is. */
  onStatus(): void;
  /** Items of traces have been read in an epoch. */
  onTraces(epoch: Epoch, traces: readonly string[]): void;
  /** It logs a line. */
  onLine(worker: WorkerIndex, line: WorkerLine): void;
}

/** Reaches a worker process over its control link. */
export class RemoteWorker implements WorkerPort {
  readonly index: WorkerIndex;
  readonly #child: WorkerChild;
  readonly #host: RemoteHost;
  #link: ControlLink<ToCoordinator, ToWorker> | null = null;
  #take: (report: Report) => void = () => {};
  #status: WorkerStatus | null = null;
  #questions = 0;
  readonly #asked = new Map<number, PromiseWithResolvers<StateAnswer>>();
  #hasExited = false;
  #memory: Memory | null = null;
  #readings: WorkerReadings = NO_READINGS;
  #measured: readonly MeasuredMetric[] = [];
  #flow: FlowDescription | null = null;
  #address: SocketAddress | null = null;
  #exit: { readonly code: number; readonly isAborted: boolean } | null = null;
  #hasFinished = false;
  #hasLoaded = false;
  #hasFailed = false; // and has said so
  #isAborted = false;
  #isCut = false;

  /** Takes over a process that has been started. */
  constructor(index: WorkerIndex, child: WorkerChild, host: RemoteHost) {
    this.index = index;
    this.#child = child;
    this.#host = host;
    void child.exited.then((status) => {
      this.#hasExited = true;
      for (const { reject } of this.#asked.values()) reject(new Error(`worker ${index} has gone`));
      return this.#onExit(status);
    });
  }

  get status(): WorkerStatus | null {
    return this.#status;
  }

  /** What it used when it said last how it stands; `null` before. */
  get memory(): Memory | null {
    return this.#memory;
  }

  /** What it said last for operators. */
  get readings(): WorkerReadings {
    return this.#readings;
  }

  /** What users have measured in it, as it said last. */
  get measured(): readonly MeasuredMetric[] {
    return this.#measured;
  }

  /** The flow that it has loaded; `null` before. */
  get flow(): FlowDescription | null {
    return this.#flow;
  }

  get gone(): Promise<unknown> {
    return this.#child.exited;
  }

  /** The process's number. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Where it waits for the other workers; `null` where there are none. */
  get address(): SocketAddress | null {
    return this.#address;
  }

  /** What its process exited with once it had finished: the flow may have set it. Else 0. */
  get exitCode(): number {
    return this.#hasFinished ? this.#exit?.code ?? 0 : 0;
  }

  /** In a run that failed: what its process exited with where it left by itself. Else 0. */
  get exitCodeOfFailure(): number {
    if (this.#exit === null) return 0;
    const hasLeft = this.#hasFinished || this.#hasFailed || this.#exit.isAborted;
    return hasLeft ? this.#exit.code : 0;
  }

  /** Whether it has loaded the flow. */
  get hasLoaded(): boolean {
    return this.#hasLoaded;
  }

  start(take: (report: Report) => void): void {
    this.#take = take;
  }

  /**
   * The process has connected: it is to load the flow. Returns when it has said its last word.
   *
   * @throws {Error} If it does not keep to the protocol, or hangs up and goes on.
   */
  async follow(link: ControlLink<ToCoordinator, ToWorker>): Promise<void> {
    this.#link = link;
    const { index } = this;
    const { workers: count, moduleUrl, exportName, logLevel, statusMs } = this.#host;
    link.send({ kind: "load", index, count, moduleUrl, exportName, logLevel, statusMs });
    for await (const message of link.messages()) {
      this.#host.heard(index);
      this.#onMessage(message);
    }
    if (this.#hasFinished || await within(this.#child.exited, LAST_WORDS_MS)) return;
    throw new Error(`worker ${index} has hung up, and its process goes on`);
  }

  send(instruction: Instruction): void {
    switch (instruction.kind) {
      case "open":
        return this.#link?.send({ ...instruction, mesh: this.#host.mesh() });
      case "cutShort":
        this.#isCut = true;
        return this.#link?.send(instruction);
      default:
        return this.#link?.send(instruction);
    }
  }

  async flushed(): Promise<void> {
    await this.#link?.flushed();
  }

  /** One that has not connected cannot be told. */
  abort(): void {
    this.#isAborted = true;
    if (this.#link === null) this.#child.kill();
    else this.#link.send({ kind: "abort" });
  }

  /**
   * Asks about the state of its keys.
   *
   * @throws {Error} If it leaves before it has answered, or has not connected yet.
   */
  ask(question: StateQuestion): Promise<StateAnswer> {
    const answer = Promise.withResolvers<StateAnswer>();
    if (this.#link === null || this.#hasExited) {
      answer.reject(new Error(`worker ${this.index} is not there`));
    } else {
      const number = this.#questions++;
      this.#asked.set(number, answer);
      this.#link.send({ kind: "ask", number, question });
    }
    return answer.promise;
  }

  /** Asks it whether it is there. */
  ping(): void {
    this.#link?.send({ kind: "ping" });
  }

  /** Ends its process, if it has not left. */
  kill(): void {
    this.#child.kill();
  }

  /** Ends its process and frees what is held for it. Returns when that has gone. */
  async close(): Promise<void> {
    this.#child.kill();
    this.#link?.close();
    await this.#child.exited;
  }

  #onMessage(message: ToCoordinator): void {
    switch (message.kind) {
      case "loaded":
        this.#address = message.mesh;
        this.#flow = message.graph;
        this.#hasLoaded = true;
        return this.#take(message);
      case "inputFailed": {
        const error = fromFailure(message.failure, this.index);
        return this.#take({ kind: "inputFailed", error });
      }
      case "failed":
        this.#hasFailed = true;
        return this.#take({ kind: "failed", error: fromFailure(message.failure, this.index) });
      case "finished":
        this.#hasFinished = true;
        this.#status = { steps: message.steps, progress: null, waitingFor: [] };
        return this.#take(message);
      case "status":
        this.#status = message;
        this.#memory = message.memory;
        this.#readings = message;
        return this.#host.onStatus();
      case "measured":
        this.#measured = message.metrics;
        return;
      case "traced":
        return this.#host.onTraces(message.epoch, message.traces);
      case "log":
        return this.#host.onLine(this.index, message);
      case "told":
        this.#asked.get(message.number)?.resolve(message.answer);
        this.#asked.delete(message.number);
        return;
      case "pong":
        return;
      default:
        return this.#take(message);
    }
  }

  /**
   * A worker that leaves before it has finished, and has not said why, has been killed or has quit.
   */
  async #onExit({ code, signal }: Deno.CommandStatus): Promise<void> {
    if (signal === null) this.#exit = { code, isAborted: this.#isAborted };
    if (this.#hasFinished || this.#isCut) return;
    const link = this.#link;
    // What it said last may still be on its way through the socket.
    if (link !== null) await within(link.drained(), LAST_WORDS_MS);
    if (this.#hasFinished) return; // which was what it said
    const how = signal === null ? `with code ${code}` : `by ${signal}`;
    const why = signal === "SIGKILL" || signal === "SIGABRT" || signal === "SIGTRAP"
      ? " (out of memory?)"
      : signal === null && link !== null
      ? " (does the flow call Deno.exit?)"
      : "";
    const when = link === null
      ? "before it could load the flow; Deno says above why"
      : `while it ran${why}`;
    this.#take({
      kind: "failed",
      error: new Error(`worker ${this.index} ended ${how} ${when}`),
    });
  }
}
