/**
 * Finds the module and export that the command line names.
 *
 * @module
 */
import { basename, dirname } from "node:path";
import { pathToFileURL } from "node:url";
import { likelyName } from "../core/closest_name.ts";
import { UsageError } from "../core/errors.ts";
import { isSystemError, systemReason } from "../core/system_error.ts";

/** A flow's module and export. */
export interface FlowLocation {
  /** The module, as an absolute URL. */
  readonly moduleUrl: string;
  /** The export; `null` for the default one. */
  readonly exportName: string | null;
}

/** Schemes that Deno loads modules by. */
const URL_LIKE = /^(https?:\/\/|file:\/\/|jsr:|npm:|data:)/;

/**
 * Finds the flow that an argument such as `flow.ts`, `flow.ts:name` or a URL names.
 *
 * @throws {UsageError} If it names a file that does not exist, or a folder.
 */
export function locateFlow(argument: string): FlowLocation {
  const named = /^(.+):([A-Za-z_$][\w$]*)$/.exec(argument);
  if (URL_LIKE.test(argument)) {
    // `https://host/flow.ts:name`, but not a port, which is not an identifier, or `npm:package`.
    return named === null || !URL_LIKE.test(named[1])
      ? { moduleUrl: argument, exportName: null }
      : { moduleUrl: named[1], exportName: named[2] };
  }
  if (isFile(argument)) return { moduleUrl: fileUrl(argument), exportName: null };
  const path = named === null ? argument : named[1];
  if (!isFile(path)) {
    throw new UsageError(`no such file: ${path} (looked in ${Deno.cwd()})${similarFile(path)}`);
  }
  return { moduleUrl: fileUrl(path), exportName: named![2] };
}

function isFile(path: string): boolean {
  try {
    const { isDirectory } = Deno.statSync(path);
    if (isDirectory) throw new UsageError(`${path} is a folder: give the flow's file`);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return false;
    }
    if (!isSystemError(error)) throw error;
    throw new UsageError(`${path} cannot be read: ${systemReason(error)}`, { cause: error });
  }
}

/** Returns a hint at a file of a similar name in the same folder. */
function similarFile(path: string): string {
  const folder = dirname(path);
  try {
    const files = [...Deno.readDirSync(folder)].filter(({ isDirectory }) => !isDirectory);
    const meant = likelyName(basename(path), files.map(({ name }) => name));
    return meant === undefined
      ? ""
      : `: did you mean ${folder === "." ? "" : `${folder}/`}${meant}?`;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return ""; // the folder does not exist either, or cannot be read
  }
}

function fileUrl(path: string): string {
  return pathToFileURL(path).href;
}
