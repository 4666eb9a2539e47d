/**
 * Which of the files that were found are those that were read before.
 *
 * @module
 */
import type { Log } from "../../core/log.ts";
import type { Positions } from "../../graph/contracts.ts";
import { isGzip } from "./chunks.ts";
import { difference, replaced } from "./errors.ts";
import { fingerprintOf, type FoundFile } from "./find_files.ts";
import { EVIDENCE_BYTES } from "./fingerprint.ts";
import { FilesBeside } from "./files_beside.ts";
import { ifThere } from "./guarded.ts";
import { type FileToRead, type KnownFile, knownFiles, mergedParts } from "./ranges.ts";
import { isSameFile } from "./same_file.ts";

/** What to do about a file that was replaced, where the old one is not found. */
export type OnReplaced = "fail" | "read";

/** What to do about files that were read before, and those that were not. */
export interface Matched {
  /** The files to read, in order. */
  readonly files: FileToRead[];
  /** The paths of files that are still there and not asked for now: their positions are kept. */
  readonly kept: string[];
}

/**
 * Finds out which files were read before, and up to where, whatever they are called now.
 *
 * A file is the same if its content agrees. Where several agree, the inode decides, then the path. A
 * file that was renamed so that it was not found is looked for beside its old name, and read to its
 * end, as long as another file has its name or there is more in it.
 *
 * @param found What matches the path that the user gave.
 * @param resume What was read before.
 * @returns Those files and the renamed ones, each before the file that has its name now; and which
 * files were read before and are not asked for now.
 * @throws {Error} If a file was replaced, and the old one is nowhere to be found.
 */
export async function filesToRead(
  found: readonly FoundFile[],
  resume: Positions,
  { onReplaced, log }: { readonly onReplaced: OnReplaced; readonly log: Log },
): Promise<Matched> {
  const known = knownFiles(resume);
  const matching = new Matching(found, known);
  await matching.run();
  const kept = await matching.report(onReplaced, log);
  const { sameAs, followed } = matching;
  const toRead = (file: FoundFile, same?: KnownFile, isFollowed = false): FileToRead => ({
    path: file.path,
    size: file.size,
    file: fingerprintOf(file),
    parts: mergedParts(same?.parts ?? []),
    isFollowed,
  });
  const paths = new Set(found.map(({ path }) => path));
  const before = (path: string | null) =>
    [...followed].filter(([known]) => (paths.has(known.path) ? known.path : null) === path)
      .map(([known, file]) => toRead(file, known, true));
  const files = [
    ...before(null),
    ...found.flatMap((file) => [...before(file.path), toRead(file, sameAs.get(file))]),
  ];
  return { files, kept };
}

class Matching {
  /** The files that were read before, among those that were found. */
  readonly sameAs = new Map<FoundFile, KnownFile>();
  /** The files that were renamed, and are read to their end. */
  readonly followed = new Map<KnownFile, FoundFile>();
  readonly #left: Set<KnownFile>;
  readonly #byPath: Map<string, FoundFile>;
  readonly #byInode: Map<number | null, FoundFile[]>;
  readonly #byHead: Map<number, FoundFile[]>;
  readonly #beside: FilesBeside;

  constructor(found: readonly FoundFile[], known: readonly KnownFile[]) {
    this.#left = new Set(known);
    this.#byPath = new Map(found.map((file) => [file.path, file]));
    this.#byInode = Map.groupBy(found, ({ inode }) => inode);
    this.#byHead = Map.groupBy(found, (file) => fingerprintOf(file).headCrc);
    this.#beside = new FilesBeside(found);
  }

  async run(): Promise<void> {
    const namedSo = ({ path }: KnownFile) => this.#byPath.get(path) ?? null;
    const sameInode = ({ file: { inode } }: KnownFile) =>
      inode === null ? [] : this.#byInode.get(inode) ?? [];
    await this.#claim((known) => sameInode(known).filter((file) => file === namedSo(known)));
    await this.#claim(sameInode);
    // A copy has been put in the place of the file, unless there is more in the file itself.
    for (const known of this.#left) {
      if (namedSo(known) === null) continue;
      const renamed = await this.#beside.sameInode(known);
      if (renamed !== null && renamed.size > known.end) this.#follow(known, renamed);
    }
    await this.#claim((known) => [namedSo(known)].filter((file) => file !== null));
    await this.#claim(({ file: { headBytes, headCrc } }) =>
      headBytes < EVIDENCE_BYTES ? [] : this.#byHead.get(headCrc) ?? []
    );
    for (const known of this.#left) await this.#lookBeside(known);
  }

  /**
   * Complains of files that were read before and are not there any more, or not asked for. Returns
   * the paths of the latter.
   */
  async report(onReplaced: OnReplaced, log: Log): Promise<string[]> {
    const gone: KnownFile[] = [];
    const kept: string[] = [];
    for (const known of this.#left) {
      const file = this.#newFileAt(known.path);
      if (file === null) {
        if (await this.#isUnasked(known)) kept.push(known.path);
        else if (!known.isFollowed) gone.push(known);
        continue;
      }
      const size = isGzip(file.path) ? null : file.size;
      const error = replaced(file.path, known.end, difference(size, known.end));
      if (onReplaced === "fail") throw error;
      log.warn(
        `"${file.path}" is not the file that was read up to byte ${known.end} before: it is read ` +
          "from its start, and what was not read of the old one is left. A copy of the old one that " +
          "is found too is read again",
      );
    }
    if (kept.length > 0) {
      log.warn(
        `files that were read before match no more: their positions are kept: "${kept[0]}"`,
        { files: kept.length },
      );
    }
    if (gone.length > 0) {
      log.warn(`files that were read before are gone: "${gone[0].path}"`, { files: gone.length });
    }
    return kept;
  }

  /**
   * Whether there is still a file of that name, which is not asked for now. One that is gone is not
   * waited for: each rotation would leave a position for ever.
   */
  async #isUnasked({ path, isFollowed }: KnownFile): Promise<boolean> {
    if (isFollowed || this.#byPath.has(path)) return false;
    // Of a name there is one position: that of the file which is read under it.
    if ([...this.followed.values()].some((file) => file.path === path)) return false;
    return (await ifThere(path, () => Deno.stat(path)))?.isFile === true;
  }

  /** Makes pairs of files that are the same, out of those that are still without. */
  async #claim(candidates: (known: KnownFile) => readonly FoundFile[]): Promise<void> {
    for (const known of this.#left) {
      for (const file of candidates(known)) {
        if (this.sameAs.has(file) || !await isSameFile(file, known)) continue;
        this.sameAs.set(file, known);
        this.#left.delete(known);
        break;
      }
    }
  }

  async #lookBeside(known: KnownFile): Promise<void> {
    const isReplaced = this.#newFileAt(known.path) !== null;
    const file = await this.#beside.sameInode(known) ??
      (isReplaced || known.isFollowed ? await this.#beside.sameContent(known) : null);
    if (file === null) return;
    // A program may still write to it for a moment after the renaming: so it is looked at once more.
    if (isReplaced || file.size > known.end) this.#follow(known, file);
  }

  #follow(known: KnownFile, file: FoundFile): void {
    this.followed.set(known, file);
    this.#beside.take(file);
    this.#left.delete(known);
  }

  /** The file that has this name now, unless it is one that was read before, under another name. */
  #newFileAt(path: string): FoundFile | null {
    const file = this.#byPath.get(path);
    return file === undefined || this.sameAs.has(file) ? null : file;
  }
}
