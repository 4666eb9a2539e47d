/**
 * The command line as users run it: a child process, with its outputs, signals and a deadline.
 *
 * Each run has its own temporary folder, and a mark in its environment that its workers inherit. So
 * a test can prove that nothing of a run is left.
 */
import { assertEquals } from "@std/assert";

/** How a run is started. */
export interface CliOptions {
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether it logs as it does without a terminal; else as on a terminal. */
  readonly ownLog?: boolean;
  /** Its standard input, which is empty by default. */
  readonly stdin?: string;
  /** Where it runs; the project's root by default. */
  readonly cwd?: string;
  /** The script to run instead of the command line, from the project's root. */
  readonly script?: string;
  /** How many files a process may have open; as many as the tests may by default. */
  readonly mostFiles?: number;
  /** After this time it is killed, and all waiting fails. */
  readonly deadlineMs?: number;
}

/** The result of a run. */
export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const ROOT = `${import.meta.dirname}/../..`;
const MARK = "MILLRACE_TEST_RUN";

/** The text of a `deno.json` for a flow in a folder of its own. */
export const FLOW_CONFIG = JSON.stringify({
  imports: { millrace: new URL("../../mod.ts", import.meta.url).href },
});

/** The path of a flow of the end-to-end tests, from the project's root. */
export function flowFile(name: string): string {
  return `tests/e2e/flows/${name}`;
}

/** A folder with files, gone after the test. */
export async function folderOf(
  files: Readonly<Record<string, string>>,
): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempDir();
  for (const [name, text] of Object.entries(files)) {
    await Deno.mkdir(`${path}/${name}`.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeTextFile(`${path}/${name}`, text);
  }
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** Runs the command line to its end, and checks that nothing of it is left. */
export async function runCli(
  args: readonly string[],
  options: CliOptions = {},
): Promise<CliResult> {
  await using cli = startCli(args, options);
  return await cli.finished();
}

/** Starts the command line: `deno run -A cli.ts`. */
export function startCli(args: readonly string[], options: CliOptions = {}): CliProcess {
  return new CliProcess(args, options);
}

/** The command line while it runs. */
export class CliProcess implements AsyncDisposable {
  readonly stdout: OutputReader;
  readonly stderr: OutputReader;
  readonly #child: Deno.ChildProcess;
  readonly #tmp: string;
  readonly #mark: string = crypto.randomUUID();
  readonly #deadline: Promise<never>;
  readonly #timer: ReturnType<typeof setTimeout>;

  constructor(args: readonly string[], options: CliOptions) {
    const { env = {}, stdin, cwd = ROOT, script = "cli.ts", deadlineMs = 20_000 } = options;
    const log: Record<string, string> = options.ownLog ? {} : { MILLRACE_LOG_LEVEL: "warn" };
    this.#tmp = Deno.makeTempDirSync();
    const command = [Deno.execPath(), "run", "-A", `${ROOT}/${script}`, ...args];
    const { mostFiles } = options;
    const [program, ...rest] = mostFiles === undefined
      ? command
      : ["sh", "-c", `ulimit -n ${mostFiles}; exec "$@"`, "sh", ...command];
    this.#child = new Deno.Command(program, {
      args: rest,
      clearEnv: true,
      env: { ...ownEnv(), TMPDIR: this.#tmp, [MARK]: this.#mark, ...log, ...env },
      cwd,
      stdin: stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.stdout = new OutputReader(this.#child.stdout, (wait) => this.#inTime(wait));
    this.stderr = new OutputReader(this.#child.stderr, (wait) => this.#inTime(wait));
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => {}); // only waiting callers need the error
    this.#deadline = promise;
    this.#timer = setTimeout(() => {
      const { stdout: { text: out }, stderr: { text: err } } = this;
      reject(new Error(`not within ${deadlineMs} ms: ${args.join(" ")}\n${show({ out, err })}`));
    }, deadlineMs);
    if (stdin !== undefined) void this.#write(stdin);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Sends a signal to the command line's own process. */
  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /**
   * The result, once it has exited and no process holds its outputs, which workers inherit. Fails
   * if a process or a temporary file is left.
   */
  async finished(): Promise<CliResult> {
    const { code } = await this.#inTime(this.#child.status);
    await this.#inTime(Promise.all([this.stdout.ended, this.stderr.ended]));
    const result = { code, stdout: this.stdout.text, stderr: this.stderr.text };
    assertEquals(this.processes(), [], `processes are left\n${show(result)}`);
    const files = [...Deno.readDirSync(this.#tmp)].map(({ name }) => name);
    assertEquals(files, [], `temporary files are left\n${show(result)}`);
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    for (const pid of this.processes()) kill(pid);
    await Promise.all([this.#child.status, this.stdout.ended, this.stderr.ended]);
    await Deno.remove(this.#tmp, { recursive: true });
  }

  #inTime<R>(work: Promise<R>): Promise<R> {
    return Promise.race([work, this.#deadline]);
  }

  async #write(text: string): Promise<void> {
    await new Blob([text]).stream().pipeTo(this.#child.stdin).catch(() => {}); // it may have gone
  }

  /**
   * Kills one of its processes. Waits for others while it is alone: it may just have made the run's
   * folder, and no process would be left to remove that.
   *
   * @param pick Chooses one of them.
   * @returns The number of the process; `null` if all have gone.
   */
  async killOne(pick: (pids: readonly number[]) => number): Promise<number | null> {
    let pids = this.processes();
    for (; pids.length === 1; pids = this.processes()) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    if (pids.length === 0) return null;
    const pid = pick(pids);
    kill(pid);
    return pid;
  }

  /** Its processes that exist now. Only Linux shows the environment of others. */
  processes(): number[] {
    if (Deno.build.os !== "linux") return [];
    const pids = [...Deno.readDirSync("/proc")].map(({ name }) => Number(name));
    return pids.filter((pid) => pid > 0 && environOf(pid).includes(`${MARK}=${this.#mark}`));
  }
}

/** Collects what a process prints. */
export class OutputReader {
  /** All of it so far. */
  text = "";
  /** Resolves when no process can write to it any more, or it has been closed. */
  readonly ended: Promise<void>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #inTime: <R>(wait: Promise<R>) => Promise<R>;
  #more = Promise.withResolvers<boolean>();

  constructor(
    stream: ReadableStream<Uint8Array>,
    inTime: <R>(wait: Promise<R>) => Promise<R>,
  ) {
    this.#reader = stream.getReader();
    this.#inTime = inTime;
    this.ended = this.#read();
  }

  /** Waits for a whole line that matches. */
  async line(pattern: RegExp): Promise<RegExpExecArray> {
    for (let from = 0;;) {
      const more = this.#more.promise;
      for (let to; (to = this.text.indexOf("\n", from)) >= 0; from = to + 1) {
        const match = pattern.exec(this.text.slice(from, to));
        if (match !== null) return match;
      }
      if (!await this.#inTime(more)) {
        throw new Error(`no line like ${pattern} in:\n${this.text}`);
      }
    }
  }

  /** Closes the reading end, as `head` does when it has read enough. */
  async close(): Promise<void> {
    await this.#reader.cancel();
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    for (;;) {
      const { value, done } = await this.#reader.read();
      this.text += decoder.decode(value, { stream: !done });
      this.#more.resolve(!done);
      if (done) return;
      this.#more = Promise.withResolvers();
    }
  }
}

/** This process's environment, without variables that change the command line. */
function ownEnv(): Record<string, string> {
  const ours = /^(MILLRACE_|NO_COLOR$|FORCE_COLOR$|CLICOLOR)/;
  return Object.fromEntries(
    Object.entries(Deno.env.toObject()).filter(([name]) => !ours.test(name)),
  );
}

function environOf(pid: number): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/environ`);
  } catch {
    return ""; // it has exited meanwhile, or is another user's
  }
}

/** Kills a process, if it is still there. */
export function kill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // else it has exited meanwhile
  }
}

function show(outputs: object): string {
  return Object.entries(outputs).map(([name, text]) => `--- ${name}\n${text}`).join("\n");
}
