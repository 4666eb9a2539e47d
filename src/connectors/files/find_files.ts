import { isAbsolute } from "node:path";
import type { Log } from "../../core/log.ts";
import { chunksOf, isGzip } from "./chunks.ts";
import { bytesBefore, crcOf, EVIDENCE_BYTES, type Fingerprint, lastBytes } from "./fingerprint.ts";
import { glob, isPattern } from "./glob.ts";
import { guarded, ifThere } from "./guarded.ts";

/** How many files are examined at the same time. */
const LOOKS = 16;

/** A file to read. */
export interface FoundFile {
  /** As the user wrote it, or as it matched. */
  readonly path: string;
  /** In bytes, as stored. */
  readonly size: number;
  /** Its inode; `null` if the system has none. */
  readonly inode: number | null;
  /** When it was last written, in milliseconds since 1970. */
  readonly modified: number;
  /** Its first bytes, unpacked: fewer if there are no more, or if they cannot be unpacked. */
  readonly head: Uint8Array;
}

/**
 * Returns the file at `path`, or the files that match it, sorted. A file with exactly that name
 * goes before what the name could match. A file that matches under several names is found once.
 *
 * @throws {Error} If there is none, or if the path is that of a folder.
 */
export async function findFiles(path: string, log: Log): Promise<FoundFile[]> {
  const info = await infoOf(path);
  if (info?.isFile) return [await lookAt(await sharedPath(path))];
  if (!isPattern(path)) throw await notAFile(path, info);
  const paths: string[] = [];
  const names = new Map<string, string>();
  for (const match of await glob(path)) {
    const info = await infoOf(match);
    if (info === null) await warnOfMissing(match, log);
    if (!info?.isFile) continue;
    const id = info.ino === null ? match : `${info.dev} ${info.ino}`;
    const other = names.get(id);
    if (other === undefined) paths.push(match);
    else log.info(`"${match}" is the same file as "${other}": it is read once`);
    names.set(id, other ?? match);
  }
  const files: FoundFile[] = [];
  for (let i = 0; i < paths.length; i += LOOKS) {
    const some = paths.slice(i, i + LOOKS);
    const looks = await Promise.all(some.map(async (path) => {
      const file = await ifThere(path, () => look(path));
      if (file === null) await warnOfMissing(path, log);
      return file;
    }));
    files.push(...looks.filter((file) => file !== null));
  }
  if (files.length > 0) return files;
  throw new Deno.errors.NotFound(`no file matches "${path}"${whereLooked(path)}`);
}

/** Warns of a broken link, or a file that was removed since it was listed. The others are read. */
async function warnOfMissing(path: string, log: Log): Promise<void> {
  log.warn(`"${path}" is left out: ${await linkedNowhere(path) ?? "it is not there any more"}`);
}

/** Returns what is wrong with a link that leads nowhere; `null` if the path is not a link. */
async function linkedNowhere(path: string): Promise<string | null> {
  const info = await ifThere(path, () => Deno.lstat(path));
  if (!info?.isSymlink) return null;
  const target = await ifThere(path, () => Deno.readLink(path));
  return `it is a link to "${target}", and that is not there`;
}

/** Returns where a relative path begins. */
function whereLooked(path: string): string {
  return isAbsolute(path) ? "" : ` (looked in ${Deno.cwd()})`;
}

/**
 * Returns the path of a file in every process. `/dev/stdin`, which may be a file (`< lines.txt`),
 * and its like are other files in other workers.
 */
async function sharedPath(path: string): Promise<string> {
  return /^\/(dev|proc)\//.test(path) ? await Deno.realPath(path) : path;
}

/**
 * Examines a file.
 *
 * @throws {Error} If it cannot be opened.
 */
export async function lookAt(path: string): Promise<FoundFile> {
  return await guarded(path, "read", () => look(path));
}

async function look(path: string): Promise<FoundFile> {
  using file = await Deno.open(path);
  const { size, ino: inode, mtime } = await file.stat();
  const head = isGzip(path)
    ? await unpackedHead(path)
    : await bytesBefore(file, Math.min(size, EVIDENCE_BYTES));
  return { path, size, inode, modified: mtime?.getTime() ?? 0, head };
}

/** Returns what is noted of a file with its positions. */
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
    for await (const { bytes } of chunksOf(source, options)) {
      head = lastBytes(head, bytes.subarray(0, EVIDENCE_BYTES - head.length)).slice();
      if (head.length === EVIDENCE_BYTES) break;
    }
    return head;
  } catch {
    // the error comes again when the file is read, after the lines of the files before it
    return head;
  }
}

function infoOf(path: string): Promise<Deno.FileInfo | null> {
  return ifThere(path, () => Deno.stat(path));
}

async function notAFile(path: string, info: Deno.FileInfo | null): Promise<Error> {
  if (info === null) {
    const link = await linkedNowhere(path);
    const why = link === null ? whereLooked(path) : `: ${link}`;
    return new Deno.errors.NotFound(`there is no file "${path}"${why}`);
  }
  if (info.isDirectory) {
    return new Deno.errors.IsADirectory(
      `"${path}" is a folder; give the path of a file, or a pattern such as "${path}/*"`,
    );
  }
  // A position in such a file cannot be kept, so a restart could not continue there.
  return new TypeError(
    `"${path}" is neither a file nor a folder, but a pipe or a device: read standard input with a ` +
      `ManualInputConfig over Deno.stdin.readable`,
  );
}
