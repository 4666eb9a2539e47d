/**
 * Where workers report to their coordinator.
 *
 * @module
 */
import type { WorkerIndex } from "../../core/ids.ts";
import { ControlLink } from "./control_link.ts";
import { isToken, readHello } from "./hello.ts";
import { PROTOCOL_VERSION, type ToCoordinator, type ToWorker } from "./protocol.ts";
import { listen, type SocketAddress } from "./socket_folder.ts";

type Link = ControlLink<ToCoordinator, ToWorker>;

/** What the control socket is called in the run's folder. */
export const CONTROL_SOCKET = "control";

/** Listens until all workers have come, each of which has to show the token it was given. */
export class ControlListener {
  /** Where it listens. */
  readonly address: SocketAddress;
  readonly #listener: Deno.Listener;
  readonly #expected: Map<string, WorkerIndex>;
  readonly #strangers = new Set<Deno.Conn>(); // who has connected, and not shown a token yet
  #closed = false;

  /** Starts listening in the run's folder; `tokens` are those of the workers, by their index. */
  constructor(folder: string | null, tokens: readonly string[]) {
    const { listener, address } = listen(folder, CONTROL_SOCKET);
    this.#listener = listener;
    this.address = address;
    this.#expected = new Map(tokens.map((token, worker) => [token, worker]));
  }

  /** Takes connections until all expected workers have come. Strangers are turned away. */
  accept(
    onWorker: (worker: WorkerIndex, link: Link) => void,
    onError: (error: unknown) => void,
  ): void {
    void this.#accept(onWorker, onError).catch((error) => {
      if (!this.#closed) onError(error);
    });
  }

  async #accept(
    onWorker: (worker: WorkerIndex, link: Link) => void,
    onError: (error: unknown) => void,
  ): Promise<void> {
    while (this.#expected.size > 0) {
      const conn = await this.#listener.accept();
      void this.#greet(conn, onWorker).catch(onError);
    }
  }

  async #greet(
    conn: Deno.Conn,
    onWorker: (worker: WorkerIndex, link: Link) => void,
  ): Promise<void> {
    this.#strangers.add(conn);
    // Whatever a stranger does, it is no fault of the run's.
    const hello = await readHello(conn).catch(() => null);
    if (!this.#strangers.delete(conn)) return; // it has been turned away meanwhile
    const found = this.#expected.entries()
      .find(([token]) => hello !== null && isToken(hello.token, token));
    if (found === undefined) return conn.close();
    const [token, worker] = found;
    if (hello!.version !== PROTOCOL_VERSION) {
      conn.close();
      throw new Error(
        `worker ${worker} speaks version ${
          hello!.version
        } of the control protocol, the coordinator ` +
          `version ${PROTOCOL_VERSION}: run both from one version of the module`,
      );
    }
    this.#expected.delete(token);
    if (this.#expected.size === 0) this.close();
    onWorker(worker, new ControlLink(conn));
  }

  /** Stops listening, and turns those away who have not said who they are. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#listener.close();
    for (const stranger of this.#strangers) stranger.close();
    this.#strangers.clear();
  }
}
