/**
 * What says, in the channels and in order with the data, where items come from. `source_times.ts`
 * has the picture.
 *
 * @module
 */

import type { PartitionName, StepId, WorkerIndex } from "../../core/ids.ts";

/** A source, by a name that is its own in the run. */
export type SourceName = string;

const ON_WORKER = " on worker ";

/** In place of a source: the items that follow are of none that is known. */
export const NO_SOURCE: SourceName = "";

/** What has sources: an input or a window step, on one worker. */
export type OriginName = string;

/** What a source may still send. */
export type SourceState =
  /** It has more to read, or may have: it holds time back. */
  | "behind"
  /** All that it has has been read. It holds time back while its items are coming. */
  | "current"
  /** It sends nothing more. */
  | "ended";

/** The items that follow are of this source, until another `from` comes. */
export interface From {
  readonly kind: "from";
  readonly source: SourceName;
  readonly origin: OriginName;
  /** They were read after this tick of the origin. */
  readonly tick: number;
  /** Whether they are partial results of many values; see `window_combining.ts`. */
  readonly isCombined?: true;
  /**
   * In the log of a group: the newest time that the source has with these items, in milliseconds
   * since the Unix epoch. It is about that, and not less than what items before have.
   */
  readonly reaches?: number;
}

/** Returns whether items after one are what items after the other are. */
export function isSameFrom(a: From, b: From): boolean {
  return a.source === b.source && a.tick === b.tick && a.isCombined === b.isCombined;
}

/** The newest time of the values in the partial results that have gone out before. */
export interface Newest {
  readonly kind: "newest";
  readonly source: SourceName;
  readonly origin: OriginName;
  /** The values were read after this tick of the origin. */
  readonly tick: number;
  /** In milliseconds since the Unix epoch. */
  readonly time: number;
}

/** All that an origin sent before it has passed. */
export interface Tick {
  readonly kind: "tick";
  readonly origin: OriginName;
  /** Counted from 1. */
  readonly number: number;
  /** The sources that have changed since the last tick. The first tick has all of them. */
  readonly states: readonly (readonly [SourceName, SourceState])[];
  /**
   * A window step emits nothing older than this any more, in milliseconds since the Unix epoch. So
   * one that has nothing to emit does not hold time back.
   */
  readonly reached?: number;
  /** Present where a group's tasks reach one another through its log; see `logged_time.ts`. */
  readonly logged?: LoggedTick;
}

/**
 * What a tick says in addition that goes through the log of a group. It has all sources of its
 * origin, and not only those that have changed: a source that it does not have has ended. Times are
 * in milliseconds since the Unix epoch, by the clock of the origin's machine.
 */
export interface LoggedTick {
  /** When all of this was true. */
  readonly at: number;
  /**
   * When the newest of it became known; absent if that is the same. It is later for a window step,
   * which follows all origins upstream, and is complete as far as the last of them.
   */
  readonly knownAt?: number;
  /** Since when the origin has had nothing to read, all the time up to `at`; `null`: it has had. */
  readonly idleSince: number | null;
}

/** What a worker's part of a step has seen between two ticks of an origin. It goes to its peers. */
export interface TickReport {
  readonly kind: "report";
  readonly origin: OriginName;
  readonly number: number;
  /** The newest time of the items of each source, in milliseconds since the Unix epoch. */
  readonly newest: readonly (readonly [SourceName, number])[];
  /** Up to where windows may have closed there: `EventTime.closedTo` when the tick passed. */
  readonly closedTo: number;
}

/** One of these. */
export type TimeControl = From | Newest | Tick | TickReport;

/** Returns whether a message is one of these. */
export function isTimeControl(message: { readonly kind: string }): message is TimeControl {
  const { kind } = message;
  return kind === "from" || kind === "newest" || kind === "tick" || kind === "report";
}

/** Returns the name of a source in the run; without a partition, of the whole share. */
export function sourceName(
  step: StepId,
  worker: WorkerIndex,
  partition: PartitionName | undefined,
): SourceName {
  // Partitions keep their names when another worker reads them.
  return partition === undefined ? originName(step, worker) : `${partition} of ${step}`;
}

/** Returns the name of an origin. */
export function originName(step: StepId, worker: WorkerIndex): OriginName {
  return step + ON_WORKER + worker;
}

/** Returns the input or window step of an origin, and its worker. */
export function partsOfOrigin(origin: OriginName): { step: StepId; worker: WorkerIndex } {
  const at = origin.lastIndexOf(ON_WORKER);
  return { step: origin.slice(0, at), worker: Number(origin.slice(at + ON_WORKER.length)) };
}
