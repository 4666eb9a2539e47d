/**
 * A worker, as the conductor of a run sees it: in this process or in another.
 *
 * @module
 */
import type { WorkerIndex } from "../../core/ids.ts";
import type { Progress } from "../../graph/contracts.ts";
import type { StepCounts } from "../counts.ts";
import type { Instruction, Report } from "./messages.ts";

/** How far a worker has come. */
export interface WorkerStatus {
  /** Items in and out of each step. */
  readonly steps: readonly StepCounts[];
  /** How much of its share of the inputs it has read, where that is known. */
  readonly progress: Progress | null;
  /** What its inputs and outputs cannot go on without at the moment, such as `broker`. */
  readonly waitingFor: readonly string[];
}

/** Reaches one worker. Messages keep their order, each way. */
export interface WorkerPort {
  /** Which worker it is. */
  readonly index: WorkerIndex;
  /** How far it has come, as far as is known here. */
  readonly status: WorkerStatus | null;
  /** Resolves when the worker has left: nothing is open any more. */
  readonly gone: Promise<unknown>;
  /**
   * Has the worker load its flow. Called once, before anything is sent; not at all where the run is
   * over before.
   *
   * @param take Takes what the worker says. May be called before `start` returns.
   */
  start(take: (report: Report) => void): void;
  /** Sends an instruction. What a worker that has left is sent is dropped. */
  send(instruction: Instruction): void;
  /** Resolves when all that was sent is on its way. */
  flushed(): Promise<void>;
  /** Has the worker leave at once, started or not. It says nothing more. */
  abort(): void;
}
