/**
 * The command line of `state`, as data.
 *
 * @module
 */
import { didYouMean } from "../core/closest_name.ts";
import { UsageError } from "../core/errors.ts";
import type { StepId } from "../core/ids.ts";
import { type Option, optionText, parseOptions, refuseFlowArgs } from "./options.ts";
import { parseRewind, type Rewind, REWIND_OPTIONS } from "./rewind_arguments.ts";

/** What to do with a recovery store. */
export type StateCommand =
  | ({ readonly kind: "state" } & ShowCommand)
  | ({ readonly kind: "state-tool" } & ToolCommand);

/** What to show of a recovery store. */
export interface ShowCommand {
  /** The store. */
  readonly path: string;
  /** One step; `null` for an overview. */
  readonly step: StepId | null;
  /** One key of the step; `null` for a list of keys. */
  readonly key: string | null;
  /** Whether as JSON; else as text. */
  readonly json: boolean;
  /** How many keys are listed. */
  readonly limit: number;
}

/** What to change in a store, or to export from it. */
export interface ToolCommand {
  /** The store. */
  readonly path: string;
  /** Whether nothing is changed. */
  readonly dryRun: boolean;
  readonly tool: Tool;
}

/** A tool, with what it needs. */
export type Tool =
  | { readonly name: "rename-step"; readonly from: StepId; readonly to: StepId }
  | { readonly name: "drop-step"; readonly step: StepId }
  | { readonly name: "export"; readonly step: StepId | null }
  | { readonly name: "import"; readonly file: string; readonly replace: boolean }
  | ({ readonly name: "rewind" } & Rewind);

/** How many keys are listed unless the command says. */
const USUAL_KEYS = 100;

const DRY_RUN: Option = { name: "dry-run", value: null, about: "only tell what would be done" };

/** The options of each command. */
const OPTIONS = {
  "show": [
    { name: "json", value: null, about: "one document of JSON, as the operations port has it" },
    { name: "limit", value: "N", about: `how many keys are listed (default ${USUAL_KEYS})` },
  ],
  "rename-step": [DRY_RUN],
  "drop-step": [DRY_RUN],
  "export": [DRY_RUN, { name: "step", value: "STEP", about: "only what is stored of one step" }],
  "import": [
    DRY_RUN,
    { name: "replace", value: null, about: "drop what is stored of the steps first" },
  ],
  "rewind": [DRY_RUN, ...REWIND_OPTIONS],
} as const satisfies Readonly<Record<string, readonly Option[]>>;

/** What `--help` says of it. */
export const STATE_HELP = `       deno run -A cli.ts state PATH [STEP [KEY]] [--json] [--limit N]

shows what a recovery store holds, in a file or on Kafka, also while a run uses it.

       deno run -A cli.ts state rename-step PATH OLD NEW
       deno run -A cli.ts state drop-step PATH STEP
       deno run -A cli.ts state export PATH [--step STEP] > FILE
       deno run -A cli.ts state import PATH FILE [--replace]
       deno run -A cli.ts state rewind PATH STEP=TIME

change a store while no run uses it, or export it as lines of JSON. Their options:
${
  Object.values(OPTIONS).flat().filter(({ name }, i, all) =>
    all.findIndex((each) => each.name === name) === i
  ).map(optionText).join("\n")
}
`;

/** A command, or what was asked for instead. */
export interface ParsedState {
  readonly state: StateCommand;
  /** What an option asked for; `null` for the command. */
  readonly ask: "help" | "version" | null;
}

const NOTHING: StateCommand = {
  kind: "state",
  path: "",
  step: null,
  key: null,
  json: false,
  limit: USUAL_KEYS,
};

/**
 * Reads the arguments after `state`.
 *
 * @throws {UsageError} If they are wrong; the message says how to correct them.
 */
export function parseState(args: readonly string[]): ParsedState {
  const [first = ""] = args;
  // A store of such a name can be given as ./export.
  const tool = isTool(first) ? first : null;
  const parsed = parseOptions(
    tool === null ? args : args.slice(1),
    OPTIONS[tool ?? "show"],
    tool === null ? "state" : `state ${tool}`,
  );
  if (parsed.help) return { state: NOTHING, ask: "help" };
  if (parsed.version) return { state: NOTHING, ask: "version" };
  refuseFlowArgs(tool === null ? "state" : `state ${tool}`, parsed);
  const given = parsed._.map(String);
  const [path = ""] = given;
  if (tool === null) {
    refuseMistypedTool(path);
    const [, step = null, key = null] = given;
    if (path === "" || given.length > 3) {
      throw new UsageError(
        "state needs the path of a recovery store, and accepts a step and a key",
      );
    }
    const limit = limitOf(parsed.limit as string | undefined);
    return {
      state: { kind: "state", path, step, key, json: parsed.json === true, limit },
      ask: null,
    };
  }
  const { count, needs } = WORDS[tool];
  if (given.length !== count || given.includes("")) {
    throw new UsageError(`state ${tool} needs ${needs}`);
  }
  const state: StateCommand = {
    kind: "state-tool",
    path,
    dryRun: parsed["dry-run"] === true,
    tool: toolOf(tool, given.slice(1), parsed),
  };
  return { state, ask: null };
}

const PATH = "the path of a recovery store";

/** How many arguments each tool needs, and which. */
const WORDS: Readonly<Record<Tool["name"], { count: number; needs: string }>> = {
  "rename-step": { count: 3, needs: `${PATH}, the name of a step in it, and the new name` },
  "drop-step": { count: 2, needs: `${PATH}, and the name of a step in it` },
  "export": { count: 1, needs: PATH },
  "import": { count: 2, needs: `${PATH}, and an exported file` },
  "rewind": { count: 2, needs: `${PATH}, and STEP=TIME, STEP=start or STEP=offset:N` },
};

/**
 * Refuses a path that is nearly the name of a tool.
 *
 * @throws {UsageError} If it is.
 */
function refuseMistypedTool(path: string): void {
  if (!/^[\w-]+$/.test(path)) return; // a path with a folder or an ending
  const hint = didYouMean(path, Object.keys(WORDS));
  if (hint === "") return;
  throw new UsageError(
    `state has no tool "${path}"${hint} A store of that name is given as ./${path}`,
  );
}

function isTool(name: string): name is Tool["name"] {
  return Object.hasOwn(WORDS, name);
}

function toolOf(
  name: Tool["name"],
  [first = "", second = ""]: readonly string[],
  options: Readonly<Record<string, unknown>>,
): Tool {
  switch (name) {
    case "rename-step":
      return { name, from: first, to: second };
    case "drop-step":
      return { name, step: first };
    case "export":
      return { name, step: (options.step as string | undefined) ?? null };
    case "import":
      return { name, file: first, replace: options.replace === true };
    case "rewind":
      return { name, ...parseRewind(first, options) };
  }
}

function limitOf(given: string | undefined): number {
  const limit = given === undefined ? USUAL_KEYS : /^\d{1,9}$/.test(given) ? Number(given) : 0;
  if (limit < 1) throw new UsageError(`--limit must be a whole number from 1 on; got "${given}"`);
  return limit;
}
