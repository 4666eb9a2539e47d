/**
 * Opens a file that was found before, by its identity and not by its name alone.
 *
 * @module
 */
import { replacedMeanwhile } from "./errors.ts";
import { bytesBefore, crcOf, type Fingerprint } from "./fingerprint.ts";
import { ifThere } from "./guarded.ts";
import { filesIn, foldersOf } from "./siblings.ts";

/**
 * Opens a file to read. If another file has taken its name since it was found, it is looked for in
 * the same folder, under its new name.
 *
 * @param file Which file it must be; `null` accepts any.
 * @throws {Error} If it is not found.
 */
export async function openSame(path: string, file: Fingerprint | null): Promise<Deno.FsFile> {
  if (file === null) return await Deno.open(path);
  const there = await ifThere(path, () => Deno.open(path));
  if (there !== null && await hasInode(there, file)) return there;
  try {
    const moved = await openMoved(path, file);
    if (moved === null) {
      // Some network file systems change a file's inode each time.
      if (there !== null && await looksLike(there, file)) return there;
      throw replacedMeanwhile(path);
    }
    there?.close();
    return moved;
  } catch (error) {
    there?.close();
    throw error;
  }
}

/** Returns the file under its new name, if it is in the same folder; `null` otherwise. */
async function openMoved(path: string, file: Fingerprint): Promise<Deno.FsFile | null> {
  const folders = await foldersOf(path);
  for (const { path: name, info } of (await Promise.all(folders.map(filesIn))).flat()) {
    if (info.ino !== file.inode) continue;
    const moved = await ifThere(name, () => Deno.open(name));
    if (moved !== null && await hasInode(moved, file)) return moved;
    moved?.close();
  }
  return null;
}

async function hasInode(opened: Deno.FsFile, { inode }: Fingerprint): Promise<boolean> {
  return inode === null || (await opened.stat()).ino === inode;
}

async function looksLike(opened: Deno.FsFile, file: Fingerprint): Promise<boolean> {
  const { size, mtime } = await opened.stat();
  if (file.packed !== null) {
    return size === file.packed.size && mtime?.getTime() === file.packed.modified;
  }
  return crcOf(await bytesBefore(opened, file.headBytes)) === file.headCrc;
}
