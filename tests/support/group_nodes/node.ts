/**
 * A node of a group, as users run it: the command line, with a state folder of its own. It can be
 * stopped, killed, frozen, and started again on the same disk.
 */
import { assertEquals } from "@std/assert";
import { type CliProcess, type CliResult, kill, startCli } from "../cli.ts";

/** How a node is run. */
export interface NodeOptions {
  /** How tests call it. */
  readonly name: string;
  /** How many workers it has: each is a member of the group. */
  readonly workers: number;
  /** The arguments of the command line, up to those that the flow gets. */
  readonly args: readonly string[];
  /** What the flow gets. */
  readonly flowArgs: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** The lines by which a node tells that it runs. */
const RUNNING = /joining the group/;

/** How long a node may live. */
const DEADLINE_MS = 30 * 60_000;

/** One node, which runs or not. */
export class GroupNode implements AsyncDisposable {
  readonly name: string;
  readonly #options: NodeOptions;
  #cli: CliProcess | null = null;
  #past = "";
  readonly #isOver = new WeakSet<CliProcess>();
  #frozen: number[] = [];

  /** Starts nothing yet. */
  constructor(options: NodeOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** All that it has logged, over all of its starts. */
  get log(): string {
    return this.#past + (this.#cli?.stderr.text ?? "");
  }

  /** How many workers it has. */
  get workerCount(): number {
    return this.#options.workers;
  }

  /** Whether it has been started, and neither stopped nor killed. */
  get isRunning(): boolean {
    return this.#cli !== null;
  }

  /** Whether it has ended by itself since it was started. */
  get hasEnded(): boolean {
    return this.#cli !== null && this.#isOver.has(this.#cli);
  }

  /** Starts it, on the disk that it has. */
  start(more: readonly string[] = []): void {
    if (this.#cli !== null) throw new Error(`node ${this.name} runs already`);
    const { args, flowArgs, env = {} } = this.#options;
    const cli = startCli([...args, ...more, "--", ...flowArgs], {
      env,
      ownLog: true,
      deadlineMs: DEADLINE_MS,
    });
    this.#cli = cli;
    cli.stderr.ended.then(() => this.#isOver.add(cli));
  }

  /** Waits until the command has begun to run the flow. */
  async untilStarted(): Promise<void> {
    await this.#running.stderr.line(RUNNING);
  }

  /** Stops it as an operator does. It must end well. */
  async stop(): Promise<void> {
    const cli = this.#running;
    cli.kill("SIGTERM");
    const { code, stderr } = await this.ended();
    assertEquals(code, 0, `node ${this.name} was stopped\n${stderr}`);
  }

  /** Waits until it ends by itself, or because it was told to. Nothing of it may be left. */
  async ended(): Promise<CliResult> {
    const cli = this.#running;
    const result = await cli.finished();
    await this.#forget(cli);
    return result;
  }

  /** Kills all of its processes at once, as a loss of power does. */
  async kill(): Promise<void> {
    const cli = this.#running;
    for (const pid of cli.processes()) kill(pid);
    await this.#forget(cli);
  }

  /** All of its processes. */
  get processes(): number[] {
    return this.#running.processes();
  }

  /** Its processes that run tasks. */
  get workers(): number[] {
    return this.processes.filter((pid) => commandOf(pid).includes("task_worker_main"));
  }

  /** Freezes all of its processes, until {@linkcode thaw}: clocks go on, nothing else does. */
  freeze(): void {
    this.#frozen = this.#running.processes();
    for (const pid of this.#frozen) Deno.kill(pid, "SIGSTOP");
  }

  /** Lets its processes go on. */
  thaw(): void {
    for (const pid of this.#frozen) {
      try {
        Deno.kill(pid, "SIGCONT");
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error; // it has been killed meanwhile
      }
    }
    this.#frozen = [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#cli !== null) await this.kill();
  }

  get #running(): CliProcess {
    if (this.#cli === null) throw new Error(`node ${this.name} does not run`);
    return this.#cli;
  }

  async #forget(cli: CliProcess): Promise<void> {
    await cli[Symbol.asyncDispose]();
    this.#past += cli.stderr.text;
    this.#cli = null;
    this.#frozen = [];
  }
}

function commandOf(pid: number): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/cmdline`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return ""; // it has exited meanwhile
    throw error;
  }
}
