/**
 * What a worker process starts with. Run by `spawnCluster` only.
 *
 * @module
 */
import { markAsWorker } from "../nesting.ts";
import { ControlLink } from "./control_link.ts";
import { COORDINATOR, introduce } from "./handshake.ts";
import { PROTOCOL_VERSION, type ToCoordinator, type ToWorker } from "./protocol.ts";
import { connectTo, hasNoListener, removeFolder } from "./socket_folder.ts";
import { WORKER_ENV, type WorkerBootstrap } from "./spawn.ts";
import { hasGone, watchCoordinator } from "./watchdog.ts";
import { WorkerProcess } from "./worker_process.ts";

/**
 * Connects to the coordinator, which listens since before this process; `null` if that has gone.
 */
async function connect(
  { address, key, index, folder, coordinatorPid }: WorkerBootstrap,
): Promise<Deno.Conn | null> {
  try {
    const conn = await connectTo(address);
    const who = { version: PROTOCOL_VERSION, listener: COORDINATOR, worker: index };
    // To start to watch takes longer than the coordinator's answer.
    const meanwhile = () => watchCoordinator(coordinatorPid, folder);
    return await introduce(conn, key, who, { meanwhile }) ? conn : null;
  } catch (error) {
    if (hasNoListener(error) && await hasGone(coordinatorPid)) return null;
    throw error;
  }
}

async function main(): Promise<void> {
  const bootstrap = Deno.env.get(WORKER_ENV);
  if (bootstrap === undefined) throw new Error("a worker is started by spawnCluster only");
  Deno.env.delete(WORKER_ENV); // it holds a secret that the flow has no use for
  markAsWorker();
  const given: WorkerBootstrap = JSON.parse(bootstrap);
  const conn = await connect(given);
  if (conn !== null) {
    const link = new ControlLink<ToWorker, ToCoordinator>(conn);
    const process = new WorkerProcess(link, given.folder);
    followSignals(link);
    failOnUncaught(process);
    await process.follow();
  }
  // Done, or the coordinator has gone, and perhaps before the folder could be removed.
  await removeFolder(given.folder);
  // Whatever the flow left running; without a coordinator there is nobody to serve. The code is the
  // one that the flow has set as Deno.exitCode or process.exitCode, else 0.
  Deno.exit();
}

function followSignals(link: ControlLink<ToWorker, ToCoordinator>): void {
  if (Deno.build.os === "windows") return;
  // A terminal sends its signals to all processes; only the coordinator acts on them, once.
  for (const signal of ["SIGINT", "SIGHUP"] as const) Deno.addSignalListener(signal, () => {});
  // So does a service manager with its own; but who sends it to a worker alone means a stop too.
  Deno.addSignalListener("SIGTERM", () => link.send({ kind: "stopRequested" }));
}

/** What user code lets slip (a promise nobody awaits, a throwing timer) fails the run, readably. */
function failOnUncaught(process: WorkerProcess): void {
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    void process.fail(event.reason);
  });
  addEventListener("error", (event) => {
    event.preventDefault();
    void process.fail(event.error);
  });
}

await main();
