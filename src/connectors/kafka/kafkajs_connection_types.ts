/**
 * The type of a module of KafkaJS 2.2.4 that has none: one connection to a broker.
 *
 * @module
 */

/** A connection to a broker. */
export default class Connection {
  /** When it was authenticated, as `process.hrtime` gives it; `null` as long as it is not. */
  declare readonly authenticatedAt: [seconds: number, nanoseconds: number] | null;
  /** How long that holds, in milliseconds: a whole number of 64 bits; 0 for ever. */
  declare readonly sessionLifetime: { toString(): string };
  /** Whether requests may be sent without authenticating first. */
  declare isAuthenticated: () => boolean;
}
