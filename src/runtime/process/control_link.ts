/**
 * One end of the control connection between the coordinator and a worker.
 *
 * @module
 */
import { FRAME_ROOM, FrameSplitter, setLength } from "../exchange/frame_stream.ts";
import { LONGEST_FRAME } from "../exchange/frames.ts";
import { type ControlMessage, messageTooLarge } from "./message_size.ts";
import { decodeMessage, encodeMessage } from "./protocol.ts";

/** Sends and receives messages, in order. */
export class ControlLink<
  In extends ControlMessage,
  Out extends ControlMessage,
> {
  readonly #conn: Deno.Conn;
  readonly #messages: AsyncGenerator<In, void>;
  readonly #drained: PromiseWithResolvers<void> = Promise.withResolvers();
  #sending: Promise<void> = Promise.resolve();
  readonly #longest: number;
  #unsent = 0;
  #closed = false;

  /**
   * Uses the connection, and closes it in the end.
   *
   * @param most How much memory a message that is received may take, in bytes and beside binary
   * data.
   * @param longest The most bytes that a message that is sent may have, for tests.
   */
  constructor(conn: Deno.Conn, most = Infinity, longest: number = LONGEST_FRAME) {
    this.#conn = conn;
    this.#longest = longest;
    this.#messages = readMessages<In>(conn, most);
  }

  /**
   * Sends a message. What cannot be sent is dropped: the other end has gone, as reading shows.
   *
   * @throws {RangeError} If the message is larger than the other end would take.
   */
  send(message: Out): void {
    const bytes = encodeMessage(message, FRAME_ROOM);
    const length = bytes.length - FRAME_ROOM;
    if (length > this.#longest) throw messageTooLarge(message, length, this.#longest);
    setLength(bytes);
    this.#unsent++;
    this.#sending = this.#sending.then(() => this.#write(bytes)).catch(() => {
      this.#closed = true;
    }).finally(() => this.#unsent--);
  }

  /**
   * Whether a message has yet to be on its way. That lasts while the other end stands still. What
   * is sent again and again should wait for it, as messages are kept without a bound.
   */
  get isSending(): boolean {
    return this.#unsent > 0;
  }

  /** Resolves when all that was sent is on its way. */
  flushed(): Promise<void> {
    return this.#sending;
  }

  /** The next message; `undefined` once the other end has closed. */
  async receive(): Promise<In | undefined> {
    const { value, done } = await this.#messages.next();
    if (!done) return value;
    this.#drained.resolve();
    return undefined;
  }

  /** What the other end sends, until it closes. */
  async *messages(): AsyncGenerator<In, void> {
    for (let message; (message = await this.receive()) !== undefined;) yield message;
  }

  /** Resolves when the last message has been received, or this end has been closed. */
  drained(): Promise<void> {
    return this.#drained.promise;
  }

  /** Closes the connection. */
  close(): void {
    this.#closed = true;
    this.#drained.resolve();
    try {
      this.#conn.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error; // else it is closed already
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    let rest = bytes;
    while (rest.length > 0 && !this.#closed) rest = rest.subarray(await this.#conn.write(rest));
  }
}

/** Messages until the other end closes, or this one does. */
async function* readMessages<M extends ControlMessage>(
  conn: Deno.Conn,
  most: number,
): AsyncGenerator<M, void> {
  const buffer = new Uint8Array(64 << 10);
  let messages: M[] = [];
  const splitter = new FrameSplitter((frame) => messages.push(decodeMessage<M>(frame, most)));
  for (;;) {
    let read: number | null;
    try {
      read = await conn.read(buffer);
    } catch (error) {
      const closed = error instanceof Deno.errors.BadResource ||
        error instanceof Deno.errors.Interrupted ||
        error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe;
      if (closed) return;
      throw error;
    }
    if (read === null) return;
    splitter.push(buffer.subarray(0, read));
    const whole = messages;
    messages = [];
    yield* whole;
  }
}
