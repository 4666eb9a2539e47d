/**
 * What the operating system answers: its errors in words that say what to do, and what they mean.
 *
 * @module
 */
import { messageOf } from "./errors.ts";

/** What an error means, by its code (errno). */
const MEANING: Readonly<Record<string, string>> = {
  EACCES: "this user lacks permission; `ls -ld` shows who has it",
  EPERM: "this user lacks permission; `ls -ld` shows who has it",
  EROFS: "its file system is read-only",
  ENOENT: "it is not there",
  ENOTDIR: "a part of its path is a file, not a folder",
  EISDIR: "it is a folder",
  ELOOP: "it is a link that leads round in a circle",
  ENAMETOOLONG: "its name is too long",
  ENOSPC: "the disk is full: make room",
  EDQUOT: "the user's quota of the disk is used up: make room",
  EFBIG: "it would be larger than the file system or `ulimit -f` allows",
  EMFILE: "this process has too many files open: raise its limit (`ulimit -n`)",
  ENFILE: "too many files are open on this machine",
  EAGAIN: "a limit of this user is reached (`ulimit -a`)",
  ENOMEM: "the machine has no memory left for it",
  EIO: "the disk or network drive failed: see the system's log",
  ESTALE: "the network drive does not know it any more: mount it again",
};

/** Whether an error is the operating system's, or is Deno's about what a process may do. */
export function isSystemError(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  if (error instanceof Deno.errors.NotCapable) return true;
  const { code } = error as { code?: unknown };
  return typeof code === "string" && /^E(?!RR_)[A-Z0-9]+$/.test(code);
}

/** Returns why something failed: what that means, and in parentheses the system's own words. */
export function systemReason(error: unknown): string {
  if (error instanceof Deno.errors.NotCapable) {
    return `${error.message} (with --worker-flags, give it there)`;
  }
  if (!isSystemError(error)) return messageOf(error);
  const meaning = MEANING[(error as { code?: string }).code ?? ""];
  return meaning === undefined ? error.message : `${meaning} (${error.message})`;
}

/** Whether there is a file, folder or link at a path. */
export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Whether a write failed because nobody reads the output any more: the pipe or the terminal is
 * closed. For a closed terminal, the system reports an input/output error. On a file, that error
 * means a bad disk.
 *
 * @param wasTerminal Whether the output was a terminal before; a closed one cannot tell any more.
 */
export function hasNoReader(error: unknown, wasTerminal: boolean): boolean {
  if (error instanceof Deno.errors.BrokenPipe) return true;
  return wasTerminal && error instanceof Error && "code" in error && error.code === "EIO";
}
