/**
 * The type of a module of KafkaJS 2.2.4 that is not declared: one connection to a broker.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";

/** A connection to a broker. */
export default class Connection {
  /** When it was authenticated, as `process.hrtime` returns it; `null` before that. */
  declare readonly authenticatedAt: [seconds: number, nanoseconds: number] | null;
  /** How long that is valid, in milliseconds: a whole number of 64 bits; 0 for ever. */
  declare readonly sessionLifetime: { toString(): string };
  /** Whether requests may be sent without authenticating first. */
  declare isAuthenticated: () => boolean;
  /** Its address: `host:port`. */
  declare readonly broker: string;
  /** The requests that the broker accepts; `null` until it has answered that. */
  declare readonly versions: object | null;
  /** Accepts bytes that have arrived. */
  declare processData: (bytes: Buffer) => void;
  /** Handles an answer during authentication. */
  declare readonly authHandlers: object | null;
  /** The parts of an incomplete answer. */
  declare readonly chunks: readonly Buffer[];
  /** The socket in use. Each attempt to connect makes another. */
  declare readonly socket: Socket;
}
