/**
 * A run whose workers are all in this process, joined in memory.
 *
 * `run()` has one worker. With more, what they and the conductor send one another goes by a
 * schedule, so that its order can be decided from outside.
 *
 * @module
 */
import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import type { FlowGraph } from "../../graph/graph.ts";
import type { RecoveryConfig } from "../../recovery/store.ts";
import { type CreditWindow, Mesh } from "../exchange/mesh.ts";
import type { StepChanges } from "../step_changes.ts";
import { closeMilliseconds } from "../stop_limit.ts";
import type { Traces } from "../traces.ts";
import { Conductor } from "./conductor.ts";
import { LocalWorker } from "./local_worker.ts";
import { MemoryNetwork, type SentFrame } from "./memory_network.ts";
import type { RunObserver, RunResult } from "./run_settings.ts";
import { atOnce, type Schedule } from "./schedule.ts";

/** How a {@linkcode MemoryRun} runs. */
export interface MemoryRunSettings {
  readonly workers: number;
  readonly recovery: RecoveryConfig | null;
  readonly log: Log;
  readonly clock: Clock;
  /** How long an epoch lasts, in milliseconds. */
  readonly intervalMs: number;
  readonly stepChanges: StepChanges;
  /** How long a graceful stop may take, in milliseconds. */
  readonly stopMs: number;
  /**
   * Decides when messages arrive. Without it, those between the conductor and a worker arrive at
   * once, and those between two workers in a later turn of the event loop.
   */
  readonly schedule?: Schedule;
  /** How much may be on its way from one worker to another. */
  readonly window?: CreditWindow;
  /** Sees every frame that a worker sends to another. */
  readonly onFrame?: (frame: SentFrame) => void;
  /** The traces of items; `null` or absent if nothing is exported. */
  readonly traces?: Traces | null;
  /** Is told how the run goes on. */
  readonly observer?: RunObserver;
}

/** One run of a flow in this process. */
export class MemoryRun {
  /** Its workers. */
  readonly workers: readonly LocalWorker[];
  readonly #conductor: Conductor;

  /** Opens nothing yet. */
  constructor(graph: FlowGraph, settings: MemoryRunSettings) {
    const { workers: count, clock, log, stopMs, schedule, window, onFrame, traces } = settings;
    const closeMs = closeMilliseconds(stopMs) / 2;
    const leaveMs = { done: null, failed: null, early: closeMs, killed: closeMs };
    this.#conductor = new Conductor({ ...settings, leaveMs }, settings.observer);
    const network = new MemoryNetwork({ schedule, onFrame });
    this.workers = Array.from({ length: count }, (_, index) => {
      const join = () => count === 1 ? null : new Mesh(network.transport(index), window);
      const host = { schedule: schedule ?? atOnce, join };
      return new LocalWorker(graph, { index, count, clock, log, traces }, host);
    });
  }

  /**
   * Runs the flow to its end, or until a graceful stop is done.
   *
   * @throws {Error} What made it fail.
   */
  async run(): Promise<RunResult> {
    try {
      return await this.#conductor.run(this.workers);
    } finally {
      await this.#conductor.close();
    }
  }

  /** Stops the run gracefully. */
  stop(): void {
    this.#conductor.stop();
  }

  /** Stops the run at once: it fails, as after a crash. */
  kill(): void {
    this.#conductor.kill();
  }
}
