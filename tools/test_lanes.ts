/**
 * Runs tests in two processes at once. Most tests wait: for a broker, a browser, or processes of
 * their own. Tests that measure memory still have their process to themselves, as files run one by
 * one in each.
 *
 * @module
 */
import { stripVTControlCharacters } from "node:util";

/** How many tests passed and so on, by name, in the order that `deno test` prints. */
export type Counts = ReadonlyMap<string, number>;

const NAMES = ["passed", "failed", "ignored", "measured", "filtered out"] as const;

/** Returns the counts in the last summary of `deno test`; `null` if there is none. */
export function countsIn(output: string): Counts | null {
  const lines = stripVTControlCharacters(output).split("\n");
  const summary = lines.findLast((line) => /^(ok|FAILED) \| \d+ passed/.test(line));
  if (summary === undefined) return null;
  const counts = NAMES.map((name): [string, number] => {
    const found = new RegExp(`(\\d+) ${name}`).exec(summary);
    return [name, Number(found?.[1] ?? 0)];
  });
  return new Map(counts);
}

/** One summary of several runs, in the form of `deno test`. */
export function summaryOf(runs: readonly Counts[], isOk: boolean): string {
  const parts = NAMES.flatMap((name) => {
    const sum = runs.reduce((sum, counts) => sum + (counts.get(name) ?? 0), 0);
    return sum > 0 || name === "passed" || name === "failed" ? [`${sum} ${name}`] : [];
  });
  return [isOk ? "ok" : "FAILED", ...parts].join(" | ");
}

/** What {@linkcode testInLanes} needs of its surroundings. */
export interface LaneOptions {
  /** The folder in which `deno test` runs. */
  readonly cwd: URL;
  /** Shows output. */
  readonly show: (text: string) => void;
  /** Called with each process, for example to pass signals on. */
  readonly onStart?: (process: Deno.ChildProcess) => void;
}

/**
 * Runs `deno test` with each list of arguments, all at once. Shows the output of the first as it
 * comes, then that of the next, and last the sum of their counts.
 *
 * @returns The exit code of the first that failed; 0 if all passed.
 */
export async function testInLanes(
  lanes: readonly (readonly string[])[],
  { cwd, show, onStart = () => {} }: LaneOptions,
): Promise<number> {
  let shown = Promise.resolve();
  const running = lanes.map((args) => {
    const process = new Deno.Command(Deno.execPath(), {
      args: ["test", ...args],
      cwd,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    onStart(process);
    const lane = new Lane(process);
    shown = shown.then(() => lane.showOn(show));
    return lane;
  });
  const codes = await Promise.all(running.map((lane) => lane.code()));
  await shown;
  const counts = running.flatMap(({ output }) => countsIn(output) ?? []);
  const failed = codes.find((code) => code !== 0) ?? 0;
  show(`\n${summaryOf(counts, failed === 0)}\n`);
  return failed;
}

/** One process, whose output waits until it is shown. */
class Lane {
  readonly #process: Deno.ChildProcess;
  readonly #read: Promise<void>;
  #output = "";
  #show: ((text: string) => void) | null = null;

  constructor(process: Deno.ChildProcess) {
    this.#process = process;
    const streams = [process.stdout, process.stderr];
    this.#read = Promise.all(streams.map((stream) => this.#keep(stream))).then(() => {});
  }

  /** What the process has printed. */
  get output(): string {
    return this.#output;
  }

  /** Shows what has been printed, and what is printed from now on, until the process ends. */
  async showOn(show: (text: string) => void): Promise<void> {
    show(this.#output);
    this.#show = show;
    await this.#read;
  }

  /** The exit code, once all output has been read. */
  async code(): Promise<number> {
    await this.#read;
    return (await this.#process.status).code;
  }

  async #keep(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.#output += text;
      this.#show?.(text);
    }
  }
}
