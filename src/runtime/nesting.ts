/**
 * Keeps runs from starting one another without end.
 *
 * A worker loads the flow's module. If that module starts workers as it is loaded, each of them
 * loads it again, and so on. There are three ways to come there, and each is refused where it first
 * shows:
 *
 * - `spawnCluster` in a worker process: the process is marked;
 * - a flow that starts the command line on itself: what runs is passed on in the environment;
 * - a program made with `deno compile`, whose executable is the program: to start it is to start
 *   all.
 *
 * @module
 */
import { environmentVariable } from "../core/environment.ts";

/**
 * The environment variable that says which flows the processes above this one run, one on each
 * line. It is not an option, so its name does not begin as those of options do.
 */
export const RUNNING_ENV = "INSIDE_MILLRACE";

/** Marks a worker process. Global, as the flow may load another copy of this module. */
const WORKER_MARK: unique symbol = Symbol.for("millrace.worker");

interface Marked {
  [WORKER_MARK]?: { loading: boolean };
}

/** Marks this process as a worker. */
export function markAsWorker(): void {
  (globalThis as Marked)[WORKER_MARK] = { loading: false };
}

/** Loads a flow; while it does, `run` is refused. */
export async function whileLoading<T>(load: () => Promise<T>): Promise<T> {
  const mark = (globalThis as Marked)[WORKER_MARK];
  if (mark === undefined) return await load();
  mark.loading = true;
  try {
    return await load();
  } finally {
    mark.loading = false;
  }
}

/**
 * Refuses `run` while a worker loads its flow: each worker would run the flow by itself too.
 *
 * @throws {Error} If it is called there.
 */
export function refuseRunWhileLoading(): void {
  if ((globalThis as Marked)[WORKER_MARK]?.loading !== true) return;
  throw new Error(
    "run was called while a worker process loads the flow's module, so that each worker would run " +
      "the flow on its own as well. " + cure("run(flow)"),
  );
}

/** What decides whether a process may start workers. */
export interface SpawnFacts {
  /** Whether this process is a worker. */
  readonly isWorker: boolean;
  /** Whether the executable is a program made with `deno compile`. */
  readonly isStandalone: boolean;
  /** The flows that processes above this one run, as {@linkcode flowName} names them. */
  readonly running: readonly string[];
}

/** The facts about this process. */
export function spawnFacts(): SpawnFacts {
  return {
    isWorker: (globalThis as Marked)[WORKER_MARK] !== undefined,
    isStandalone: Deno.build.standalone,
    running: runningFlows(),
  };
}

/** What a flow is called in {@linkcode RUNNING_ENV}. */
export function flowName(moduleUrl: string, exportName: string | null): string {
  return `${moduleUrl}:${exportName ?? "default"}`;
}

/**
 * Refuses to start workers where that would never end.
 *
 * @param flow As {@linkcode flowName} names it.
 * @throws {Error} If it would; says what to do instead.
 */
export function refuseNesting(flow: string, { isWorker, isStandalone, running }: SpawnFacts): void {
  if (isWorker) {
    throw new Error(
      "spawnCluster was called in a worker process. Workers load the flow's module, so each would " +
        "start more of them, without end. " + cure("spawnCluster(import.meta.url)"),
    );
  }
  if (isStandalone) {
    throw new Error(
      "a program made with deno compile cannot start workers, as its executable would start the " +
        "whole program again. Run the flow in this process, with run(flow), or start the program " +
        "with deno run",
    );
  }
  if (running.includes(flow)) {
    throw new Error(
      `the flow ${flow} was started by one of its own workers, and would go on starting itself ` +
        `without end. ` + cure("the call that starts it"),
    );
  }
}

function cure(call: string): string {
  return `Put ${call} under \`if (import.meta.main)\`: workers load the module, and only the ` +
    `program that you start is the main one`;
}

function runningFlows(): readonly string[] {
  // Without the permission to look, nothing is known.
  const value = environmentVariable(RUNNING_ENV);
  return value === undefined ? [] : value.split("\n");
}
