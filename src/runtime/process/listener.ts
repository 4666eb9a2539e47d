/**
 * Where workers report to their coordinator.
 *
 * @module
 */
import { timingSafeEqual } from "node:crypto";
import type { WorkerIndex } from "../../core/ids.ts";
import { ControlLink } from "./control_link.ts";
import { PROTOCOL_VERSION, type ToCoordinator, type ToWorker } from "./protocol.ts";
import { listen, type SocketAddress } from "./socket_folder.ts";

type Link = ControlLink<ToCoordinator, ToWorker>;

/** What the control socket is called in the run's folder. */
export const CONTROL_SOCKET = "control";

/** Makes what a worker shows that it is the coordinator's own. */
export function createControlToken(): string {
  return crypto.getRandomValues(new Uint8Array(32)).toHex();
}

/** Listens until all workers have come, each of which has to show the token it was given. */
export class ControlListener {
  /** Where it listens. */
  readonly address: SocketAddress;
  readonly #listener: Deno.Listener;
  readonly #expected: Map<string, WorkerIndex>;
  readonly #strangers = new Set<Link>(); // who has connected, and not shown a token yet
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
      const link: Link = new ControlLink(await this.#listener.accept());
      void this.#greet(link, onWorker).catch(onError);
    }
  }

  async #greet(link: Link, onWorker: (worker: WorkerIndex, link: Link) => void): Promise<void> {
    this.#strangers.add(link);
    // Whatever a stranger sends, it is no fault of the run's.
    const hello = await link.receive().catch(() => undefined);
    this.#strangers.delete(link);
    const worker = hello?.kind === "hello" ? this.#match(hello.token) : undefined;
    if (hello?.kind !== "hello" || worker === undefined) {
      link.close();
      return;
    }
    if (hello.version !== PROTOCOL_VERSION) {
      link.close();
      throw new Error(
        `worker ${worker} speaks version ${hello.version} of the control protocol, the coordinator ` +
          `version ${PROTOCOL_VERSION}: run both from one version of the module`,
      );
    }
    this.#expected.delete(hello.token);
    if (this.#expected.size === 0) this.close();
    onWorker(worker, link);
  }

  #match(token: unknown): WorkerIndex | undefined {
    if (typeof token !== "string") return undefined;
    const got = new TextEncoder().encode(token);
    for (const [expected, worker] of this.#expected) {
      const wanted = new TextEncoder().encode(expected);
      if (got.length === wanted.length && timingSafeEqual(got, wanted)) return worker;
    }
    return undefined;
  }

  /** Stops listening, and turns those away who have not said who they are. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#listener.close();
    for (const stranger of this.#strangers) stranger.close();
  }
}
