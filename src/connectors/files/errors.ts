/**
 * The errors for files that have changed.
 *
 * @module
 */
import { counted } from "../../core/counted.ts";

/** What to do about a file that has been replaced since it was read. */
const CURES = "If it was rotated, give a pattern that finds the old file as well, such as " +
  `"app.log*": then that one is read to its end. If this file is new, read it from its start with ` +
  `onReplaced: "read". Lines are then read twice if they are also in a copy that is found, as of a ` +
  `small log that was copied and then cut (copytruncate). Or put the old file back`;

/** Returns what differs between a file and the one that was read. */
export function difference(size: number | null, offset: number): string {
  return size !== null && size < offset
    ? `it has ${counted(size, "byte")} now`
    : "the bytes before that place differ now";
}

/** Returns the error for a file that is not the positions' one, if the old one was not found. */
export function replaced(path: string, offset: number, differs: string): Error {
  return new Error(
    `"${path}" is not the file that was read up to byte ${offset} before: ${differs}. ` +
      `What was not read yet may be lost. ${CURES}`,
  );
}

/** Returns the error for a file that was replaced after the run had found it. */
export function replacedMeanwhile(path: string): Error {
  return new Error(
    `"${path}" was replaced after the run had found it, and the old file is no longer beside it. ` +
      "Start again to continue after the last snapshot; rotate files between runs, or in one folder",
  );
}

/**
 * Returns the error for a file that was cut, or written again from its start, while it was read.
 */
export function cutMeanwhile(path: string, offset: number): Error {
  return new Error(
    `"${path}" was cut or written again while it was read, at byte ${offset}. What was not read ` +
      "yet may be lost. Rotate it by renaming it rather than by copying and cutting (logrotate's " +
      "copytruncate), and start again to continue after the last snapshot",
  );
}

/** Returns the error for an output that finds another file than it wrote. */
export function outputReplaced(path: string, bytes: number, differs: string): Error {
  return new Error(
    `the snapshot has ${counted(bytes, "byte")} of "${path}", but ${differs}: it was replaced, ` +
      "changed or moved since, and is left as it is. Put the old file back; or move this one away " +
      "and give the output another path, which begins a new file; or drop the snapshot with --from-scratch",
  );
}

/**
 * Returns the error for a file that others renamed, deleted, cut or wrote to while an output writes
 * it.
 */
export function outputReplacedMeanwhile(path: string, differs: string): Error {
  return new Error(
    `"${path}" is being written, but ${differs}: a file must not be rotated, deleted or written by ` +
      "others while a flow writes it. Put it back, and start again to continue after the last snapshot",
  );
}
