/**
 * A worker process: it follows its coordinator, loads the flow and runs its share.
 *
 * @module
 */
import { type Clock, systemClock, wakeAfter } from "../../core/clock.ts";
import type { Epoch } from "../../core/ids.ts";
import { createLog, isAtLeast, type Log, type LogLevel } from "../../core/log.ts";
import type { FlowGraph } from "../../graph/graph.ts";
import { Mesh } from "../exchange/mesh.ts";
import { describeFlow } from "../flow_description.ts";
import { whileLoading } from "../nesting.ts";
import { type LaterReport, WorkerSession } from "../run/worker_session.ts";
import { NO_TELEMETRY, openTelemetry, type WorkerTelemetry } from "../worker_telemetry.ts";
import type { ControlLink } from "./control_link.ts";
import { FAILED } from "./exit_code.ts";
import { toFailure } from "./failure.ts";
import { loadFlow } from "./load_flow.ts";
import { MeshListener } from "./mesh_listener.ts";
import type { MeshAddresses, ToCoordinator, ToWorker } from "./protocol.ts";
import type { RunFolder } from "./socket_folder.ts";
import { SocketTransport } from "./socket_transport.ts";

type Link = ControlLink<ToWorker, ToCoordinator>;
type Of<K extends ToWorker["kind"]> = Extract<ToWorker, { kind: K }>;

/**
 * How long a worker that has lost another waits for its coordinator to say why, in milliseconds.
 * What happened to that other one is the better reason. The coordinator may need four seconds: it
 * waits for what the other one printed and said last.
 */
const LOST_MS = 5_000;

/** What a worker process is made with. Tests replace parts of it. */
export interface WorkerProcessOptions {
  readonly clock?: Clock;
  /** Ends the process. */
  readonly exit?: (code: number) => void;
}

/** The worker of this process, from `load` to `finished`. */
export class WorkerProcess {
  readonly #link: Link;
  readonly #folder: RunFolder | null;
  readonly #clock: Clock;
  readonly #exit: (code: number) => void;
  #session: WorkerSession | null = null;
  #listener: MeshListener | null = null;
  #mesh: MeshAddresses | null = null;
  #status: ReturnType<typeof setInterval> | undefined;
  #telemetry: WorkerTelemetry = NO_TELEMETRY;
  #isRunning = false;
  #toldWaiting = ""; // what the coordinator believes that it waits for
  #ended = false;
  #leaving = false;

  /** `folder` is where the run's sockets are. */
  constructor(
    link: Link,
    folder: RunFolder | null,
    { clock = systemClock, exit = Deno.exit }: WorkerProcessOptions = {},
  ) {
    this.#link = link;
    this.#folder = folder;
    this.#clock = clock;
    this.#exit = exit;
  }

  /**
   * Follows the coordinator. Returns when it has gone or all is done.
   *
   * It waits for nothing but messages. A flow file that never finishes loading, or an output that
   * never commits, must not hide that the coordinator has gone.
   */
  async follow(): Promise<void> {
    for await (const message of this.#link.messages()) {
      switch (message.kind) {
        case "load":
          void this.#load(message).catch((thrown) => this.fail(thrown));
          break;
        case "abort":
          void this.#leave();
          break;
        case "ping":
          this.#link.send({ kind: "pong" });
          break;
        case "ask":
          this.#tell(message);
          break;
        case "open":
          this.#mesh = message.mesh;
          this.#session?.take(message);
          break;
        case "run":
          this.#isRunning = true;
          this.#session?.take(message);
          break;
        default:
          this.#session?.take(message);
      }
    }
  }

  async #load(message: Of<"load">): Promise<void> {
    const { index, count, moduleUrl, exportName, logLevel, statusMs } = message;
    const graph: FlowGraph = await whileLoading(() => loadFlow(moduleUrl, exportName, Deno.args));
    const log = this.#log(logLevel);
    const telemetry = openTelemetry(graph, index, log);
    if (telemetry !== null) this.#telemetry = await telemetry;
    const session = new WorkerSession(graph, {
      index,
      count,
      clock: this.#clock,
      log,
      traces: this.#telemetry.traces,
    }, {
      send: (report) => this.#send(report),
      join: () => this.#join(),
    });
    this.#session = session;
    if (!this.#leaving) this.#status = setInterval(() => this.#tellStatus(session), statusMs);
    if (count > 1) this.#listener = MeshListener.open(this.#folder, index);
    const mesh = this.#listener?.address ?? null;
    this.#link.send({ ...session.loaded, mesh, graph: describeFlow(graph, count) });
  }

  async #join(): Promise<Mesh | null> {
    if (this.#mesh === null) return null;
    const { addresses, key } = this.#mesh;
    const conns = await this.#listener!.join(addresses, key).catch(async (error) => {
      await this.#untilExplained();
      throw error;
    });
    return new Mesh(
      new SocketTransport(conns, async (peer, cause) => {
        await this.#untilExplained();
        const error = new Error(`the connection to worker ${peer} broke`, { cause });
        if (!this.#ended && !this.#leaving) this.#session!.worker.fail(error);
      }),
    );
  }

  /**
   * Waits after the loss of another worker. If it has failed or ended, the coordinator has this
   * worker leave meanwhile. What is thrown after that is not heard.
   */
  #untilExplained(): Promise<void> {
    return new Promise((resolve) => void wakeAfter(this.#clock, LOST_MS, resolve));
  }

  /** Between two batches: what a key's state is, is always known then. */
  #tell({ number, question }: Of<"ask">): void {
    const answer = this.#session?.worker.stateNow(question) ?? { steps: [], states: [] };
    this.#link.send({ kind: "told", number, answer });
  }

  /** Before it runs, it has nothing to tell but what it waits for, each time that this changes. */
  #tellStatus({ status, readings, isClosing }: WorkerSession): void {
    const waitsFor = status.waitingFor.join();
    if (isClosing || (!this.#isRunning && waitsFor === this.#toldWaiting)) return;
    if (this.#link.isSending) return; // a coordinator that stands still would get all of them
    this.#toldWaiting = waitsFor;
    const { rss, heapUsed } = Deno.memoryUsage();
    this.#link.send({ kind: "status", ...status, ...readings, memory: { rss, heapUsed } });
    this.#tellMeasured();
  }

  #tellMeasured(): void {
    const metrics = this.#session?.measured ?? [];
    if (metrics.length > 0) this.#link.send({ kind: "measured", metrics });
    this.#telemetry.ownMetrics?.record();
  }

  /** Told before the end of the epoch, so that the coordinator has them when it commits that. */
  #tellTraces(epoch: Epoch): void {
    const traces = this.#telemetry.traces?.take(epoch) ?? [];
    if (traces.length > 0) this.#link.send({ kind: "traced", epoch, traces });
  }

  #send(report: LaterReport): void {
    switch (report.kind) {
      case "failed":
        return void this.fail(report.error);
      case "inputFailed":
        return this.#link.send({ kind: "inputFailed", failure: toFailure(report.error) });
      case "epochClosed":
        this.#tellTraces(report.epoch);
        return this.#link.send(report);
      case "ended":
        this.#ended = true;
        this.#tellTraces(report.epoch);
        return this.#link.send(report);
      case "left":
        this.#tellMeasured();
        this.#link.send(report);
        return void this.#link.flushed().then(() => this.#leave());
      case "finished":
        this.#close();
        this.#tellMeasured();
        this.#link.send(report);
        return void this.#link.flushed().then(() => this.#link.close()); // nothing else comes
      default:
        return this.#link.send(report);
    }
  }

  #log(least: LogLevel): Log {
    return createLog((level, message, fields) => {
      if (!isAtLeast(level, least)) return;
      this.#link.send({ kind: "log", level, message, fields });
    });
  }

  #close(): void {
    clearInterval(this.#status);
    this.#listener?.close();
  }

  /** Reports a failure, frees what is held and leaves. */
  async fail(thrown: unknown): Promise<void> {
    if (this.#leaving) return; // what fails now fails because of that
    this.#tellMeasured();
    this.#link.send({ kind: "failed", failure: toFailure(thrown) });
    await this.#link.flushed();
    await this.#leave();
  }

  async #leave(): Promise<void> {
    if (this.#leaving) return;
    this.#leaving = true;
    this.#session?.end();
    this.#close();
    await this.#session?.close();
    this.#exit(Deno.exitCode || FAILED);
  }
}
