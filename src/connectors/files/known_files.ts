/**
 * Matches the files that were found with those that were read before.
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

/** What to do about a replaced file if the old one is not found. */
export type OnReplaced = "fail" | "read";

/** The files to read, and those whose positions are kept. */
export interface Matched {
  /** The files to read, in order. */
  readonly files: FileToRead[];
  /** The paths of files that still exist and are not asked for now: their positions are kept. */
  readonly kept: string[];
}

/**
 * Finds out which files were read before, and how far, under any name.
 *
 * A file is the same if its content agrees. If several agree, the inode decides, then the path.
 *
 * A file that was renamed so that the pattern misses it is looked for beside its old name. It is
 * read to its end, as long as another file has its name or there is more in it.
 *
 * @param found The files that match the user's path.
 * @param resume What was read before.
 * @returns The files to read, with the renamed ones, each before the file that has its name now.
 *   Also the files that were read before and are not asked for now.
 * @throws {Error} If a file was replaced, and the old one cannot be found.
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
  /** The files that were read before, by the files that were found. */
  readonly sameAs = new Map<FoundFile, KnownFile>();
  /** The renamed files that are read to their end. */
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
    // A copy has taken the place of the file, unless there is more in the file itself.
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
   * Reports files that were read before and have gone, or are not asked for. Returns the paths of
   * the latter.
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
        `files that were read before do not match any more: their positions are kept: "${kept[0]}"`,
        { files: kept.length },
      );
    }
    if (gone.length > 0) {
      log.warn(`files that were read before are gone: "${gone[0].path}"`, { files: gone.length });
    }
    return kept;
  }

  /**
   * Whether a file of that name still exists, but is not asked for now. Positions of files that
   * have gone are not kept: each rotation would leave one forever.
   */
  async #isUnasked({ path, isFollowed }: KnownFile): Promise<boolean> {
    if (isFollowed || this.#byPath.has(path)) return false;
    // A name has one position: that of the file which is read under it.
    if ([...this.followed.values()].some((file) => file.path === path)) return false;
    return (await ifThere(path, () => Deno.stat(path)))?.isFile === true;
  }

  /** Pairs up files that are the same, among those that have no partner yet. */
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
    // A program may still write to it for a moment after the renaming, so it is examined once more.
    if (isReplaced || file.size > known.end) this.#follow(known, file);
  }

  #follow(known: KnownFile, file: FoundFile): void {
    this.followed.set(known, file);
    this.#beside.take(file);
    this.#left.delete(known);
  }

  /** Returns the file that has this name now, unless it was read before under another name. */
  #newFileAt(path: string): FoundFile | null {
    const file = this.#byPath.get(path);
    return file === undefined || this.sameAs.has(file) ? null : file;
  }
}
