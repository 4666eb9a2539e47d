/**
 * What a worker tells operators besides its counts.
 *
 * @module
 */
import type { PartitionName, StepId } from "../core/ids.ts";

/** What a worker tells. */
export interface WorkerReadings {
  readonly lag: readonly InputLag[];
  readonly eventTimes: readonly StepEventTime[];
}

/** How far an input is from the end of a partition. */
export interface InputLag {
  readonly step: StepId;
  readonly partition: PartitionName;
  /** Items that have not been handed out. */
  readonly items: number;
}

/** How far event time has come at a window step. */
export interface StepEventTime {
  readonly step: StepId;
  /** In milliseconds since the Unix epoch. */
  readonly time: number;
  /** The source that holds it back; `null` if none does. */
  readonly heldBy: string | null;
}
