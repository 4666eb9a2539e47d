/**
 * Listens for HTTP requests, for as long as the port is wanted.
 *
 * Deno's server ends when it cannot accept a connection, as when the process has as many files open
 * as it may. Any program that can reach the port can bring that about, without a token. So it must
 * end neither the run nor the port.
 *
 * @module
 */
import { messageOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { sleep } from "../core/promises.ts";

/** How long to wait before it listens again, in milliseconds. */
const PAUSE_MS = 1_000;

/** A server, as far as it is needed here. */
export interface Server {
  readonly addr: { readonly port: number };
  /** Resolves when it has been stopped; rejects when it cannot go on. */
  readonly finished: Promise<void>;
}

/** Keeps a server going. */
export class Listening implements AsyncDisposable {
  /** The port that it listens at. */
  readonly port: number;
  readonly #serve: (port: number, signal: AbortSignal) => Server;
  readonly #log: Log;
  readonly #pause: typeof sleep;
  readonly #stop = new AbortController();
  readonly #over: Promise<void>;

  /**
   * Listens.
   *
   * @param serve Begins to listen at a port, until the signal is aborted.
   * @param options.pause For tests.
   * @throws What `serve` throws the first time.
   */
  constructor(
    serve: (port: number, signal: AbortSignal) => Server,
    { port, log, pause = sleep }: {
      readonly port: number;
      readonly log: Log;
      readonly pause?: typeof sleep;
    },
  ) {
    this.#serve = serve;
    this.#log = log;
    this.#pause = pause;
    const first = serve(port, this.#stop.signal);
    this.port = first.addr.port;
    this.#over = this.#keep(first);
  }

  /** Listens no more, and closes all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#over;
  }

  async #keep(first: Server): Promise<void> {
    const { signal } = this.#stop;
    for (let server: Server | null = first; !signal.aborted;) {
      try {
        server ??= this.#serve(this.port, signal);
        await server.finished;
      } catch (error) {
        if (server !== null) {
          this.#log.warn("the operations port could not go on: it listens again", {
            error: messageOf(error),
          });
        }
        server = null;
        await this.#pause(PAUSE_MS, signal);
      }
    }
  }
}
