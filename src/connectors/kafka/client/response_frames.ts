/**
 * Looks at the lengths of a broker's answers before KafkaJS does.
 *
 * KafkaJS trusts them: one that is negative, or leaves no room for the number of the request,
 * throws in the handler of a socket's event. There nobody can catch it, and it ends the process.
 * One that is large makes KafkaJS keep all that comes, up to 2 GiB.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
// @ts-types="./kafkajs_connection_types.ts"
import Connection from "kafkajs/src/network/connection.js";
import { LARGEST_UNPACKED } from "../compression/compression.ts";
import { DamageError } from "../wire/damage.ts";

const LENGTH_BYTES = 4;

/** An answer begins with the number of the request. */
const LEAST_LENGTH = 4;

/**
 * The most bytes of a first answer: it says which requests the broker takes, in a few hundred
 * bytes. What listens for another protocol gives itself away here: its greeting, taken as a length,
 * is larger.
 */
const MOST_FIRST_BYTES = 1 << 20;

/**
 * The most of an answer to a request for no records: what librdkafka takes unless told otherwise.
 */
const MOST_OTHER_BYTES = 100_000_000;

/**
 * The most bytes that an answer can have where `fetchMaxBytes` are asked for at most. One batch may
 * come beyond that: brokers send the first one whole, however large.
 */
export function mostAnswerBytes(fetchMaxBytes = 0): number {
  return Math.max(fetchMaxBytes, MOST_OTHER_BYTES) + LARGEST_UNPACKED;
}

/** Follows where answers begin in what a connection receives. */
export class ResponseFrames {
  #length = 0; // as far as its bytes have come
  #lengthBytes = 0;
  #left = 0; // of the answer that is being received

  /**
   * Looks at the next bytes, of answers of `mostBytes` at most.
   *
   * @throws {DamageError} If an answer has a length that cannot be.
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

/** Has connections refuse an answer of more bytes than these. */
export function limitAnswers(connections: readonly object[], mostBytes: number): void {
  for (const connection of connections) mostBytesOf.set(connection, mostBytes);
}

/**
 * Has all connections of KafkaJS end with an error where an answer has a length that cannot be. One
 * that connects again also forgets the half answer that it had received: KafkaJS would take what
 * comes next for its rest.
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
      // While it authenticates, what comes may be of the mechanism's own form.
      if (this.authHandlers !== null) framesOf.delete(this);
      else framesFor(this).receive(bytes, mostBytes(this));
      original.call(this, bytes);
    } catch (error) {
      this.socket.destroy(located(error, this.broker)); // KafkaJS fails all requests with it
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

/** The same error with the address and what to check, where an answer is damaged. */
function located(error: unknown, address: string): Error {
  if (!(error instanceof DamageError)) return error as Error;
  return new DamageError(
    `${address}: ${error.message}: check that a Kafka broker listens there, for the ` +
      `"security.protocol" that is set`,
    { cause: error },
  );
}
