/**
 * Checks the types of a flow before it runs.
 *
 * @module
 */
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { isSystemError, systemReason } from "../core/system_error.ts";

/** The workers' flags that decide which modules a flow loads; `deno check` gets them too. */
const MODULE_FLAGS =
  /^(--(config|no-config|import-map|lock|no-lock|frozen|node-modules-dir|vendor|no-remote|no-npm|cached-only|allow-import|cert|conditions|reload)|-[cIr])(=|$)|^--unstable(-|$)/;

/** Flags with a path, which is relative to the folder where the command was typed. */
const PATH_FLAGS = /^(--config|--import-map|--lock|--cert|-c)=(.+)$/s;

/** How many lines of errors are shown, so that they fit on a screen. */
const MOST_LINES = 24;

/** What to check. */
export interface TypeCheck {
  /** The flow's module, as an absolute URL. */
  readonly moduleUrl: string;
  /** Deno's flags for the workers, if there are any. */
  readonly workerFlags: readonly string[];
  /** The folder that paths in those flags are relative to. */
  readonly cwd: string;
}

/**
 * Lets Deno check the types of a flow, with the configuration that its workers will have.
 *
 * @throws {Error} If there are errors: its message has the first ones.
 */
export async function checkTypes({ moduleUrl, workerFlags, cwd }: TypeCheck): Promise<void> {
  const deno = Deno.execPath();
  const flags = moduleFlags(workerFlags, cwd);
  const command = new Deno.Command(deno, {
    args: ["check", "--quiet", ...flags, moduleUrl],
    cwd: folderToStartIn(moduleUrl, cwd),
    env: { NO_COLOR: "1" },
    stdin: "null",
  });
  const { success, stderr } = await output(command, deno);
  if (success) return;
  throw new Error(
    `the flow was not run, as Deno refuses its types:\n${
      shortened(stripVTControlCharacters(new TextDecoder().decode(stderr)))
    }`,
  );
}

/** Returns those of the workers' flags that decide which modules a flow loads. */
export function moduleFlags(workerFlags: readonly string[], cwd: string): string[] {
  return workerFlags.filter((flag) => MODULE_FLAGS.test(flag)).map((flag) => withPath(flag, cwd));
}

/**
 * Where to start Deno's tools on a flow: they look for a configuration there, and `deno run` beside
 * the module.
 */
export function folderToStartIn(moduleUrl: string, cwd: string): string {
  return moduleUrl.startsWith("file:") ? dirname(fileURLToPath(moduleUrl)) : cwd;
}

async function output(command: Deno.Command, deno: string): Promise<Deno.CommandOutput> {
  try {
    return await command.output();
  } catch (cause) {
    if (!isSystemError(cause)) throw cause;
    throw new Error(`the types cannot be checked with ${deno}: ${systemReason(cause)}`, { cause });
  }
}

function withPath(flag: string, cwd: string): string {
  const [, name, path] = PATH_FLAGS.exec(flag) ?? [];
  if (path === undefined || /^[a-z]+:/i.test(path)) return flag;
  return `${name}=${resolve(cwd, path)}`;
}

/** Returns the first errors, without Deno's own remarks after the last one. */
export function shortened(text: string): string {
  const [errors] = text.split(/^error: Type checking failed\.$|^Stack backtrace:$/m);
  const lines = errors.trim().split("\n");
  if (lines.length <= MOST_LINES) return lines.join("\n");
  // Whole errors: empty lines separate them.
  const parts = lines.join("\n").split(/\n\s*\n/);
  const shown: string[] = [];
  let size = 0;
  for (const each of parts) {
    size += each.split("\n").length + 1;
    if (shown.length > 0 && size > MOST_LINES) break;
    shown.push(each);
  }
  return [...shown, `… and more: \`deno check\` on the flow shows all`].join("\n\n");
}
