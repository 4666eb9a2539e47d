/**
 * How the workers of a run connect to one another: each with every other. The one with the higher
 * index connects to the one with the lower.
 *
 * @module
 */
import type { WorkerIndex } from "../../core/ids.ts";
import { within } from "../../core/promises.ts";
import { systemReason } from "../../core/system_error.ts";
import { challenge, introduce } from "./handshake.ts";
import { connectTo, listen, type RunFolder, type SocketAddress } from "./socket_folder.ts";

/** Of the frames that workers send each other. Goes up with every change to them. */
export const MESH_VERSION = 3;

/** How long the workers may take to connect, in milliseconds. */
const JOIN_MS = 10_000;

/** What a worker's socket is called in the run's folder. */
export function workerSocket(worker: WorkerIndex): string {
  return `worker-${worker}`;
}

/** Listens for the workers with a higher index, and connects to the others. */
export class MeshListener {
  /** Where it listens. */
  readonly address: SocketAddress;
  readonly #index: WorkerIndex;
  readonly #listener: Deno.Listener;
  readonly #conns = new Map<WorkerIndex, Deno.Conn>();
  readonly #strangers = new Set<Deno.Conn>(); // either end of which has not proved who it is yet
  #joined = false;
  #closed = false;

  private constructor(index: WorkerIndex, listener: Deno.Listener, address: SocketAddress) {
    this.#index = index;
    this.#listener = listener;
    this.address = address;
  }

  /** Starts listening, in the run's folder. */
  static open(folder: RunFolder | null, index: WorkerIndex): MeshListener {
    const { listener, address } = listen(folder, workerSocket(index));
    return new MeshListener(index, listener, address);
  }

  /**
   * Connects to all workers. Closes the listener once they are there.
   *
   * After a failure, other connections stay open until `close`. If they closed at once, the other
   * workers would fail too, and report this worker in place of the one that it lost.
   *
   * @param addresses Where each of them listens.
   * @param key By which they know each other.
   * @param ms How long they may take, in milliseconds.
   * @throws {Error} If one cannot be reached, hangs up or does not come in time. It may just have
   * ended; its coordinator then knows why.
   */
  async join(
    addresses: readonly SocketAddress[],
    key: string,
    ms: number = JOIN_MS,
  ): Promise<ReadonlyMap<WorkerIndex, Deno.Conn>> {
    const expected = new Set<WorkerIndex>();
    for (let peer = this.#index + 1; peer < addresses.length; peer++) expected.add(peer);
    const joining = Promise.all([
      this.#accept(key, expected),
      ...addresses.slice(0, this.#index).map((address, peer) => this.#connect(peer, address, key)),
    ]);
    if (!await within(joining, ms)) {
      const missing = addresses.keys()
        .filter((peer) => peer !== this.#index && !this.#conns.has(peer)).toArray();
      throw new Error(
        `worker ${this.#index} found no connection to worker ${missing.join(", ")} within ` +
          `${ms / 1000} s`,
      );
    }
    this.#joined = true;
    this.close();
    return this.#conns;
  }

  /**
   * Stops listening, turns those away who have not proved who they are, and closes the connections
   * if they have not been given out.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#listener.close();
    for (const stranger of this.#strangers) stranger.close();
    this.#strangers.clear();
    if (!this.#joined) { for (const conn of this.#conns.values()) conn.close(); }
  }

  async #connect(peer: WorkerIndex, address: SocketAddress, key: string): Promise<void> {
    const conn = await this.#dial(peer, address);
    if (this.#closed) return conn.close();
    this.#strangers.add(conn);
    const who = { version: MESH_VERSION, listener: peer, worker: this.#index };
    try {
      if (!await introduce(conn, key, who)) {
        throw new Error(`worker ${peer} hung up while worker ${this.#index} connected to it`);
      }
    } catch (error) {
      if (this.#strangers.delete(conn)) conn.close();
      throw error;
    }
    if (!this.#strangers.delete(conn)) return; // it has been closed meanwhile
    this.#conns.set(peer, conn);
  }

  async #dial(peer: WorkerIndex, address: SocketAddress): Promise<Deno.Conn> {
    try {
      return await connectTo(address);
    } catch (cause) {
      const reason = systemReason(cause);
      throw new Error(`worker ${this.#index} cannot reach worker ${peer}: ${reason}`, { cause });
    }
  }

  async #accept(key: string, expected: Set<WorkerIndex>): Promise<void> {
    const all = Promise.withResolvers<void>();
    let coming = expected.size;
    if (coming === 0) return;
    const greet = async (conn: Deno.Conn): Promise<void> => {
      this.#strangers.add(conn);
      // What a stranger sends must not fail the run.
      const claim = await challenge(conn, this.#index).catch(() => null);
      const isOurs = claim?.version === MESH_VERSION && await claim.isProved(key);
      if (this.#closed) return; // and with it the connection
      this.#strangers.delete(conn);
      if (!isOurs || !expected.delete(claim.worker)) return conn.close();
      this.#conns.set(claim.worker, conn);
      // It may have gone meanwhile, which shows when it is read from.
      await claim.answer(key).catch(() => {});
      if (--coming === 0) all.resolve();
    };
    const accept = async (): Promise<void> => {
      for (;;) {
        const conn = await this.#listener.accept();
        if (this.#closed) return conn.close();
        void greet(conn);
      }
    };
    accept().catch((error) => {
      if (!this.#closed) all.reject(error);
    });
    await all.promise;
  }
}
