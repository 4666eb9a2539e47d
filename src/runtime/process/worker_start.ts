/**
 * How a worker process begins and ends, whatever it does in between.
 *
 * @module
 */
import { markAsWorker } from "../nesting.ts";
import { ControlLink } from "./control_link.ts";
import { COORDINATOR, introduce } from "./handshake.ts";
import type { ControlMessage } from "./message_size.ts";
import { connectTo, hasNoListener, removeFolder, type RunFolder } from "./socket_folder.ts";
import { WORKER_ENV, type WorkerBootstrap } from "./spawn.ts";
import { hasGone, watchCoordinator } from "./watchdog.ts";

/** What a worker process does. */
export interface StartedWorker {
  /** Follows its coordinator. Returns when that has gone, or all is done. */
  follow(): Promise<void>;
  /** Reports a failure, and leaves. */
  fail(thrown: unknown): void | Promise<void>;
}

/**
 * Connects to the coordinator, which listens since before this process; `null` if that has gone.
 */
async function connect(
  { address, key, index, folder, coordinatorPid }: WorkerBootstrap,
  version: number,
): Promise<Deno.Conn | null> {
  try {
    const conn = await connectTo(address);
    const who = { version, listener: COORDINATOR, worker: index };
    // To start to watch takes longer than the coordinator's answer.
    const meanwhile = () => watchCoordinator(coordinatorPid, folder);
    return await introduce(conn, key, who, { meanwhile }) ? conn : null;
  } catch (error) {
    if (hasNoListener(error) && await hasGone(coordinatorPid)) return null;
    throw error;
  }
}

/**
 * Runs a worker process, from its start to its exit.
 *
 * @param version Of what follows the handshake.
 * @param open Makes the worker, with a link to its coordinator.
 * @param stopRequest Tells the coordinator that it is to stop the run.
 */
export async function runWorker<In extends ControlMessage, Out extends ControlMessage>(
  version: number,
  open: (link: ControlLink<In, Out>, folder: RunFolder | null) => StartedWorker,
  stopRequest: Out,
): Promise<never> {
  const bootstrap = Deno.env.get(WORKER_ENV);
  if (bootstrap === undefined) throw new Error("a worker is started by spawnCluster only");
  Deno.env.delete(WORKER_ENV); // it holds a secret that the flow has no use for
  markAsWorker();
  const given: WorkerBootstrap = JSON.parse(bootstrap);
  const conn = await connect(given, version);
  if (conn !== null) {
    const link = new ControlLink<In, Out>(conn);
    const worker = open(link, given.folder);
    followSignals(() => link.send(stopRequest));
    failOnUncaught(worker);
    await worker.follow();
  }
  // Done, or the coordinator has gone, and perhaps before the folder could be removed.
  await removeFolder(given.folder, (text) => console.warn(text));
  // Whatever the flow left running; without a coordinator there is nobody to serve. The code is the
  // one that the flow has set as Deno.exitCode or process.exitCode, else 0.
  return Deno.exit();
}

function followSignals(requestStop: () => void): void {
  if (Deno.build.os === "windows") return;
  // A terminal sends its signals to all processes; only the coordinator acts on them, once.
  for (const signal of ["SIGINT", "SIGHUP"] as const) Deno.addSignalListener(signal, () => {});
  // So does a service manager with its own; but who sends it to a worker alone means a stop too.
  Deno.addSignalListener("SIGTERM", requestStop);
}

/** What user code lets slip (a promise nobody awaits, a throwing timer) fails the run, readably. */
function failOnUncaught(worker: StartedWorker): void {
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    void worker.fail(event.reason);
  });
  addEventListener("error", (event) => {
    event.preventDefault();
    void worker.fail(event.error);
  });
}
