/**
 * What a worker process starts with. Run by `spawnCluster` only.
 *
 * @module
 */
import { markAsWorker } from "../nesting.ts";
import { connectTo, removeFolder, type SocketAddress } from "./socket_folder.ts";
import { ControlLink } from "./control_link.ts";
import { sendHello } from "./hello.ts";
import { PROTOCOL_VERSION, type ToCoordinator, type ToWorker } from "./protocol.ts";
import { WORKER_ENV, type WorkerBootstrap } from "./spawn.ts";
import { watchCoordinator } from "./watchdog.ts";
import { WorkerProcess } from "./worker_process.ts";

/** How long the coordinator may take to listen, in milliseconds: it starts its workers before. */
const CONNECT_MS = 10_000;
const RETRY_MS = 5;

/** Connects to the coordinator; `null` if that has gone. */
async function connect(
  address: SocketAddress,
  coordinatorPid: number,
): Promise<Deno.Conn | null> {
  const until = performance.now() + CONNECT_MS;
  for (;;) {
    try {
      return await connectTo(address);
    } catch (error) {
      const isEarly = error instanceof Deno.errors.NotFound ||
        error instanceof Deno.errors.ConnectionRefused;
      if (!isEarly || performance.now() > until) throw error;
      if (Deno.build.os !== "windows" && Deno.ppid !== coordinatorPid) return null;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

async function main(): Promise<void> {
  const bootstrap = Deno.env.get(WORKER_ENV);
  if (bootstrap === undefined) throw new Error("a worker is started by spawnCluster only");
  Deno.env.delete(WORKER_ENV); // it holds a secret that the flow has no use for
  markAsWorker();
  const { index, address, folder, token, coordinatorPid }: WorkerBootstrap = JSON.parse(bootstrap);
  const conn = await connect(address, coordinatorPid);
  if (conn !== null) {
    const link = new ControlLink<ToWorker, ToCoordinator>(conn);
    const process = new WorkerProcess(link, folder);
    followSignals(link);
    failOnUncaught(process);
    await sendHello(conn, { version: PROTOCOL_VERSION, token, worker: index });
    watchCoordinator(coordinatorPid, folder);
    await process.follow();
  }
  // Done, or the coordinator has gone, and perhaps before the folder could be removed.
  await removeFolder(folder);
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
