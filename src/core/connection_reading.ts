/**
 * What is known of a connection, for metrics.
 *
 * @module
 */

/** A connection of an input, output or recovery store to something outside, such as a broker. */
export interface ConnectionReading {
  /** Where it goes, such as `kafka:9092`. */
  readonly to: string;
  /** How often it was made again after it had been lost. */
  readonly reconnects: number;
  /** How long the other side has asked for pauses because of a quota, in milliseconds. */
  readonly throttledMs: number;
}
