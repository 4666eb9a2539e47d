/**
 * The files that this process writes.
 *
 * Two outputs on one file would write over each other. An input would read what its own flow
 * writes, without end, or lose its lines when the output empties the file.
 *
 * @module
 */
import { ifThere } from "./guarded.ts";

/** The run that writes each file, by the identity of the file. */
const written = new Map<string, AbortSignal>();

/**
 * Notes that a file is written from now on.
 *
 * @param run The signal of the run, which all its steps share.
 * @returns An object to dispose when the file is not written any more.
 * @throws {TypeError} If another output writes it.
 */
export async function claim(path: string, run: AbortSignal): Promise<Disposable> {
  const id = await idOf(path);
  if (written.has(id)) {
    throw new TypeError(
      `"${path}" is written by another output already: ` +
        `give each a file of its own, or merge the streams before the output`,
    );
  }
  written.set(id, run);
  return { [Symbol.dispose]: () => void written.delete(id) };
}

/**
 * Checks that no output of a run writes a file.
 *
 * @throws {TypeError} If one does.
 */
export async function requireNotWritten(path: string, run: AbortSignal): Promise<void> {
  if (written.size === 0) return;
  // the file may have been renamed since it was found
  const id = await ifThere(path, () => idOf(path));
  if (id === null || written.get(id) !== run) return;
  throw new TypeError(
    `"${path}" is written by an output of this flow, which would read its own lines: ` +
      "write to another file, or give a pattern that does not match it",
  );
}

/** Returns an identity that is the same for all names of a file. */
async function idOf(path: string): Promise<string> {
  const { dev, ino } = await Deno.stat(path);
  return ino === null ? await Deno.realPath(path) : `${dev} ${ino}`;
}
