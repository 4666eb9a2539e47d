/**
 * One real Apache Kafka for a whole `deno test` run, started by the first test that asks for it.
 *
 * Every test file is a module graph and an isolate of its own, so a variable of a module would mean
 * a broker per file. But the files of a run share the process, even under `--parallel`. So the
 * broker lives in a folder named after the process, and the file that succeeds in making the folder
 * starts the broker. `broker.sh` does the rest, and the cleaning up.
 */
import { tmpdir } from "node:os";

/** The very first run downloads some 50 MB with Maven. `broker.sh` limits the start to 60 s. */
const PATIENCE_MS = 10 * 60_000;

let brokers: Promise<string[]> | undefined;

/**
 * The brokers to test against, as host:port. These are the ones that `KAFKA_BROKERS` names. If it
 * names none, the run starts one, once, which lives until the test process ends.
 *
 * @throws {Error} If there is neither a broker nor what it takes to start one.
 */
export function kafkaBrokers(): Promise<string[]> {
  return brokers ??= findBrokers();
}

async function findBrokers(): Promise<string[]> {
  const named = Deno.env.get("KAFKA_BROKERS");
  if (named) return named.split(",").map((broker) => broker.trim());

  return [(await brokerOfThisRun("kafka")).address];
}

/** A kind of broker of which there is one in a run. */
export interface RunningBroker {
  /** Where its plain listener is, as host:port. */
  readonly address: string;
  /** Where its files are, until the test process ends. */
  readonly folder: string;
}

/**
 * Starts a broker for the whole run, unless another test file has, and waits until it answers.
 *
 * @param kind Its name among the brokers of a run.
 * @param setup The script that makes it different from the plain broker, and how many more ports it
 * needs.
 */
export async function brokerOfThisRun(
  kind: string,
  setup?: { script: string; ports: number },
): Promise<RunningBroker> {
  const folder = `${tmpdir()}/millrace-${kind}-${Deno.pid}-${processStart()}`;
  if (makeFolder(folder)) await startWatchdog(folder, setup);
  return { address: await answer(folder), folder };
}

/** Sets this process apart from an earlier one of the same id, should its folder still be there. */
function processStart(): string {
  if (Deno.build.os === "linux") {
    // proc_pid_stat(5): field 22 is the start time. Field 2, the name, may hold spaces and
    // brackets.
    const stat = Deno.readTextFileSync(`/proc/${Deno.pid}/stat`);
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  }
  const ps = new Deno.Command("ps", { args: ["-o", "lstart=", "-p", String(Deno.pid)] });
  return new TextDecoder().decode(ps.outputSync().stdout).replaceAll(/\W+/g, "");
}

/** Whether the folder is ours to fill: `mkdir` lets exactly one of all test files succeed. */
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
 * Starts `broker.sh` from a shell that ends at once, so the sanitizers find no handle. It is
 * detached, in a session of its own: no Ctrl-C or kill of the process group may end it before it
 * has cleaned up. (Deno 2.9 heeds `detached` in `spawn`, not in `output`.)
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
 * Ports below the range that the system uses for outgoing connections. It takes seconds until the
 * broker listens, and in that time another test's socket could get the port.
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
