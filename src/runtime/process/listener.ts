/**
 * Where workers report to their coordinator.
 *
 * @module
 */
import type { WorkerIndex } from "../../core/ids.ts";
import { ControlLink } from "./control_link.ts";
import { challenge, COORDINATOR } from "./handshake.ts";
import type { ControlMessage } from "./message_size.ts";
import { MOST_OF_WORKER, PROTOCOL_VERSION, type ToCoordinator, type ToWorker } from "./protocol.ts";
import { listen, type RunFolder, type SocketAddress } from "./socket_folder.ts";

/** What the control socket is called in the run's folder. */
export const CONTROL_SOCKET = "control";

/**
 * Listens until all workers have come, each of which has to prove that it has the key it was given.
 */
export class ControlListener<
  In extends ControlMessage = ToCoordinator,
  Out extends ControlMessage = ToWorker,
> {
  /** Where it listens. */
  readonly address: SocketAddress;
  readonly #listener: Deno.Listener;
  readonly #expected: Map<WorkerIndex, string>; // the keys of those that have not come yet
  readonly #strangers = new Set<Deno.Conn>(); // who has connected, and not proved anything yet
  readonly #version: number;
  #coming: number;
  #closed = false;

  /**
   * Starts listening in the run's folder.
   *
   * @param keys Those of the workers, by their index.
   * @param version Of what follows the handshake.
   */
  constructor(
    folder: RunFolder | null,
    keys: readonly string[],
    version: number = PROTOCOL_VERSION,
  ) {
    const { listener, address } = listen(folder, CONTROL_SOCKET);
    this.#listener = listener;
    this.address = address;
    this.#expected = new Map(keys.entries());
    this.#version = version;
    this.#coming = keys.length;
  }

  /** Accepts connections until all expected workers have come. Strangers are turned away. */
  accept(
    onWorker: (worker: WorkerIndex, link: ControlLink<In, Out>) => void,
    onError: (error: unknown) => void,
  ): void {
    void this.#accept(onWorker, onError).catch((error) => {
      if (!this.#closed) onError(error);
    });
  }

  async #accept(
    onWorker: (worker: WorkerIndex, link: ControlLink<In, Out>) => void,
    onError: (error: unknown) => void,
  ): Promise<void> {
    while (this.#expected.size > 0) {
      const conn = await this.#listener.accept();
      void this.#greet(conn, onWorker).catch(onError);
    }
  }

  async #greet(
    conn: Deno.Conn,
    onWorker: (worker: WorkerIndex, link: ControlLink<In, Out>) => void,
  ): Promise<void> {
    this.#strangers.add(conn);
    // What a stranger does must not fail the run.
    const claim = await challenge(conn, COORDINATOR).catch(() => null);
    if (this.#closed) return; // it has been turned away meanwhile
    const key = claim === null ? undefined : this.#expected.get(claim.worker);
    const isOurs = claim !== null && key !== undefined && await claim.isProved(key);
    if (this.#closed) return;
    // Another connection may have proved the same meanwhile.
    if (!isOurs || !this.#expected.has(claim.worker)) return this.#turnAway(conn);
    const { worker, version } = claim;
    if (version !== this.#version) {
      this.#turnAway(conn);
      throw new Error(
        `worker ${worker} speaks version ${version} of the control protocol, the coordinator ` +
          `version ${this.#version}: run both from one version of the module`,
      );
    }
    this.#expected.delete(worker);
    // It may have gone meanwhile, which shows when it is read from.
    await claim.answer(key).catch(() => {});
    if (!this.#strangers.delete(conn)) return; // the run is over meanwhile
    if (--this.#coming === 0) this.close();
    onWorker(worker, new ControlLink(conn, MOST_OF_WORKER));
  }

  #turnAway(conn: Deno.Conn): void {
    this.#strangers.delete(conn);
    conn.close();
  }

  /** Stops listening, and turns those away who have not proved who they are. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#listener.close();
    for (const stranger of this.#strangers) stranger.close();
    this.#strangers.clear();
  }
}
