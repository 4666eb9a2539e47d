/**
 * Starting worker processes.
 *
 * @module
 */
import type { WorkerIndex } from "../../core/ids.ts";
import { within } from "../../core/promises.ts";
import { isSystemError, systemReason } from "../../core/system_error.ts";
import { RUNNING_ENV } from "../nesting.ts";
import type { RunFolder, SocketAddress } from "./socket_folder.ts";

/** The environment variable that tells a worker where its coordinator is. Removed once read. */
export const WORKER_ENV = "MILLRACE_WORKER";

/** What that variable holds, as JSON. */
export interface WorkerBootstrap {
  readonly index: WorkerIndex;
  readonly address: SocketAddress;
  /** Where the run's sockets are, until all processes have met. */
  readonly folder: RunFolder | null;
  /** By which the worker and the coordinator know each other. */
  readonly key: string;
  /** The coordinator's process. */
  readonly coordinatorPid: number;
}

/** Accept what a worker prints. */
export interface OutputTaps {
  /** Without it, the worker writes to our standard output itself. */
  readonly stdout?: (bytes: Uint8Array) => void;
  /** Without it, the worker writes to our standard error itself. */
  readonly stderr?: (bytes: Uint8Array) => void;
}

/** How long what a worker printed last may take to come. */
const DRAIN_MS = 1_000;

/** A worker process. */
export interface WorkerChild {
  /** Its number. */
  readonly pid: number;
  /** Resolves when it has exited and all that it printed has been taken. */
  readonly exited: Promise<Deno.CommandStatus>;
  /** Ends it at once. */
  kill(): void;
}

/** What a worker process is started with. */
export interface SpawnOptions {
  /** The module of the flow: the worker's main module. */
  readonly moduleUrl: string;
  /** Deno's flags. */
  readonly flags: readonly string[];
  /** The flow's arguments. */
  readonly args: readonly string[];
  /** The flow, after those that the processes above this one run: `RUNNING_ENV`. */
  readonly running: readonly string[];
  /** Our own module, which runs first. @default {"./worker_main.ts"} */
  readonly preload?: string;
  readonly taps: OutputTaps;
  /** What else is in the environment of this worker. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Starts a worker process.
 *
 * Deno chooses configuration, lock file and `package.json` by the main module. So the flow is the
 * main module, as in `deno run flow.ts`, and our own module is preloaded. It imports the flow, runs
 * it, and exits before Deno would run the flow as the main module: `import.meta.main` is false.
 */
export function spawnWorker(
  bootstrap: WorkerBootstrap,
  { moduleUrl, flags, args, running, preload, taps, env }: SpawnOptions,
): WorkerChild {
  const ours = preload ?? import.meta.resolve("./worker_main.ts");
  const child = started(bootstrap.index, {
    args: ["run", "--quiet", ...flags, `--preload=${ours}`, moduleUrl, ...args],
    env: {
      ...env,
      [WORKER_ENV]: JSON.stringify(bootstrap),
      [RUNNING_ENV]: running.join("\n"),
    },
    // Workers that read one input at the same time would tear it apart: one has it, for the others
    // it is empty.
    stdin: bootstrap.index === 0 ? "inherit" : "null",
    stdout: taps.stdout === undefined ? "inherit" : "piped",
    stderr: taps.stderr === undefined ? "inherit" : "piped",
  });
  const drains = [
    taps.stdout === undefined ? null : new Drain(child.stdout, taps.stdout),
    taps.stderr === undefined ? null : new Drain(child.stderr, taps.stderr),
  ].filter((drain) => drain !== null);
  return {
    pid: child.pid,
    exited: child.status.then(async (status) => {
      await Promise.all(drains.map((drain) => drain.finish()));
      return status;
    }),
    kill: () => {
      try {
        child.kill("SIGKILL");
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // else it has exited already
      }
    },
  };
}

function started(worker: WorkerIndex, options: Deno.CommandOptions): Deno.ChildProcess {
  const deno = Deno.execPath();
  try {
    return new Deno.Command(deno, options).spawn();
  } catch (cause) {
    // What Deno does not allow, it says itself.
    if (!isSystemError(cause) || cause instanceof Deno.errors.NotCapable) throw cause;
    const reason = systemReason(cause);
    throw new Error(`worker ${worker} cannot be started with ${deno}: ${reason}`, { cause });
  }
}

/** Hands on what a worker prints. */
class Drain {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #drained: Promise<void>;

  constructor(stream: ReadableStream<Uint8Array>, take: (bytes: Uint8Array) => void) {
    this.#reader = stream.getReader();
    this.#drained = this.#drain(take);
  }

  /** Waits for the rest, but not for what processes that the flow left behind print ever after. */
  async finish(): Promise<void> {
    if (!await within(this.#drained, DRAIN_MS)) await this.#reader.cancel();
  }

  async #drain(take: (bytes: Uint8Array) => void): Promise<void> {
    for (;;) {
      const { value, done } = await this.#reader.read();
      if (done) return;
      take(value);
    }
  }
}
