/**
 * The files in a file's folder. A renamed file is mostly among them.
 *
 * @module
 */
import { dirname, join } from "node:path";

/** A file in a folder. */
export interface Sibling {
  /** Its path. */
  readonly path: string;
  /** What the file system knows of it. */
  readonly info: Deno.FileInfo;
}

/** Returns the folder of a path; also that of its target, if the path is a link. */
export async function foldersOf(path: string): Promise<string[]> {
  const folder = dirname(path);
  const target = await ifAllowed(() => Deno.realPath(path));
  if (target === null) return [folder];
  return dirname(target) === await ifAllowed(() => Deno.realPath(folder))
    ? [folder]
    : [folder, dirname(target)];
}

/** Returns the files in a folder: none if it does not exist, or may not be read. */
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

/**
 * Returns `null` if the system refuses. Nothing is then found there, and the caller reports that.
 */
async function ifAllowed<T>(look: () => Promise<T>): Promise<T | null> {
  try {
    return await look();
  } catch {
    return null;
  }
}
