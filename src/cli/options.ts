/**
 * Options of the command line, and how they are read.
 *
 * @module
 */
import { parseArgs } from "@std/cli";
import { closestName } from "../core/closest_name.ts";
import { UsageError } from "../core/errors.ts";

/** An option. One of a run is also an environment variable. */
export interface Option {
  readonly name: string;
  readonly alias?: string;
  /** The name of its value in the help; `null` for a switch, which is on or off. */
  readonly value: string | null;
  /**
   * Whether it may be passed several times; its environment variable has commas between the values.
   */
  readonly isList?: boolean;
  readonly about: string;
}

/** Returns an option's line in the help. */
export function optionText({ name, alias, value, about }: Option): string {
  const names = `${alias === undefined ? "    " : `-${alias}, `}--${name}`;
  return `  ${`${names} ${value ?? ""}`.padEnd(30)}${about}`;
}

/** The parts of the result of `parseArgs` that are used. */
export interface Parsed {
  readonly _: readonly (string | number)[];
  readonly "--": readonly string[];
  readonly help: boolean;
  readonly version: boolean;
  readonly [option: string]: unknown;
}

/**
 * Reads arguments.
 *
 * @param command The name of the command, if it is not the one that runs a flow.
 * @throws {UsageError} If an option is unknown, or lacks its value.
 */
export function parseOptions(
  args: readonly string[],
  options: readonly Option[],
  command?: string,
): Parsed {
  const names = options.map(({ name }) => name);
  const alias: Record<string, string> = { h: "help", V: "version" };
  for (const { name, alias: short } of options) if (short !== undefined) alias[short] = name;
  const withValue = options.filter(({ value }) => value !== null);
  const switches = options.filter(({ value }) => value === null).map(({ name }) => name);
  const parsed: unknown = parseArgs(joinFlags(args), {
    string: [...withValue.map(({ name }) => name), "_"],
    collect: options.filter(({ isList }) => isList).map(({ name }) => name),
    boolean: ["help", "version", ...switches],
    alias,
    "--": true,
    unknown: (arg: string, key?: string) => {
      if (key === undefined) return true; // not an option, but the flow
      const what = command === undefined ? "unknown option" : `${command} accepts no option`;
      const late = command === undefined ? laterCommand(args) : undefined;
      const hint = late === undefined
        ? similarOption(key, names)
        : `: options of ${late} come after it, as in ${late} ${arg}`;
      throw new UsageError(`${what} ${arg}${hint} (see --help)`);
    },
  });
  for (const { name, alias: short, value } of withValue) {
    const given = [(parsed as Parsed)[name]].flat();
    if (given.includes("")) {
      const names = short === undefined ? `--${name}` : `-${short} (--${name})`;
      throw new UsageError(`option ${names} needs a value: --${name} ${value}`);
    }
  }
  return parsed as Parsed;
}

/**
 * The workers' flags look like options of ours. So each is joined with the option's name to one
 * argument, which is not mistaken.
 */
export function joinFlags(args: readonly string[]): string[] {
  const index = args.indexOf("--worker-flags");
  const end = args.indexOf("--");
  if (index < 0 || index + 1 >= args.length || (end >= 0 && index > end - 2)) return [...args];
  return [...args.slice(0, index), `${args[index]}=${args[index + 1]}`, ...args.slice(index + 2)];
}

/** Returns the command that has options of its own, if one is there. */
function laterCommand(args: readonly string[]): string | undefined {
  const end = args.indexOf("--");
  return args.slice(0, end < 0 ? args.length : end).find((arg) =>
    arg === "state" || arg === "graph" || arg === "group"
  );
}

/**
 * Makes sure that a command without a flow gets no arguments for one.
 *
 * @throws {UsageError} If there are some.
 */
export function refuseFlowArgs(command: string, { "--": args }: Parsed): void {
  if (args.length === 0) return;
  throw new UsageError(
    `${command} runs no flow, so nothing may come after --; got ${args.join(" ")}`,
  );
}

/** Returns a hint at the option that was meant: it starts alike, or has nearly the same letters. */
function similarOption(given: string, names: readonly string[]): string {
  if (given.length < 2) return "";
  const alike = names.find((name) => name.startsWith(given.slice(0, 3)));
  const nearest = closestName(given, names);
  const strange = nearest.split("").filter((letter) => !given.includes(letter)).length;
  const meant = alike ?? (strange * 4 < nearest.length ? nearest : undefined);
  return meant === undefined ? "" : `: did you mean --${meant}?`;
}
