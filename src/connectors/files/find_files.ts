import { glob, isMissing, isPattern } from "./glob.ts";

/** A file to read. */
export interface FoundFile {
  /** As the user wrote it, or as it matched. */
  readonly path: string;
  /** In bytes, as stored. */
  readonly size: number;
}

/**
 * The file at `path`, or the files that match it, sorted. What is there by the very name comes before
 * what the name could match.
 *
 * @throws {Error} If there is none, or if the path is that of a folder.
 */
export async function findFiles(path: string): Promise<FoundFile[]> {
  const info = await infoOf(path);
  if (info?.isFile) return [{ path: await sharedPath(path), size: info.size }];
  if (!isPattern(path)) throw notAFile(path, info);
  const files: FoundFile[] = [];
  for (const match of await glob(path)) {
    const { isFile, size } = await Deno.stat(match);
    if (isFile) files.push({ path: match, size });
  }
  if (files.length === 0) throw new Deno.errors.NotFound(`no file matches "${path}"`);
  return files;
}

/**
 * The path of a file in every process. `/dev/stdin`, which may be a file (`< lines.txt`), and its like
 * are other files in other workers.
 */
async function sharedPath(path: string): Promise<string> {
  return /^\/(dev|proc)\//.test(path) ? await Deno.realPath(path) : path;
}

async function infoOf(path: string): Promise<Deno.FileInfo | null> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

function notAFile(path: string, info: Deno.FileInfo | null): Error {
  if (info === null) return new Deno.errors.NotFound(`there is no file "${path}"`);
  if (info.isDirectory) {
    return new Deno.errors.IsADirectory(
      `"${path}" is a folder; give the path of a file, or a pattern such as "${path}/*"`,
    );
  }
  // Where such a thing was read to cannot be kept, so it could not be read on from after a restart.
  return new TypeError(
    `"${path}" is neither a file nor a folder, but a pipe or a device: read standard input with a ` +
      `ManualInputConfig over Deno.stdin.readable`,
  );
}
