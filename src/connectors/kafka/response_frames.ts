/**
 * Looks at the lengths of a broker's answers before KafkaJS does.
 *
 * KafkaJS trusts them: one that is negative, or leaves no room for the number of the request, throws in
 * the handler of a socket's event. There nobody can catch it, and it ends the process.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
// @ts-types="./kafkajs_connection_types.ts"
import Connection from "kafkajs/src/network/connection.js";
import { DamageError } from "./damage.ts";

const LENGTH_BYTES = 4;

/** An answer begins with the number of the request. */
const LEAST_LENGTH = 4;

/** Follows where answers begin in what a connection receives. */
export class ResponseFrames {
  #length = 0; // as far as its bytes have come
  #lengthBytes = 0;
  #left = 0; // of the answer that is being received

  /**
   * Looks at the next bytes.
   *
   * @throws {DamageError} If an answer has a length that cannot be.
   */
  receive(bytes: Uint8Array): void {
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
      this.#left = this.#length;
      this.#length = this.#lengthBytes = 0;
    }
  }
}

/**
 * Has all connections of KafkaJS end with an error where an answer has a length that cannot be. One that
 * connects again also forgets the half answer that it had received: KafkaJS would take what comes next
 * for its rest.
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
      else framesFor(this).receive(bytes);
      original.call(this, bytes);
    } catch (error) {
      this.socket.destroy(error as Error); // KafkaJS fails all requests with it
    }
  };

  function framesFor(connection: Connection): ResponseFrames {
    const known = framesOf.get(connection);
    if (known !== undefined) return known;
    const frames = new ResponseFrames();
    for (const chunk of connection.chunks) frames.receive(chunk);
    framesOf.set(connection, frames);
    return frames;
  }
}
