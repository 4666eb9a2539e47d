/**
 * The type of a module of KafkaJS 2.2.4 that has none: one connection to a broker.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";

/** A connection to a broker. */
export default class Connection {
  /** When it was authenticated, as `process.hrtime` gives it; `null` as long as it is not. */
  declare readonly authenticatedAt: [seconds: number, nanoseconds: number] | null;
  /** How long that holds, in milliseconds: a whole number of 64 bits; 0 for ever. */
  declare readonly sessionLifetime: { toString(): string };
  /** Whether requests may be sent without authenticating first. */
  declare isAuthenticated: () => boolean;
  /** Where it goes to: `host:port`. */
  declare readonly broker: string;
  /** The requests that the broker takes; `null` until it has said so. */
  declare readonly versions: object | null;
  /** Accepts bytes that have arrived. */
  declare processData: (bytes: Buffer) => void;
  /** What it does with an answer while it authenticates. */
  declare readonly authHandlers: object | null;
  /** The parts of an answer that has not arrived whole. */
  declare readonly chunks: readonly Buffer[];
  /** The one in use; each time that it connects it makes another. */
  declare readonly socket: Socket;
}
