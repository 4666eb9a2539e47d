/**
 * What the coordinator tells the process that exports its telemetry: a line of JSON each.
 *
 * @module
 */
import type { LogLevel } from "../../core/log.ts";
import type { MetricSample } from "./otlp_samples.ts";

/** The most traces that an epoch's span links to. */
export const MOST_LINKS = 16;

/** A line. */
export type TelemetryMessage =
  | {
    readonly kind: "metrics";
    /** Which run of the flow, after failures. Counters begin at zero in each. */
    readonly run: number;
    readonly samples: readonly MetricSample[];
  }
  | { readonly kind: "log"; readonly level: LogLevel; readonly text: string }
  | ({ readonly kind: "epoch" } & EpochSpan);

/** An epoch that was committed. Times are in milliseconds since the Unix epoch. */
export interface EpochSpan {
  readonly flow: string;
  readonly epoch: number;
  /** When its first item could be read. */
  readonly begun: number;
  /** When it was to end. */
  readonly closing: number;
  readonly committed: number;
  /** Some of the traces that its items are part of, as `traceparent` headers have them. */
  readonly traces: readonly string[];
}
