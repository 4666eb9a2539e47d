/**
 * What a flow consists of, without running it.
 *
 * @module
 */
import { isSystemError, systemReason } from "../../core/system_error.ts";
import type { FlowDescription } from "../flow_description.ts";
import { flowName, refuseNesting, RUNNING_ENV, spawnFacts } from "../nesting.ts";
import { fromFailure } from "./failure.ts";
import type { Failure } from "./protocol.ts";
import { WORKER_ENV } from "./spawn.ts";
import { permissionFlags } from "./worker_flags.ts";

/** What the process that loads the flow is told, as JSON, in the variable of a worker. */
export interface DescribeTask {
  readonly moduleUrl: string;
  readonly exportName: string | null;
  /** As many as would run it. */
  readonly workers: number;
  /** The file for the answer. What the flow prints while it is loaded goes to the outputs. */
  readonly answer: string;
}

/** What the process writes to that file, as JSON. */
export type DescribeAnswer = { readonly flow: FlowDescription } | { readonly failure: Failure };

/** Which flow to describe, and how it is loaded. */
export interface DescribeOptions extends Pick<DescribeTask, "exportName" | "workers"> {
  /** The flow's arguments. */
  readonly args: readonly string[];
  /** Deno's flags in place of `-A`; absent for all permissions. */
  readonly workerFlags?: readonly string[];
}

/**
 * Loads a flow as a worker does, in a process of its own, and describes it. Nothing is opened. What
 * the module prints goes to standard error.
 *
 * @throws {UsageError} If the export is missing or not a flow.
 * @throws {Error} What the module throws.
 */
export async function describeModule(
  moduleUrl: string,
  { exportName, args, workers, workerFlags }: DescribeOptions,
): Promise<FlowDescription> {
  const flow = flowName(moduleUrl, exportName);
  const facts = spawnFacts();
  refuseNesting(flow, facts);
  const folder = await Deno.makeTempDir({ prefix: "millrace-" });
  try {
    const answer = `${folder}/answer.json`;
    const task: DescribeTask = { moduleUrl, exportName, workers, answer };
    const flags = permissionFlags(workerFlags ?? null, { folder, moduleUrl, workers });
    const preload = import.meta.resolve("./describe_main.ts");
    const child = started({
      args: ["run", "--quiet", ...flags, `--preload=${preload}`, moduleUrl, ...args],
      env: {
        [WORKER_ENV]: JSON.stringify(task),
        [RUNNING_ENV]: [...facts.running, flow].join("\n"),
      },
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    });
    await child.stdout.pipeTo(Deno.stderr.writable, { preventClose: true });
    return resultOf(await answerIn(answer, await child.status));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function started(options: Deno.CommandOptions): Deno.ChildProcess {
  const deno = Deno.execPath();
  try {
    return new Deno.Command(deno, options).spawn();
  } catch (cause) {
    if (!isSystemError(cause)) throw cause;
    throw new Error(`the flow cannot be loaded with ${deno}: ${systemReason(cause)}`, { cause });
  }
}

async function answerIn(path: string, { code }: Deno.CommandStatus): Promise<DescribeAnswer> {
  try {
    return JSON.parse(await Deno.readTextFile(path));
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new Error(
      `the flow's module ended its process with code ${code} before the flow was there ` +
        `(does it call Deno.exit?)`,
      { cause },
    );
  }
}

function resultOf(answer: DescribeAnswer): FlowDescription {
  if ("failure" in answer) throw fromFailure(answer.failure, 0);
  return answer.flow;
}
