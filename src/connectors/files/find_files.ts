import type { Log } from "../../core/log.ts";
import { chunksOf, isGzip } from "./chunks.ts";
import { bytesBefore, crcOf, EVIDENCE_BYTES, type Fingerprint, lastBytes } from "./fingerprint.ts";
import { glob, isMissing, isPattern } from "./glob.ts";

/** How many files are looked at at once. */
const LOOKS = 16;

/** A file to read. */
export interface FoundFile {
  /** As the user wrote it, or as it matched. */
  readonly path: string;
  /** In bytes, as stored. */
  readonly size: number;
  /** Its inode; `null` where the system has none. */
  readonly inode: number | null;
  /** When it was last written, in milliseconds since 1970. */
  readonly modified: number;
  /** Its first bytes, unpacked: fewer where there are no more, or they cannot be unpacked. */
  readonly head: Uint8Array;
}

/**
 * The file at `path`, or the files that match it, sorted. What is there by the very name comes before
 * what the name could match. A file that matches under several names is found once.
 *
 * @throws {Error} If there is none, or if the path is that of a folder.
 */
export async function findFiles(path: string, log: Log): Promise<FoundFile[]> {
  const info = await infoOf(path);
  if (info?.isFile) return await lookAll([await sharedPath(path)]);
  if (!isPattern(path)) throw notAFile(path, info);
  const paths: string[] = [];
  const names = new Map<string, string>();
  for (const match of await glob(path)) {
    const { isFile, dev, ino } = await Deno.stat(match);
    if (!isFile) continue;
    const id = ino === null ? match : `${dev} ${ino}`;
    const other = names.get(id);
    if (other === undefined) paths.push(match);
    else log.info(`"${match}" is the same file as "${other}": it is read once`);
    names.set(id, other ?? match);
  }
  if (paths.length === 0) throw new Deno.errors.NotFound(`no file matches "${path}"`);
  return await lookAll(paths);
}

async function lookAll(paths: readonly string[]): Promise<FoundFile[]> {
  const files: FoundFile[] = [];
  for (let i = 0; i < paths.length; i += LOOKS) {
    files.push(...await Promise.all(paths.slice(i, i + LOOKS).map(lookAt)));
  }
  return files;
}

/**
 * The path of a file in every process. `/dev/stdin`, which may be a file (`< lines.txt`), and its like
 * are other files in other workers.
 */
async function sharedPath(path: string): Promise<string> {
  return /^\/(dev|proc)\//.test(path) ? await Deno.realPath(path) : path;
}

/**
 * Looks at a file.
 *
 * @throws {Error} If it cannot be opened.
 */
export async function lookAt(path: string): Promise<FoundFile> {
  using file = await Deno.open(path);
  const { size, ino: inode, mtime } = await file.stat();
  const head = isGzip(path)
    ? await unpackedHead(path)
    : await bytesBefore(file, Math.min(size, EVIDENCE_BYTES));
  return { path, size, inode, modified: mtime?.getTime() ?? 0, head };
}

/** What is noted of a file with its positions. */
export function fingerprintOf({ path, size, inode, modified, head }: FoundFile): Fingerprint {
  return {
    inode,
    headBytes: head.length,
    headCrc: crcOf(head),
    packed: isGzip(path) ? { size, modified } : null,
  };
}

async function unpackedHead(path: string): Promise<Uint8Array> {
  let head = new Uint8Array();
  const source = { path, file: null, offset: 0, before: null, size: 0 };
  const options = { chunkBytes: 4 * EVIDENCE_BYTES, tally: { bytes: 0 } };
  try {
    for await (const chunk of chunksOf(source, options)) {
      head = lastBytes(head, chunk.subarray(0, EVIDENCE_BYTES - head.length)).slice();
      if (head.length === EVIDENCE_BYTES) break;
    }
    return head;
  } catch {
    return head; // the error comes again where it is read, behind the lines of the files before it
  }
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
