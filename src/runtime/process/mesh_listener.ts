/**
 * How the workers of a run connect to one another: each with every other.
 *
 * The one with the higher index connects, and begins with what shows that it belongs to the run:
 *
 * ```text
 *   4 bytes   "MRX" and the version of the frames that follow
 *  32 bytes   the run's token
 *   2 bytes   who it is, big-endian
 * ```
 *
 * Nothing is decoded, and nothing answered, before that has been checked.
 *
 * @module
 */
import { timingSafeEqual } from "node:crypto";
import type { WorkerIndex } from "../../core/ids.ts";
import { within } from "../../core/promises.ts";
import { connectTo, listen, type SocketAddress } from "./socket_folder.ts";

/** "MRX" and the version. */
const MAGIC = [0x4d, 0x52, 0x58, 1] as const;
const TOKEN_BYTES = 32;
const HELLO_BYTES = MAGIC.length + TOKEN_BYTES + 2;

/** How long the workers may take to connect, in milliseconds. */
const JOIN_MS = 10_000;

/** What a worker's socket is called in the run's folder. */
export function workerSocket(worker: WorkerIndex): string {
  return `worker-${worker}`;
}

/** A token that only the workers of a run know, as hexadecimal digits. */
export function createMeshToken(): string {
  return crypto.getRandomValues(new Uint8Array(TOKEN_BYTES)).toHex();
}

/** Listens for the workers with a higher index, and connects to the others. */
export class MeshListener {
  /** Where it listens. */
  readonly address: SocketAddress;
  readonly #index: WorkerIndex;
  readonly #listener: Deno.Listener;
  readonly #conns = new Map<WorkerIndex, Deno.Conn>();
  #joined = false;
  #closed = false;

  private constructor(index: WorkerIndex, listener: Deno.Listener, address: SocketAddress) {
    this.#index = index;
    this.#listener = listener;
    this.address = address;
  }

  /** Starts listening, in the run's folder. */
  static open(folder: string | null, index: WorkerIndex): MeshListener {
    const { listener, address } = listen(folder, workerSocket(index));
    return new MeshListener(index, listener, address);
  }

  /**
   * Connects to all workers. Closes the listener once they are there.
   *
   * @param addresses Where each of them listens.
   * @param token What {@linkcode createMeshToken} gave.
   * @throws {Error} If one does not come in time.
   */
  async join(
    addresses: readonly SocketAddress[],
    token: string,
  ): Promise<ReadonlyMap<WorkerIndex, Deno.Conn>> {
    const secret = Uint8Array.fromHex(token);
    const expected = new Set<WorkerIndex>();
    for (let peer = this.#index + 1; peer < addresses.length; peer++) expected.add(peer);
    const joining = Promise.all([
      this.#accept(secret, expected),
      ...addresses.slice(0, this.#index).map((address, peer) =>
        this.#connect(peer, address, secret)
      ),
    ]);
    try {
      if (!await within(joining, JOIN_MS)) {
        const missing = addresses.keys()
          .filter((peer) => peer !== this.#index && !this.#conns.has(peer)).toArray();
        throw new Error(
          `worker ${this.#index} found no connection to worker ${missing.join(", ")} within ` +
            `${JOIN_MS / 1000} s`,
        );
      }
      this.#joined = true;
      return this.#conns;
    } finally {
      this.close();
    }
  }

  /** Stops listening, and closes the connections if they have not been given out. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#listener.close();
    if (!this.#joined) { for (const conn of this.#conns.values()) conn.close(); }
  }

  async #connect(peer: WorkerIndex, address: SocketAddress, secret: Uint8Array): Promise<void> {
    const conn = await connectTo(address);
    if (this.#closed) return conn.close();
    this.#conns.set(peer, conn);
    let hello = Uint8Array.of(...MAGIC, ...secret, this.#index >> 8, this.#index & 255);
    while (hello.length > 0) hello = hello.subarray(await conn.write(hello));
  }

  async #accept(secret: Uint8Array, expected: Set<WorkerIndex>): Promise<void> {
    const all = Promise.withResolvers<void>();
    if (expected.size === 0) return;
    const greet = async (conn: Deno.Conn): Promise<void> => {
      const peer = await readHello(conn, secret);
      if (peer === null || this.#closed || !expected.delete(peer)) return conn.close();
      this.#conns.set(peer, conn);
      if (expected.size === 0) all.resolve();
    };
    const accept = async (): Promise<void> => {
      while (!this.#closed) {
        const conn = await this.#listener.accept();
        void greet(conn).catch(() => conn.close()); // a stranger, whose end is no fault of the run's
      }
    };
    accept().catch((error) => {
      if (!this.#closed) all.reject(error);
    });
    await all.promise;
  }
}

/** Who has connected; `null` where it is nobody of the run. */
async function readHello(conn: Deno.Conn, secret: Uint8Array): Promise<WorkerIndex | null> {
  const hello = new Uint8Array(HELLO_BYTES);
  for (let filled = 0; filled < HELLO_BYTES;) {
    const read = await conn.read(hello.subarray(filled));
    if (read === null) return null;
    filled += read;
  }
  if (!MAGIC.every((byte, i) => hello[i] === byte)) return null;
  const token = hello.subarray(MAGIC.length, MAGIC.length + TOKEN_BYTES);
  if (!timingSafeEqual(token, secret)) return null;
  return hello[HELLO_BYTES - 2] << 8 | hello[HELLO_BYTES - 1];
}
