/**
 * Frames between workers over sockets: one connection between each two.
 *
 * @module
 */
import type { WorkerIndex } from "../../core/ids.ts";
import { FrameSplitter, joinFrames } from "../exchange/frame_stream.ts";
import type { Transport } from "../exchange/transport.ts";

/** How much is read at once. */
const READ_BYTES = 256 << 10;

/** Frames are gathered up to about this many bytes for a write. */
const WRITE_BYTES = 1 << 20;

/** Told when a peer has closed its end, or the connection broke. */
export type OnLost = (peer: WorkerIndex, why: unknown) => void;

/** Sends and receives frames. */
export class SocketTransport implements Transport {
  readonly #links = new Map<WorkerIndex, PeerLink>();

  /** Uses the connections, and closes them in the end. Nothing is read until `receive`. */
  constructor(conns: ReadonlyMap<WorkerIndex, Deno.Conn>, onLost: OnLost) {
    for (const [peer, conn] of conns) {
      this.#links.set(peer, new PeerLink(conn, (why) => onLost(peer, why)));
    }
  }

  send(to: WorkerIndex, frame: Uint8Array): void {
    this.#links.get(to)!.send(frame);
  }

  flush(): void {
    for (const link of this.#links.values()) link.flush();
  }

  receive(take: (from: WorkerIndex, frame: Uint8Array) => void): void {
    for (const [peer, link] of this.#links) link.receive((frame) => take(peer, frame));
  }

  close(): void {
    for (const link of this.#links.values()) link.close();
  }
}

/** The connection to one peer. */
class PeerLink {
  readonly #conn: Deno.Conn;
  readonly #onLost: (why: unknown) => void;
  #queue: Uint8Array[] = [];
  #writing = false;
  #closed = false;

  constructor(conn: Deno.Conn, onLost: (why: unknown) => void) {
    this.#conn = conn;
    this.#onLost = onLost;
  }

  send(frame: Uint8Array): void {
    this.#queue.push(frame);
  }

  flush(): void {
    if (this.#writing || this.#closed || this.#queue.length === 0) return;
    this.#writing = true;
    void this.#write().catch((error) => this.#lose(error));
  }

  receive(take: (frame: Uint8Array) => void): void {
    void this.#read(take).then(
      () => this.#lose(new Error("the connection was closed")),
      (error) => this.#lose(error),
    );
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#conn.close();
  }

  async #write(): Promise<void> {
    try {
      while (this.#queue.length > 0 && !this.#closed) {
        let rest = joinFrames(this.#takeSome());
        while (rest.length > 0 && !this.#closed) rest = rest.subarray(await this.#conn.write(rest));
      }
    } finally {
      // At once and not in a `then`: what is flushed a microtask later would stay behind.
      this.#writing = false;
    }
  }

  #takeSome(): Uint8Array[] {
    let count = 0;
    for (let bytes = 0; count < this.#queue.length && bytes < WRITE_BYTES; count++) {
      bytes += this.#queue[count].length;
    }
    return this.#queue.splice(0, count);
  }

  async #read(take: (frame: Uint8Array) => void): Promise<void> {
    const splitter = new FrameSplitter(take);
    const buffer = new Uint8Array(READ_BYTES);
    while (!this.#closed) {
      const read = await this.#conn.read(buffer);
      if (read === null) return;
      splitter.push(buffer.subarray(0, read));
    }
  }

  #lose(why: unknown): void {
    if (this.#closed) return;
    this.close();
    this.#onLost(why);
  }
}
