/**
 * One real Apache Kafka for a whole `deno test` run, started by the first test that needs it.
 *
 * Every test file is a module graph and an isolate of its own. With a variable of a module, each
 * file would have its own broker. The files of a run only share the process, even with
 * `--parallel`. So the broker lives in a folder named after the process. The test file that
 * succeeds in making that folder starts the broker. `broker.sh` does the rest, and removes all of
 * it again.
 */
import { tmpdir } from "node:os";

/** The first run downloads some 50 MB with Maven. `broker.sh` limits the start to 60 s. */
const PATIENCE_MS = 10 * 60_000;

let brokers: Promise<string[]> | undefined;

/**
 * The brokers to test against, as host:port: those in `KAFKA_BROKERS`, or one that lives until the
 * test process ends. It is started now, unless this run has one already.
 *
 * @throws {Error} If there is neither a broker nor the tools to start one.
 */
export function kafkaBrokers(): Promise<string[]> {
  return brokers ??= findBrokers();
}

async function findBrokers(): Promise<string[]> {
  const named = Deno.env.get("KAFKA_BROKERS");
  if (named) return named.split(",").map((broker) => broker.trim());

  return [(await brokerOfThisRun("kafka")).address];
}

/** A kind of broker that exists once in a run. */
export interface RunningBroker {
  /** The address of its plain listener, as host:port. */
  readonly address: string;
  /** The folder of its files, until the test process ends. */
  readonly folder: string;
}

/**
 * Starts a broker for the whole run, unless another test file has, and waits until it answers.
 *
 * @param kind Its name among the brokers of a run.
 * @param setup The script that changes the plain broker, and how many more ports it needs.
 */
export async function brokerOfThisRun(
  kind: string,
  setup?: { script: string; ports: number },
): Promise<RunningBroker> {
  const folder = `${tmpdir()}/millrace-${kind}-${Deno.pid}-${processStart()}`;
  if (makeFolder(folder)) await startWatchdog(folder, setup);
  return { address: await answer(folder), folder };
}

/** Distinguishes this process from an earlier one of the same id whose folder may still exist. */
function processStart(): string {
  if (Deno.build.os === "linux") {
    // proc_pid_stat(5): field 22 is the start time. Field 2, the name, may have spaces and
    // brackets.
    const stat = Deno.readTextFileSync(`/proc/${Deno.pid}/stat`);
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  }
  const ps = new Deno.Command("ps", { args: ["-o", "lstart=", "-p", String(Deno.pid)] });
  return new TextDecoder().decode(ps.outputSync().stdout).replaceAll(/\W+/g, "");
}

/** Whether we may fill the folder: `mkdir` succeeds for exactly one of all test files. */
function makeFolder(folder: string): boolean {
  try {
    Deno.mkdirSync(folder, { mode: 0o700 });
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  }
}

/**
 * Starts `broker.sh` from a shell that ends at once, so that the sanitizers find no handle. It is
 * detached, in its own session. So Ctrl-C, or a kill of the process group, does not end it before
 * it has cleaned up. (Deno 2.9 heeds `detached` in `spawn`, not in `output`.)
 */
async function startWatchdog(
  folder: string,
  setup?: { script: string; ports: number },
): Promise<void> {
  const [port, controllerPort, ...more] = freePorts(2 + (setup?.ports ?? 0));
  const script = [`${import.meta.dirname}/broker.sh`, folder, Deno.pid, port, controllerPort];
  if (setup !== undefined) script.push(setup.script, ...more);
  try {
    await new Deno.Command("sh", {
      args: ["-c", 'sh "$@" &', "sh", ...script.map(String)],
      cwd: folder,
      detached: true,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn().status;
  } catch (error) {
    await Deno.remove(folder);
    throw new Error("tests against Kafka need a POSIX sh on PATH, or KAFKA_BROKERS=host:port", {
      cause: error,
    });
  }
}

/**
 * Ports below the system's range for outgoing connections. It takes seconds until the broker
 * listens, and a socket of another test could get the port meanwhile.
 */
function freePorts(count: number): number[] {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      ports.add(port);
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
  return [...ports];
}

async function answer(folder: string): Promise<string> {
  for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline;) {
    const ready = readIfThere(`${folder}/ready`);
    if (ready !== undefined) return ready.trim();
    const failed = readIfThere(`${folder}/failed`);
    if (failed !== undefined) throw new Error(failed.trim());
    if (!exists(folder)) throw new Error("the Kafka broker's watchdog was ended from outside");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`no answer from the Kafka broker's watchdog in ${PATIENCE_MS / 60_000} minutes`);
}

function readIfThere(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
