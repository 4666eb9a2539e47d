/**
 * Which files a flow is loaded from.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { isSystemError } from "../../core/system_error.ts";
import { folderToStartIn, moduleFlags } from "../type_check.ts";

/** The folder of this package: its modules run in this process too, and cannot be replaced. */
const OUR_ROOT = new URL("../../../", import.meta.url).href;
const OURS = [`${OUR_ROOT}src/`, `${OUR_ROOT}mod.ts`];

/** Flags for workers that `deno info` does not know, or that would have it load all again. */
const NOT_FOR_INFO = /^(--(cached-only|conditions|reload)|-r)(=|$)/;

/** The files of a flow. */
export interface LocalModules {
  /** Their paths, also of those that are imported and are not there. */
  readonly paths: readonly string[];
  /** Whether all could be read. If not, they may import more. */
  readonly isComplete: boolean;
}

/** Which flow. */
export interface ModulesOf {
  /** Its module, as an absolute URL. */
  readonly moduleUrl: string;
  /** Deno's flags for the workers, if there are any. */
  readonly workerFlags: readonly string[];
  /** The folder that paths in those flags are relative to. */
  readonly cwd: string;
}

/** Has Deno follow the imports of a flow, without loading it. */
export async function localModules(
  { moduleUrl, workerFlags, cwd }: ModulesOf,
): Promise<LocalModules> {
  const flags = moduleFlags(workerFlags, cwd).filter((flag) => !NOT_FOR_INFO.test(flag));
  const own = { paths: [fileURLToPath(moduleUrl)], isComplete: false };
  try {
    const { success, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--quiet", ...flags, moduleUrl],
      cwd: folderToStartIn(moduleUrl, cwd),
      stdin: "null",
      stderr: "null", // what is wrong is said when the flow is loaded
    }).output();
    return success ? filesIn(JSON.parse(new TextDecoder().decode(stdout))) : own;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return own;
  }
}

/** The parts of what `deno info --json` prints that are used. */
export interface ModuleGraph {
  readonly modules: readonly { readonly specifier: string; readonly error?: string }[];
}

/** Returns the files of a graph, without ours and those of npm packages. */
export function filesIn({ modules }: ModuleGraph): LocalModules {
  const local = modules.filter(({ specifier }) =>
    specifier.startsWith("file:") && !specifier.includes("/node_modules/") &&
    !OURS.some((ours) => specifier.startsWith(ours))
  );
  return {
    paths: local.map(({ specifier }) => fileURLToPath(specifier)),
    isComplete: modules.every(({ error }) => error === undefined),
  };
}
