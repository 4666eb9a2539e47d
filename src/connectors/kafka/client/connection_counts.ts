/**
 * Counts what happens to the connections of one connector, by broker, for metrics.
 *
 * @module
 */
import type { ConnectionReading } from "../../../core/connection_reading.ts";

/** Counts connections that were made again, and pauses that brokers asked for. */
export class ConnectionCounts {
  readonly #brokers = new Map<string, { connects: number; throttledMs: number }>();

  /** A connection to a broker has been made. */
  connected(broker: string): void {
    this.#of(broker).connects++;
  }

  /**
   * Opening is over. What was dropped and made again meanwhile, as a broker was not ready, is not
   * counted: nothing was lost.
   *
   * @param connected The brokers that there is a connection to.
   */
  opened(connected: readonly string[]): void {
    for (const [broker, counts] of this.#brokers) {
      counts.connects = connected.includes(broker) ? 1 : 0;
    }
  }

  /** A broker has asked for a pause of `ms` milliseconds. */
  throttled(broker: string, ms: number): void {
    this.#of(broker).throttledMs += ms;
  }

  /** The counts so far. */
  read(): ConnectionReading[] {
    return [...this.#brokers].map(([to, { connects, throttledMs }]) => ({
      to,
      reconnects: Math.max(0, connects - 1),
      throttledMs,
    }));
  }

  #of(broker: string): { connects: number; throttledMs: number } {
    let counts = this.#brokers.get(broker);
    if (counts === undefined) this.#brokers.set(broker, counts = { connects: 0, throttledMs: 0 });
    return counts;
  }
}

/** Adds up the readings of several connections: one for each broker. */
export function byBroker(readings: readonly ConnectionReading[]): ConnectionReading[] {
  const sums = new Map<string, ConnectionReading>();
  for (const { to, reconnects, throttledMs } of readings) {
    const sum = sums.get(to);
    sums.set(to, {
      to,
      reconnects: reconnects + (sum?.reconnects ?? 0),
      throttledMs: throttledMs + (sum?.throttledMs ?? 0),
    });
  }
  return [...sums.values()];
}
