/**
 * The names of the files that workers write: each worker needs one of its own.
 *
 * @module
 */
import { extname } from "node:path";

/**
 * Returns the file of one of several workers: `out.txt` becomes `out.0.txt`, `out.1.txt` and so on.
 */
export function fileOfWorker(path: string, workerIndex: number, workerCount: number): string {
  if (workerCount === 1) return path;
  const [before, extension] = cut(path);
  return `${before}.${workerIndex}${extension}`;
}

/** Whether `file` is the file of a worker, for any number of workers. */
export function isFileOfAnyWorker(path: string, file: string): boolean {
  if (file === path) return true;
  const [before, extension] = cut(path);
  if (!file.startsWith(`${before}.`) || !file.endsWith(extension)) return false;
  return /^\d+$/.test(file.slice(before.length + 1, file.length - extension.length));
}

function cut(path: string): [before: string, extension: string] {
  const extension = extname(path);
  return [path.slice(0, path.length - extension.length), extension];
}
