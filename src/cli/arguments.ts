/**
 * The command line as data.
 *
 * @module
 */
import { closestName, editDistance } from "../core/closest_name.ts";
import { UsageError } from "../core/errors.ts";
import { KEY_GROUPS } from "../core/key_groups.ts";
import { LOG_LEVELS, type LogLevel } from "../core/log.ts";
import { type ApiOptions, isOwnHost, OWN_HOST, requireToken } from "../ops/access.ts";
import { refusePermissionSets } from "../runtime/process/worker_flags.ts";
import type { StepChangeOptions } from "../runtime/step_changes.ts";
import { requireStopTime } from "../runtime/stop_limit.ts";
import { oneOf, parseCount, parseTime } from "./given_values.ts";
import { GROUP_OPTIONS, type GroupCommand, parseGroup, type Switch } from "./group_arguments.ts";
import { GROUP_HELP, type GroupToolCommand, parseGroupTool } from "./group_tool_arguments.ts";
import { joinFlags, type Option, optionText, parseOptions, refuseFlowArgs } from "./options.ts";
import { parseState, STATE_HELP, type StateCommand } from "./state_arguments.ts";
import { type Given, type GivenStepChanges, parseStepChanges } from "./step_changes.ts";

/** The format of log lines. */
export type LogFormat = "text" | "json";

/** The text of `--help`. */
export interface Help {
  readonly kind: "help";
  /** The command that it is of; absent for all. */
  readonly of?: keyof typeof HELP_OF;
}

/** What the command line asks for. */
export type Command =
  | Help
  | { readonly kind: "version" }
  | ({ readonly kind: "run" } & RunCommand)
  | StateCommand
  | GroupToolCommand
  | ({ readonly kind: "graph" } & GraphCommand)
  | { readonly kind: "backup"; readonly path: string; readonly to: string };

/** A run that the command line asks for. */
export interface RunCommand {
  /** The flow: a path or URL, and `:name` if it is not the default export. */
  readonly flow: string;
  /** What comes after `--`. */
  readonly flowArgs: readonly string[];
  readonly workers: number;
  /** Whether the flow's types are checked before it runs. */
  readonly check: boolean;
  readonly epochMs: number | undefined;
  /** Whether new code replaces the run when the flow's files change. */
  readonly watch: boolean;
  /** How long a graceful stop may take, in milliseconds; absent if not set. */
  readonly stopMs?: number;
  readonly restarts: number;
  /** Where state is kept; `null` if it is not kept. */
  readonly recovery: RecoveryCommand | null;
  /** `undefined`: all permissions. */
  readonly workerFlags: readonly string[] | undefined;
  readonly logLevel: LogLevel;
  /** The same before the run, when no terminal shows a line of status yet. */
  readonly earlyLogLevel: LogLevel;
  readonly logFormat: LogFormat;
  /** Where the operations port listens; absent without one. */
  readonly api?: ApiOptions;
  /** The group that shares the work; absent if this machine does all of it. */
  readonly group?: GroupCommand;
}

/** What happens to stored state. */
export interface RecoveryCommand {
  readonly path: string;
  /** Drop what is there. */
  readonly fromScratch: boolean;
  /** Do not ask first. */
  readonly yes: boolean;
  /** Which steps have been renamed, and which are gone; absent if there are none. */
  readonly stepChanges?: StepChangeOptions;
}

/** The forms in which a flow can be drawn. */
export const GRAPH_FORMATS = ["mermaid", "dot", "json", "svg"] as const;

/** A picture of a flow. */
export interface GraphCommand {
  /** As {@linkcode RunCommand} has them. */
  readonly flow: string;
  readonly flowArgs: readonly string[];
  readonly workers: number;
  readonly workerFlags: readonly string[] | undefined;
  readonly format: typeof GRAPH_FORMATS[number];
  /** Whether to show which steps run in one loop, and where items change workers. */
  readonly stages: boolean;
}

/** The options of a run, on one machine or in a group. */
const RUN_OPTIONS: readonly Option[] = [
  { name: "workers", alias: "w", value: "N", about: "worker processes (default 1)" },
  {
    name: "epoch-interval",
    value: "TIME",
    about: "least length of an epoch: 500ms, 10s, 5m (default 10s)",
  },
  {
    name: "recovery",
    value: "PATH",
    about: "keep state in a file, or at kafka://HOST:PORT/PREFIX",
  },
  {
    name: "from-scratch",
    value: null,
    about: "with --recovery: drop what is stored, after asking",
  },
  { name: "yes", value: null, about: "do not ask" },
  {
    name: "rename-step",
    value: "OLD=NEW",
    isList: true,
    about: "move what is stored of OLD to NEW; repeatable",
  },
  {
    name: "drop-step",
    value: "NAME",
    isList: true,
    about: "drop what is stored of a step that is gone; repeatable",
  },
  {
    name: "stop-timeout",
    value: "TIME",
    about: "how long a graceful stop may take, more than 0 (default 30s)",
  },
  { name: "restart", value: "N", about: "start a failed run again, N times in a row at most" },
  {
    name: "worker-flags",
    value: "FLAGS",
    about: 'Deno\'s flags for workers instead of -A: "--allow-net --allow-env"',
  },
  {
    name: "api",
    value: "[HOST:]PORT",
    about: "a dashboard, health, metrics and state, over HTTP",
  },
  { name: "check", value: null, about: "check the types of the flow before it runs" },
  {
    name: "watch",
    value: null,
    about: "reload the flow when its files change, and keep its state",
  },
  { name: "log-level", value: "LEVEL", about: "debug, info, warn or error" },
  { name: "log-format", value: "FORMAT", about: "text (the default) or json, one object a line" },
];

/** All options but `--help` and `--version`. */
export const OPTIONS: readonly Option[] = [...RUN_OPTIONS, ...GROUP_OPTIONS];

/** The options of `graph`. */
const GRAPH_OPTIONS: readonly Option[] = [
  { name: "format", value: "FORMAT", about: "mermaid (the default), dot, json or svg" },
  {
    name: "stages",
    value: null,
    about: "show which steps run in one loop, and where items change workers",
  },
  ...OPTIONS.filter(({ name }) => name === "workers" || name === "worker-flags"),
];

/** How often a group's worker is started again by default: its machine may be short of memory. */
const GROUP_RESTARTS = 10;

/** The environment variable of the token that clients of the operations port have to send. */
const API_TOKEN_ENV = "MILLRACE_API_TOKEN";

/** A variable with more mistakes than this belongs to another program. */
const MOST_TYPOS = 2;

/** The help of commands that do not run a flow. */
const HELP_OF = {
  state: STATE_HELP,
  group: GROUP_HELP,
  backup: `       deno run -A cli.ts backup PATH FILE

copies a recovery store into a new file, also while a run uses it.
`,
  graph: `       deno run -A cli.ts graph FLOW [options] [-- flow arguments]

draws the flow without running it. Its options, besides --workers and --worker-flags:
${GRAPH_OPTIONS.slice(0, 2).map(optionText).join("\n")}
`,
} as const;

/** Returns the text of `--help`: of one command, or of all. */
export function helpText(of?: Help["of"]): string {
  if (of !== undefined) return `Usage: ${HELP_OF[of].trimStart()}`;
  return `Runs a dataflow.

Usage: deno run -A cli.ts FLOW [options] [-- flow arguments]

FLOW is a file or URL whose default export is a Dataflow, or a function that makes one.
flow.ts:name picks another export. Arguments after -- are the flow's Deno.args. Standard input goes
to worker 0; for other workers it is empty.

${Object.values(HELP_OF).join("\n")}
Options:
${RUN_OPTIONS.map(optionText).join("\n")}
  -h, --help                    this text
  -V, --version                 the versions of Millrace and Deno

Options of a machine in a group, which shares a flow's work with others through Kafka:
${GROUP_OPTIONS.map(optionText).join("\n")}

Each option but --help and --version can be given as an environment variable too, such as
${
    envName("log-level")
  } for --log-level. It is 1 or true, or 0 or false, for an option without a value.
The log level is warn on a terminal, which has a line of status. Elsewhere, with --watch and in a
group, it is info.

SIGINT (^C), SIGTERM and SIGHUP stop gracefully: what has been read is worked off, for as long as
--stop-timeout allows. Another one, half a second later or more, stops at once.
Exit codes: 0 the input ended or a graceful stop, 1 the flow failed, 2 a wrong command line. A flow
may set another one in place of 0 and 1, as Deno.exitCode or process.exitCode.
`;
}

/** Returns the environment variable of an option. */
export function envName(option: string): string {
  return `MILLRACE_${option.toUpperCase().replaceAll("-", "_")}`;
}

/**
 * Returns the environment variables that were probably meant to be options, with the right names.
 *
 * Other variables may begin with `MILLRACE_` as well: Kubernetes sets some for a service of that
 * name.
 *
 * @param names The names of all environment variables.
 */
export function mistypedVariables(
  names: readonly string[],
): readonly { readonly variable: string; readonly meant: string }[] {
  const known = [...OPTIONS.map(({ name }) => envName(name)), API_TOKEN_ENV];
  return names.filter((name) => name.startsWith("MILLRACE_") && !known.includes(name))
    .map((variable) => ({ variable, meant: closestName(variable, known) }))
    .filter(({ variable, meant }) => editDistance(variable, meant) <= MOST_TYPOS);
}

/**
 * Reads the command line.
 *
 * @param args The arguments.
 * @param env Looks up an environment variable.
 * @param facts `onTerminal`: whether the log goes to a terminal.
 * @throws {UsageError} If it is wrong; the message says how to correct it.
 */
export function parseCommand(
  args: readonly string[],
  env: (name: string) => string | undefined,
  { onTerminal }: { readonly onTerminal: boolean },
): Command {
  if (args[0] === "graph") return parseGraph(args.slice(1));
  if (args[0] === "state") {
    const { state, ask } = parseState(args.slice(1));
    if (ask === "help") return { kind: "help", of: "state" };
    return ask === null ? state : { kind: ask };
  }
  if (args[0] === "group") {
    const group = parseGroupTool(args.slice(1));
    if (group === "help") return { kind: "help", of: "group" };
    return group === "version" ? { kind: group } : group;
  }
  const parsed = parseOptions(args, OPTIONS);
  const [flow, ...surplus] = parsed._.map(String);
  if (parsed.help) return { kind: "help", ...flow === "backup" ? { of: flow } : {} };
  if (parsed.version) return { kind: "version" };
  if (flow === "backup") {
    const stray = OPTIONS.find(({ name }) =>
      [parsed[name]].flat().some((value) => value !== undefined && value !== false)
    );
    if (stray !== undefined) throw new UsageError(`${flow} accepts no option --${stray.name}`);
    refuseFlowArgs(flow, parsed);
    return parseBackup(surplus);
  }
  if (flow === undefined) {
    throw new UsageError("which flow? Give its file: deno run -A cli.ts flow.ts (see --help)");
  }
  if (surplus.length > 0) {
    throw new UsageError(
      `one flow at a time: got ${flow} and ${surplus.join(" ")} ` +
        `(arguments of the flow go after --, as in ${flow} -- ${surplus.join(" ")})`,
    );
  }
  const variableOf = (name: string): Given | undefined => {
    const value = env(envName(name));
    return value === undefined ? undefined : { value, from: envName(name) };
  };
  const valueOf = (name: string): Given | undefined => {
    const value = parsed[name] as string | undefined;
    return value === undefined ? variableOf(name) : { value, from: `--${name}` };
  };
  const switchOf = (name: string): Switch =>
    parseSwitch(givenSwitch(args, name) ?? variableOf(name));
  const listOf = (name: string): Given[] => {
    const given = parsed[name] as readonly string[];
    if (given.length > 0) return given.map((value) => ({ value, from: `--${name}` }));
    const from = envName(name);
    return env(from)?.split(",").map((value) => ({ value, from })) ?? [];
  };
  const watch = switchOf("watch").isOn;
  const stopMs = parseTime(valueOf("stop-timeout"), requireStopTime);
  const api = parseApi(valueOf("api"), env(API_TOKEN_ENV));
  const group = parseGroup({ valueOf, switchOf, listOf });
  const stepChanges = group !== null
    ? { renames: [], drops: [] } // it has its own
    : { renames: listOf("rename-step"), drops: listOf("drop-step") };
  return {
    kind: "run",
    flow,
    flowArgs: parsed["--"],
    workers: parseCount(valueOf("workers"), { fallback: 1, least: 1, most: KEY_GROUPS }),
    check: switchOf("check").isOn,
    watch,
    epochMs: parseTime(valueOf("epoch-interval")),
    ...stopMs === undefined ? {} : { stopMs },
    recovery: parseRecovery(
      valueOf("recovery"),
      { fromScratch: switchOf("from-scratch"), yes: switchOf("yes") },
      stepChanges,
    ),
    restarts: parseCount(valueOf("restart"), {
      fallback: group === null ? 0 : GROUP_RESTARTS,
      least: 0,
      most: 1_000_000,
    }),
    workerFlags: parseFlags(valueOf("worker-flags")),
    logLevel: oneOf(
      valueOf("log-level"),
      LOG_LEVELS,
      onTerminal && !watch && group === null ? "warn" : "info",
    ),
    earlyLogLevel: oneOf(valueOf("log-level"), LOG_LEVELS, "info"),
    logFormat: oneOf(valueOf("log-format"), ["text", "json"], "text"),
    ...api === undefined ? {} : { api },
    ...group === null ? {} : { group },
  };
}

/**
 * Returns a switch of the command line; `undefined` if it is absent. `parseArgs` cannot tell an
 * absent one from one that is off.
 */
function givenSwitch(args: readonly string[], name: string): Given | undefined {
  const end = args.indexOf("--");
  const own = joinFlags(end < 0 ? args : args.slice(0, end));
  const last = own.findLast((arg) => arg === `--${name}` || arg.startsWith(`--${name}=`));
  if (last === undefined) return undefined;
  const from = `--${name}`;
  return { value: last === from ? "true" : last.slice(from.length + 1), from };
}

function parseSwitch(given: Given | undefined): Switch {
  if (given === undefined) return { isOn: false, from: null };
  const { value, from } = given;
  if (value === "1" || value === "true") return { isOn: true, from };
  if (value === "0" || value === "false") return { isOn: false, from };
  throw new UsageError(`${from} must be 1 or true, or 0 or false; got "${value}"`);
}

function parseApi(given: Given | undefined, secret: string | undefined): ApiOptions | undefined {
  if (given === undefined) return undefined;
  const { value, from } = given;
  const [, bracketed, plain, port] =
    /^(?:(?:\[([\da-f:.]+)\]|([^:[\]]+)):)?(\d{1,5})$/i.exec(value) ?? [];
  if (port === undefined || Number(port) > 65_535) {
    throw new UsageError(
      `${from} must be a port, or an address and a port, such as 8080 or 0.0.0.0:8080; got "${value}"`,
    );
  }
  const host = bracketed ?? plain ?? OWN_HOST;
  const token = apiToken(secret);
  if (!isOwnHost(host) && token === null) {
    throw new UsageError(
      `${from} ${value} can be reached by others, so it needs a token: set ${API_TOKEN_ENV}, or ` +
        `leave the address out`,
    );
  }
  return { host, port: Number(port), ...token === null ? {} : { token } };
}

function apiToken(token: string | undefined): string | null {
  try {
    return requireToken(token, API_TOKEN_ENV);
  } catch (cause) {
    throw new UsageError((cause as TypeError).message, { cause });
  }
}

/** Splits flags at spaces; quotes keep what they enclose together. */
function parseFlags(given: Given | undefined): readonly string[] | undefined {
  if (given === undefined) return undefined;
  const flags = given.value.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? [];
  const stray = flags.find((flag) => !/^["']?-/.test(flag));
  if (flags.length === 0 || stray !== undefined) {
    throw new UsageError(
      `${given.from} must be flags of deno run, such as "--allow-net --allow-env"; got ` +
        `${stray ?? "none"}`,
    );
  }
  const unquoted = flags.map((flag) => flag.replaceAll(/"([^"]*)"|'([^']*)'/g, "$1$2"));
  refusePermissionSets(unquoted, given.from); // here, before anything is dropped
  return unquoted;
}

function parseRecovery(
  given: Given | undefined,
  { fromScratch: { isOn: fromScratch, from }, yes: { isOn: yes } }: Record<
    "fromScratch" | "yes",
    Switch
  >,
  stepChanges: GivenStepChanges,
): RecoveryCommand | null {
  const [change] = [...stepChanges.renames, ...stepChanges.drops];
  if (given !== undefined) {
    if (given.value === "") {
      throw new UsageError(`${given.from} must be a path or kafka://HOST:PORT/PREFIX; got ""`);
    }
    const changes = change === undefined ? {} : { stepChanges: parseStepChanges(stepChanges) };
    return { path: given.value, fromScratch, yes, ...changes };
  }
  if (change !== undefined) {
    throw new UsageError(`${change.from} needs --recovery PATH: where is the step stored?`);
  }
  if (fromScratch) {
    throw new UsageError(`${from} needs --recovery PATH: drop the state where?`);
  }
  return null;
}

function parseBackup(given: readonly string[]): Command {
  const [path, to] = given;
  if (given.length !== 2 || path === "" || to === "") {
    throw new UsageError(
      "backup needs the path of a recovery store, and that of a new file for the copy",
    );
  }
  return { kind: "backup", path, to };
}

/** It accepts no environment variables: those are for the run that a picture is not of. */
function parseGraph(args: readonly string[]): Command {
  const parsed = parseOptions(args, GRAPH_OPTIONS);
  if (parsed.help) return { kind: "help", of: "graph" };
  if (parsed.version) return { kind: "version" };
  const [flow, ...surplus] = parsed._.map(String);
  if (flow === undefined || surplus.length > 0) {
    throw new UsageError("graph needs one flow: deno run -A cli.ts graph flow.ts (see --help)");
  }
  const valueOf = (name: string): Given | undefined => {
    const value = parsed[name] as string | undefined;
    return value === undefined ? undefined : { value, from: `--${name}` };
  };
  return {
    kind: "graph",
    flow,
    flowArgs: parsed["--"],
    workers: parseCount(valueOf("workers"), { fallback: 2, least: 1, most: KEY_GROUPS }),
    workerFlags: parseFlags(valueOf("worker-flags")),
    format: oneOf(valueOf("format"), GRAPH_FORMATS, "mermaid"),
    stages: parsed.stages === true,
  };
}
