/**
 * Checks the lengths of a broker's answers before KafkaJS uses them.
 *
 * KafkaJS trusts them. A length that is negative, or too short for the number of the request,
 * throws in an event handler of a socket. Nobody can catch that, so it ends the process. A large
 * length makes KafkaJS keep everything that arrives, up to 2 GiB.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
// @ts-types="./kafkajs_connection_types.ts"
import Connection from "kafkajs/src/network/connection.js";
import { LARGEST_UNPACKED } from "../compression/compression.ts";
import { DamageError } from "../wire/damage.ts";

const LENGTH_BYTES = 4;

/** An answer begins with the number of its request. */
const LEAST_LENGTH = 4;

/**
 * The most bytes of a first answer. It lists the requests that the broker accepts, in a few hundred
 * bytes. A server of another protocol is recognised here: its greeting, read as a length, is
 * larger.
 */
const MOST_FIRST_BYTES = 1 << 20;

/** The most bytes of an answer without records. It is librdkafka's default for all answers. */
const MOST_OTHER_BYTES = 100_000_000;

/**
 * The most bytes that an answer can have if `fetchMaxBytes` are requested. One batch may come on
 * top, as brokers send the first batch whole, however large it is.
 */
export function mostAnswerBytes(fetchMaxBytes = 0): number {
  return Math.max(fetchMaxBytes, MOST_OTHER_BYTES) + LARGEST_UNPACKED;
}

/** Finds where answers begin in what a connection receives. */
export class ResponseFrames {
  #length = 0; // of the current answer, from the bytes received
  #lengthBytes = 0;
  #left = 0; // bytes of the current answer still to come

  /**
   * Reads the next bytes, of answers of `mostBytes` at most.
   *
   * @throws {DamageError} If an answer has an impossible length.
   */
  receive(bytes: Uint8Array, mostBytes: number): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#left > 0) {
        const part = Math.min(this.#left, bytes.length - at);
        this.#left -= part;
        at += part;
        continue;
      }
      this.#length = (this.#length << 8) | bytes[at++];
      if (++this.#lengthBytes < LENGTH_BYTES) continue;
      if (this.#length < LEAST_LENGTH) {
        throw new DamageError(`an answer of the broker has a length of ${this.#length} bytes`);
      }
      if (this.#length > mostBytes) {
        throw new DamageError(
          `an answer of the broker has a length of ${this.#length} bytes, more than the ` +
            `${mostBytes} that it can have`,
        );
      }
      this.#left = this.#length;
      this.#length = this.#lengthBytes = 0;
    }
  }
}

const mostBytesOf = new WeakMap<object, number>();

/** Makes connections refuse answers of more bytes than these. */
export function limitAnswers(connections: readonly object[], mostBytes: number): void {
  for (const connection of connections) mostBytesOf.set(connection, mostBytes);
}

/**
 * Makes all connections of KafkaJS end with an error if an answer has an impossible length. A
 * connection that reconnects also forgets its incomplete answer. KafkaJS would read the next bytes
 * as the rest of it.
 */
export function refuseWrongLengths(): void {
  const framesOf = new WeakMap<Connection, ResponseFrames>();
  const socketOf = new WeakMap<Connection, Connection["socket"]>();
  const { prototype } = Connection;
  const original = prototype.processData;
  prototype.processData = function (this: Connection, bytes: Buffer): void {
    if (socketOf.get(this) !== this.socket) {
      socketOf.set(this, this.socket);
      framesOf.delete(this);
      Object.assign(this, { chunks: [], bytesBuffered: 0, bytesNeeded: LENGTH_BYTES });
    }
    try {
      // During authentication, the bytes may have the mechanism's own form.
      if (this.authHandlers !== null) framesOf.delete(this);
      else framesFor(this).receive(bytes, mostBytes(this));
      original.call(this, bytes);
    } catch (error) {
      this.socket.destroy(located(error, this.broker)); // KafkaJS then rejects all its requests
    }
  };

  function framesFor(connection: Connection): ResponseFrames {
    const known = framesOf.get(connection);
    if (known !== undefined) return known;
    const frames = new ResponseFrames();
    for (const chunk of connection.chunks) frames.receive(chunk, mostBytes(connection));
    framesOf.set(connection, frames);
    return frames;
  }
}

function mostBytes(connection: Connection): number {
  if (connection.versions === null) return MOST_FIRST_BYTES;
  return mostBytesOf.get(connection) ?? mostAnswerBytes();
}

/** The same error with the address and what to check, if an answer is damaged. */
function located(error: unknown, address: string): Error {
  if (!(error instanceof DamageError)) return error as Error;
  return new DamageError(
    `${address}: ${error.message}: check that a Kafka broker listens there, for the ` +
      `"security.protocol" that is set`,
    { cause: error },
  );
}
