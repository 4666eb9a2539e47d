/**
 * Runs the command line.
 *
 * @module
 */
import { fstatSync } from "node:fs";
import { UsageError } from "../core/errors.ts";
import type { LogLevel } from "../core/log.ts";
import { hasNoReader } from "../core/system_error.ts";
import { oneLine } from "../core/safe_text.ts";
import { VERSION } from "../core/version.ts";
import { type ClusterOptions, spawnCluster } from "../runtime/process/cluster.ts";
import { exitCodeOf } from "../runtime/process/exit_code.ts";
import type { OutputTaps } from "../runtime/process/spawn.ts";
import { helpText, mistypedVariables, parseCommand, type RunCommand } from "./arguments.ts";
import { locateFlow } from "./flow_location.ts";
import { drawGraph } from "./graph.ts";
import { runGroup } from "./group_run.ts";
import { createLogWriter, finalError } from "./log_writer.ts";
import { runGroupTool } from "./group_tool.ts";
import { backUpStore, type Confirm, recoveryOf } from "./recovery.ts";
import { reportError, reportUsage } from "./report.ts";
import { describeState } from "./state.ts";
import { runStateTool } from "./state_tools.ts";
import { StatusLine } from "./status_line.ts";
import { onStopSignals } from "./stop_signals.ts";
import { checkTypes } from "./type_check.ts";
import { requireLocal, watchFlow } from "./watch/watch_flow.ts";

const FALLBACK_COLUMNS = 80;

/**
 * Does what the arguments ask for.
 *
 * @returns The exit code: 0 for an ended input or a graceful stop, 1 for a failed flow, 2 for wrong
 *   usage. A flow may set another one in place of 0 and 1.
 */
export async function main(args: readonly string[]): Promise<number> {
  let shown: ErrorSettings = { workers: 1, logFormat: "text", logLevel: "warn" };
  try {
    const command = parseCommand(args, (name) => Deno.env.get(name), {
      onTerminal: Deno.stderr.isTerminal(),
    });
    switch (command.kind) {
      case "help":
        print(Deno.stdout, helpText(command.of));
        return 0;
      case "version":
        print(Deno.stdout, `millrace ${VERSION} (deno ${Deno.version.deno})\n`);
        return 0;
      case "state":
        print(Deno.stdout, await describeState(command));
        return 0;
      case "state-tool":
        await runStateTool(command, {
          write: (text) => print(Deno.stdout, text),
          tell: (text) => print(Deno.stderr, text),
          log: createLogWriter(
            { least: "info", format: "text", now: () => new Date() },
            (line) => print(Deno.stderr, line),
          ),
        });
        return 0;
      case "backup":
        print(Deno.stdout, await backUpStore(command));
        return 0;
      case "group-tool":
        print(Deno.stdout, await runGroupTool(command, { confirm: confirmer() }));
        return 0;
      case "graph":
        print(Deno.stdout, await drawGraph(command));
        return 0;
      case "run":
        shown = command;
        return await runFlow(command);
    }
  } catch (error) {
    showError(error, shown, (text) => print(Deno.stderr, text));
    return error instanceof UsageError ? 2 : exitCodeOf(error);
  }
}

/** What an error is shown by. */
type ErrorSettings = Pick<RunCommand, "workers" | "logFormat" | "logLevel">;

/** Shows what has ended a run, or the command. */
function showError(
  error: unknown,
  { workers, logFormat: format, logLevel }: ErrorSettings,
  write: (text: string) => void,
): void {
  const text = error instanceof UsageError
    ? reportUsage(error)
    : reportError(error, { workers, cwd: Deno.cwd() });
  // A wrong command has no log yet.
  const least = error instanceof UsageError ? "warn" : logLevel;
  write(finalError(text, { least, format, now: () => new Date() }));
}

async function runFlow(command: RunCommand): Promise<number> {
  const { flow, flowArgs, workers, epochMs, stopMs, restarts, workerFlags, logLevel, logFormat } =
    command;
  const { moduleUrl, exportName } = locateFlow(flow); // before anything is dropped
  const check = async () => {
    if (!command.check) return;
    await checkTypes({ moduleUrl, workerFlags: workerFlags ?? [], cwd: Deno.cwd() });
  };
  if (command.watch) requireLocal(moduleUrl);
  else await check();
  const logAround = (status: StatusLine | null, least: LogLevel) =>
    createLogWriter(
      { least, format: logFormat, now: () => new Date() },
      (line) => printAround(status, line),
    );
  const recovery = command.recovery === null ? null : await recoveryOf(
    command.recovery,
    confirmer(),
    logAround(null, command.earlyLogLevel),
  );
  const status = Deno.stderr.isTerminal() && !stdoutIsPiped() ? terminalStatus() : null;
  const log = logAround(status, logLevel);
  for (const { variable, meant } of mistypedVariables(Object.keys(Deno.env.toObject()))) {
    log.warn(`the environment variable ${variable} is not an option: did you mean ${meant}?`);
  }
  const stop = new AbortController();
  const kill = new AbortController();
  const release = onStopSignals({
    stop: () => {
      stop.abort();
      status?.stopping();
    },
    stopAtOnce: () => kill.abort(),
  });
  const taps: OutputTaps = status === null ? {} : {
    stderr: (bytes) => status.print(bytes, (bytes) => writeAll(Deno.stderr, bytes)),
    ...Deno.stdout.isTerminal()
      ? { stdout: (bytes) => status.print(bytes, (bytes) => writeAll(Deno.stdout, bytes)) }
      : {},
  };
  const options: ClusterOptions = {
    workers,
    restarts,
    args: flowArgs,
    signal: stop.signal,
    killSignal: kill.signal,
    log,
    logLevel,
    ...recovery === null ? {} : { recovery, ...command.recovery?.stepChanges },
    ...workerFlags === undefined ? {} : { workerFlags },
    ...exportName === null ? {} : { exportName },
    ...epochMs === undefined ? {} : { epoch: { interval: epochMs } },
    ...stopMs === undefined ? {} : { stopTimeout: stopMs },
    ...command.api === undefined ? {} : { api: command.api },
    ...status === null ? {} : { onStatus: (now) => status.update(now), taps },
  };
  try {
    if (command.group !== undefined) {
      return await runGroup({
        moduleUrl,
        exportName,
        command,
        group: command.group,
        log,
        signal: stop.signal,
        killSignal: kill.signal,
        taps,
        ...status === null ? {} : { onStatus: (now) => status.update(now) },
      });
    }
    if (command.watch) {
      return await watchFlow(moduleUrl, options, {
        check,
        showError: (error) => showError(error, command, (text) => printAround(status, text)),
        idles: () => status?.clear(),
      });
    }
    const { exitCode } = await spawnCluster(moduleUrl, options);
    return exitCode;
  } finally {
    release();
    status?.clear();
  }
}

/** Asks the user, if there is a terminal. */
function confirmer(): Confirm {
  return Deno.stdin.isTerminal() ? (text) => confirm(oneLine(text)) : null;
}

/** As in `| head`: the reader may print to the same terminal, into our status line. */
function stdoutIsPiped(): boolean {
  return fstatSync(1).isFIFO();
}

function terminalStatus(): StatusLine {
  return new StatusLine((text) => print(Deno.stderr, text), {
    columns: terminalColumns,
    now: () => performance.now(),
  });
}

/** Returns the width of the terminal. Some pseudo-terminals report 0, and a closed one throws. */
function terminalColumns(): number {
  try {
    return Deno.consoleSize().columns || FALLBACK_COLUMNS;
  } catch {
    return FALLBACK_COLUMNS;
  }
}

function printAround(status: StatusLine | null, line: string): void {
  const bytes = new TextEncoder().encode(line);
  if (status === null) writeAll(Deno.stderr, bytes);
  else status.print(bytes, (bytes) => writeAll(Deno.stderr, bytes));
}

/** One of our own outputs. */
interface Output {
  writeSync(bytes: Uint8Array): number;
}

/** Checked at the start: a closed terminal does not count as a terminal any more. */
const TERMINALS: ReadonlySet<Output> = new Set<Output>(
  [Deno.stdout, Deno.stderr].filter((output) => output.isTerminal()),
);

function print(to: Output, text: string): void {
  writeAll(to, new TextEncoder().encode(text));
}

function writeAll(to: Output, bytes: Uint8Array): void {
  let rest = bytes;
  try {
    while (rest.length > 0) rest = rest.subarray(to.writeSync(rest));
  } catch (error) {
    if (!hasNoReader(error, TERMINALS.has(to))) throw error; // otherwise nobody is left to read it
  }
}
