import { fingerprintOf, type FoundFile, lookAt } from "./find_files.ts";
import { EVIDENCE_BYTES } from "./fingerprint.ts";
import type { KnownFile } from "./ranges.ts";
import { isSameFile } from "./same_file.ts";
import { filesIn, foldersOf, type Sibling } from "./siblings.ts";

/**
 * Looks for renamed files, in the folders where they were. It looks at each folder and file once.
 */
export class FilesBeside {
  readonly #paths: Set<string>;
  readonly #inodes: Set<number>;
  readonly #folders = new Map<string, Promise<Sibling[]>>();
  readonly #looks = new Map<string, Promise<FoundFile>>();

  /** `found` are the files that need no search. */
  constructor(found: readonly FoundFile[]) {
    this.#paths = new Set(found.map(({ path }) => path));
    this.#inodes = new Set(found.map(({ inode }) => inode).filter((inode) => inode !== null));
  }

  /** Returns the file itself, if it is there under another name. */
  async sameInode(known: KnownFile): Promise<FoundFile | null> {
    const { inode } = known.file;
    if (inode === null) return null;
    return await this.#firstSame(known, ({ info }) => info.ino === inode);
  }

  /** Returns a file with the same content, if that is enough to tell. */
  async sameContent(known: KnownFile): Promise<FoundFile | null> {
    const { headBytes, headCrc } = known.file;
    if (headBytes < EVIDENCE_BYTES) return null;
    return await this.#firstSame(known, async ({ path }) => {
      // A file that may not be read could not be read on either.
      const file = await this.#look(path).catch(() => null);
      return file !== null && fingerprintOf(file).headCrc === headCrc;
    });
  }

  /** Notes that a file has been found, so that it is not found for another one. */
  take(file: FoundFile): void {
    this.#paths.add(file.path);
  }

  async #firstSame(
    known: KnownFile,
    isCandidate: (sibling: Sibling) => boolean | Promise<boolean>,
  ): Promise<FoundFile | null> {
    for (const sibling of await this.#besides(known)) {
      if (!await isCandidate(sibling)) continue;
      const file = await this.#look(sibling.path);
      if (await isSameFile(file, known)) return file;
    }
    return null;
  }

  async #besides({ path, isFollowed }: KnownFile): Promise<Sibling[]> {
    const folders = await foldersOf(path);
    const files = await Promise.all(folders.map((folder) => {
      const files = this.#folders.get(folder) ?? filesIn(folder);
      this.#folders.set(folder, files);
      return files;
    }));
    // A file with its old name that was not found by the pattern is not asked for any more.
    return files.flat().filter((file) =>
      !this.#paths.has(file.path) && !this.#inodes.has(file.info.ino ?? -1) &&
      (file.path !== path || isFollowed)
    );
  }

  #look(path: string): Promise<FoundFile> {
    const look = this.#looks.get(path) ?? lookAt(path);
    this.#looks.set(path, look);
    return look;
  }
}
