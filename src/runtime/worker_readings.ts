/**
 * What a worker tells operators besides its counts.
 *
 * @module
 */
import type { PartitionName, StepId } from "../core/ids.ts";
import type { ConnectionReading } from "../core/connection_reading.ts";
import type { OpenTransactions } from "../graph/contracts.ts";
import type { StageReading } from "./stage_readings.ts";

/** What a worker tells. */
export interface WorkerReadings {
  readonly lag: readonly InputLag[];
  readonly eventTimes: readonly StepEventTime[];
  readonly stages: readonly StageReading[];
  readonly state: readonly StateReading[];
  readonly openWindows: readonly OpenWindows[];
  readonly outputs: readonly OutputReading[];
  readonly connections: readonly StepConnection[];
}

/** That of a worker that has not told anything yet. */
export const NO_READINGS: WorkerReadings = {
  lag: [],
  eventTimes: [],
  stages: [],
  state: [],
  openWindows: [],
  outputs: [],
  connections: [],
};

/** How far an input is from the end of a partition. */
export interface InputLag {
  readonly step: StepId;
  readonly partition: PartitionName;
  /** Items that have not been handed out. */
  readonly items: number;
  /**
   * While there are any: how old the item is that was handed out last, in milliseconds; `null` if
   * that is not known.
   */
  readonly ms: number | null;
  /** How old the number of items is, in milliseconds; `null` if it cannot change, or is unknown. */
  readonly ageMs: number | null;
}

/** How far event time has come at a window step. */
export interface StepEventTime {
  readonly step: StepId;
  /** In milliseconds since the Unix epoch. */
  readonly time: number;
  /** How long ago that is by the worker's clock, in milliseconds. */
  readonly behindMs: number;
  /** The source that holds it back; `null` if none does. */
  readonly heldBy: string | null;
}

/** The keys of a stateful step on a worker. */
export interface StateReading {
  readonly step: StepId;
  readonly keys: number;
  /** About how many bytes their states take in snapshots; `null` where that is not known. */
  readonly bytes: number | null;
}

/** The windows of a step that are open on a worker, over all keys. */
export interface OpenWindows {
  readonly step: StepId;
  readonly count: number;
}

/** An output on a worker. */
export interface OutputReading {
  readonly step: StepId;
  /** How long it took to make the last epoch durable, in milliseconds; `null` before the first. */
  readonly prepareMs: number | null;
  /** Its transactions that are not committed yet; `null` if it has none at all. */
  readonly transactions: OpenTransactions | null;
}

/** A connection of an input or output. */
export interface StepConnection extends ConnectionReading {
  readonly step: StepId;
}
