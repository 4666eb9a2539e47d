/**
 * Which bytes of files have been read, and which are left.
 *
 * What has been read begins and ends where a line does, whatever the ranges were that it was read
 * in: so a restart may cut the rest otherwise, and needs to know nothing of how it was cut before.
 *
 * @module
 */
import type { PartitionName } from "../../core/ids.ts";
import type { Positions } from "../../graph/contracts.ts";
import { isGzip, tooShort } from "./chunks.ts";
import type { FoundFile } from "./find_files.ts";

/** Bytes of a file that have been read: whole lines. */
export interface ReadPart {
  /** The file. */
  readonly path: string;
  /** Where they begin. */
  readonly from: number;
  /** Where they end. */
  readonly to: number;
}

/**
 * Bytes of a file that are to be read: those of the lines whose first byte is among them. As it goes
 * from worker to worker, it is what JSON keeps.
 */
export interface Range {
  /** The file. */
  readonly path: string;
  /**
   * Where the part begins that has been read before and ends at `from`: `from` where there is none.
   * `null` where a file was cut there without looking, so that it may be in the middle of a line.
   */
  readonly since: number | null;
  /** Where it begins: in the unpacked file, where it is gzip. */
  readonly from: number;
  /** Where it ends: `null` is the end of the file, wherever that is by then. */
  readonly to: number | null;
  /** How many bytes it has, as stored, with those read before. */
  readonly bytes: number;
}

/**
 * The entry of {@linkcode Positions} for a part. The file's own path is the name for a part from its
 * start. Of the others' names only this matters: none is the path of a file, as this one is no folder.
 */
export function positionOf(path: string, from: number, to: number): [PartitionName, unknown] {
  if (from === 0) return [path, to];
  const part: ReadPart = { path, from, to };
  return [`${path}/@${from}`, part];
}

/** What has been read of each file: sorted, and where parts touch, they are one. */
export function readParts(positions: Positions): Map<string, ReadPart[]> {
  const parts = [...positions].map(([name, state]) =>
    typeof state === "number" ? { path: name, from: 0, to: state } : state as ReadPart
  ).sort((a, b) => a.from - b.from);
  const merged = new Map<string, ReadPart[]>();
  for (const part of parts) {
    const before = merged.get(part.path) ?? [];
    merged.set(part.path, before);
    const last = before.at(-1);
    if (last === undefined || last.to < part.from) before.push(part);
    else before[before.length - 1] = { ...last, to: Math.max(last.to, part.to) };
  }
  return merged;
}

/**
 * What is left of a file, in order: at least what may come behind its end. Each range has the part
 * before it with it, so whoever reads the range keeps the position of that part.
 *
 * @param parts As {@linkcode readParts} gives them.
 * @throws {RangeError} If the file is shorter than what was read of it. How long a packed file is,
 * only unpacking can tell.
 */
export function unreadRanges({ path, size }: FoundFile, parts: readonly ReadPart[] = []): Range[] {
  const read = parts.at(0)?.from === 0 ? parts : [{ path, from: 0, to: 0 }, ...parts];
  const end = read.at(-1)!.to;
  const packed = isGzip(path);
  if (!packed && size < end) throw tooShort(path, size, end);
  return read.map((part, i) => {
    const to = read.at(i + 1)?.from ?? null;
    const bytes = packed ? size : (to ?? size) - part.from;
    return { path, since: part.from, from: part.to, to, bytes };
  });
}

/** How many bytes have to be gone through for a range, as stored. */
export function unreadBytes({ path, since, from, bytes }: Range): number {
  return isGzip(path) ? bytes : bytes - (from - (since ?? from));
}

/** Cuts a range that is not gzip: `unread` bytes, and the rest. */
export function cutRange(range: Range, unread: number): [Range, Range] {
  const at = range.from + unread;
  const rest = unreadBytes(range) - unread;
  return [
    { ...range, to: at, bytes: range.bytes - rest },
    { ...range, since: null, from: at, bytes: rest },
  ];
}
