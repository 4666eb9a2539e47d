/**
 * The files beside a file: a file that was renamed is among them, mostly.
 *
 * @module
 */
import { dirname, join } from "node:path";

/** A file of a folder. */
export interface Sibling {
  /** Its path. */
  readonly path: string;
  /** What the file system says of it. */
  readonly info: Deno.FileInfo;
}

/** The folder of a path, and that of the file that it leads to, where it is a link. */
export async function foldersOf(path: string): Promise<string[]> {
  const folder = dirname(path);
  const target = await ifAllowed(() => Deno.realPath(path));
  if (target === null) return [folder];
  return dirname(target) === await ifAllowed(() => Deno.realPath(folder))
    ? [folder]
    : [folder, dirname(target)];
}

/** The files in a folder: none where it is not there, or may not be read. */
export async function filesIn(folder: string): Promise<Sibling[]> {
  const entries = await ifAllowed(() => Array.fromAsync(Deno.readDir(folder))) ?? [];
  const files: Sibling[] = [];
  for (const { name, isDirectory } of entries) {
    if (isDirectory) continue;
    const path = join(folder, name);
    const info = await ifAllowed(() => Deno.stat(path));
    if (info?.isFile) files.push({ path, info });
  }
  return files;
}

/** `null` where the system does not let us look: then nothing is found there, and the caller says so. */
async function ifAllowed<T>(look: () => Promise<T>): Promise<T | null> {
  try {
    return await look();
  } catch {
    return null;
  }
}
