/** Processes of a broker under test, with a folder that goes with them. */
const HERE = import.meta.dirname!;

/** How long a broker may take until it answers, in milliseconds. */
const PATIENCE_MS = 120_000;

/** A broker that cannot run here, and why. */
export class NotHere extends Error {}

/** A broker that is running. */
export interface RunningBroker extends AsyncDisposable {
  readonly brokers: string[];
}

/** A folder, and the processes in it. */
export class Processes implements AsyncDisposable {
  readonly folder: string;
  readonly #children: Deno.ChildProcess[] = [];
  readonly #ended = new Set<string>();

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async create(): Promise<Processes> {
    return new Processes(await Deno.makeTempDir({ prefix: "millrace-broker-" }));
  }

  /** Starts a program. Its output goes to `NAME.log`. */
  start(name: string, command: string, args: readonly string[]): void {
    const child = new Deno.Command("sh", {
      args: [
        `${HERE}/run_while.sh`,
        String(Deno.pid),
        `${this.folder}/${name}.log`,
        command,
        ...args,
      ],
      cwd: this.folder,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.#children.push(child);
    child.status.then(() => this.#ended.add(name));
  }

  /** What a program has printed so far. */
  log(name: string): string {
    try {
      return Deno.readTextFileSync(`${this.folder}/${name}.log`);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return "";
      throw error;
    }
  }

  /** Waits until it accepts connections on a port of this machine. */
  async listening(name: string, port: number): Promise<void> {
    await this.until(name, async () => {
      try {
        (await Deno.connect({ hostname: "127.0.0.1", port })).close();
        return true;
      } catch (error) {
        if (error instanceof Deno.errors.ConnectionRefused) return false;
        throw error;
      }
    });
  }

  /** Waits until a program is ready. If it ends or takes too long, fails with its output. */
  async until(name: string, isReady: () => boolean | Promise<boolean>): Promise<void> {
    for (const deadline = Date.now() + PATIENCE_MS; !await isReady();) {
      const ended = this.#ended.has(name);
      if (ended || Date.now() > deadline) {
        const what = ended ? "ended while starting" : "was not ready in time";
        throw new Error(`${name} ${what}:\n${this.log(name).slice(-3_000)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children.toReversed()) {
      try {
        child.kill("SIGTERM");
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // it has ended by itself
      }
      await child.status;
    }
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** Starts brokers that print their addresses, in a line "listening HOST:PORT,…". */
export async function startAnnounced(
  name: string,
  command: string,
  args: readonly string[],
): Promise<RunningBroker> {
  const processes = await Processes.create();
  try {
    processes.start(name, command, args);
    const listening = () => /^listening (.*)$/m.exec(processes.log(name))?.[1];
    await processes.until(name, () => listening() !== undefined);
    return {
      brokers: listening()!.split(","),
      [Symbol.asyncDispose]: () => processes[Symbol.asyncDispose](),
    };
  } catch (error) {
    await processes[Symbol.asyncDispose]();
    throw error;
  }
}

/** Runs a program to its end. */
export async function runTool(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<void> {
  let output;
  try {
    output = await new Deno.Command(command, { args: [...args], stdin: "null", ...options })
      .output();
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new NotHere(`${command} is not on this machine`);
  }
  if (output.success) return;
  const said = new TextDecoder().decode(output.stderr) + new TextDecoder().decode(output.stdout);
  throw new NotHere(`${command} ${args[0]} failed: ${said.slice(-1_000)}`);
}

/** Where fetched files are kept between runs. */
export function cacheFolder(): string {
  const cache = Deno.env.get("XDG_CACHE_HOME") || `${Deno.env.get("HOME") || "/tmp"}/.cache`;
  return `${cache}/millrace-tests`;
}

export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** A port that is free now. */
export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}
