/**
 * The worker processes of a run: how they are started, find one another, and are gone in the end.
 *
 * @module
 */
import type { Log } from "../../core/log.ts";
import { createKey } from "./handshake.ts";
import type { Job } from "./job.ts";
import { ControlListener } from "./listener.ts";
import type { MeshAddresses } from "./protocol.ts";
import { type RemoteHost, RemoteWorker } from "./remote_worker.ts";
import { makeFolder, removeFolder, type RunFolder } from "./socket_folder.ts";
import { spawnWorker } from "./spawn.ts";

/** What processes are started with. */
export interface ProcessOptions
  extends Pick<Job, "moduleUrl" | "workers" | "flags" | "args" | "running" | "taps"> {
  readonly log: Log;
  /** Returns the environment of a worker, with what its own telemetry is of. */
  readonly environmentOf: (worker: number) => Record<string, string>;
}

/** The worker processes of one run. */
export class WorkerProcesses {
  /** All of them, by index. None before they are started. */
  readonly all: readonly RemoteWorker[];
  readonly #started: RemoteWorker[] = [];
  readonly #options: ProcessOptions;
  readonly #host: RemoteHost;
  #folder: RunFolder | null = null;
  #listener: ControlListener | null = null;
  #mesh: MeshAddresses | null = null;

  /** Starts nothing yet. */
  constructor(options: ProcessOptions, host: Omit<RemoteHost, "mesh">) {
    this.all = this.#started;
    this.#options = options;
    const mesh = () => options.workers === 1 ? null : this.#mesh ??= this.#addresses();
    this.#host = { ...host, mesh };
  }

  /**
   * Makes the folder where workers find us and listens there, and only then starts them: what is
   * named in their arguments is ours already. If this process is killed right between, an empty
   * folder is left; afterwards there is a worker that removes it.
   *
   * @param fail Called with what makes the run fail later, such as a worker that hangs up.
   */
  start(fail: (error: unknown) => void): void {
    const { moduleUrl, workers, flags, args, running, taps, environmentOf, log } = this.#options;
    const keys = Array.from({ length: workers }, createKey);
    const folder = this.#folder = makeFolder(log);
    const listener = this.#listener = new ControlListener(folder, keys);
    listener.accept((index, link) => {
      void this.#started[index].follow(link).catch(fail);
    }, fail);
    const { address } = listener;
    const options = { moduleUrl, flags: flags(folder?.path ?? null), args, running, taps };
    for (const [index, key] of keys.entries()) {
      const bootstrap = { index, address, folder, key, coordinatorPid: Deno.pid };
      const child = spawnWorker(bootstrap, { ...options, env: environmentOf(index) });
      this.#started.push(new RemoteWorker(index, child, this.#host));
    }
  }

  /** All have met: nobody looks for another one any more. */
  async met(): Promise<void> {
    await removeFolder(this.#folder, (text) => this.#options.log.warn(text));
  }

  /** Waits until all are gone, and removes where they have met. */
  async close(): Promise<void> {
    await Promise.all(this.#started.map((worker) => worker.close()));
    this.#listener?.close();
    await removeFolder(this.#folder, (text) => this.#options.log.warn(text));
  }

  #addresses(): MeshAddresses {
    return { addresses: this.#started.map(({ address }) => address!), key: createKey() };
  }
}
