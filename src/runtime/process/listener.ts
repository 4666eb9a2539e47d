/**
 * Where workers report to their coordinator.
 *
 * @module
 */
import { timingSafeEqual } from "node:crypto";
import type { WorkerIndex } from "../../core/ids.ts";
import { type ControlAddress, ControlLink } from "./control_link.ts";
import { PROTOCOL_VERSION, type ToCoordinator, type ToWorker } from "./protocol.ts";

type Link = ControlLink<ToCoordinator, ToWorker>;

/**
 * Listens on a Unix domain socket in a folder that only this user can enter (on a port of the
 * loopback interface where there are no such sockets). A worker has to show the token it was given.
 * The folder is gone as soon as all workers have come, so that nothing is left of it even if the
 * coordinator is killed later.
 */
export class ControlListener {
  /** Where it listens. */
  readonly address: ControlAddress;
  readonly #listener: Deno.Listener;
  readonly #folder: string | null;
  readonly #expected = new Map<string, WorkerIndex>();
  readonly #strangers = new Set<Link>(); // who has connected, and not shown a token yet
  #closed: Promise<void> | null = null;

  private constructor(listener: Deno.Listener, address: ControlAddress, folder: string | null) {
    this.#listener = listener;
    this.address = address;
    this.#folder = folder;
  }

  /** Starts listening. */
  static async open(): Promise<ControlListener> {
    if (Deno.build.os === "windows") {
      const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      return new ControlListener(listener, { port: listener.addr.port }, null);
    }
    const folder = await Deno.makeTempDir({ prefix: "millrace-" }); // mode 0700
    const unix = `${folder}/control`;
    const listener = Deno.listen({ transport: "unix", path: unix });
    return new ControlListener(listener, { unix }, folder);
  }

  /** Makes the token by which a worker will be known. */
  expect(worker: WorkerIndex): string {
    const token = crypto.getRandomValues(new Uint8Array(32)).toHex();
    this.#expected.set(token, worker);
    return token;
  }

  /** Takes connections until all expected workers have come. Strangers are turned away. */
  accept(
    onWorker: (worker: WorkerIndex, link: Link) => void,
    onError: (error: unknown) => void,
  ): void {
    void this.#accept(onWorker, onError).catch((error) => {
      if (this.#closed === null) onError(error);
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
    if (this.#expected.size === 0) await this.close();
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

  /** Stops listening, removes the folder, and turns those away who have not said who they are. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#listener.close();
    for (const stranger of this.#strangers) stranger.close();
    if (this.#folder === null) return;
    try {
      await Deno.remove(this.#folder, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // else it was tidied away already
    }
  }
}
