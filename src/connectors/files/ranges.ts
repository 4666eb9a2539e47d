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
import { isGzip } from "./chunks.ts";
import type { Fingerprint } from "./fingerprint.ts";

/** Bytes of a file that have been read: whole lines. A position is one of them. */
export interface ReadPart {
  /** The path that the file had. */
  readonly path: string;
  /** Where they begin. */
  readonly from: number;
  /** Where they end. */
  readonly to: number;
  /** The CRC-32 of the bytes before `to`: see `fingerprint.ts`. */
  readonly crc: number;
  /** Which file it is. */
  readonly file: Fingerprint;
  /** Whether the path does not match what was asked for: the file was found by its identity. */
  readonly isFollowed: boolean;
}

/** A file that was read before, as positions have it. */
export interface KnownFile {
  /** Its path then. */
  readonly path: string;
  /** What tells it from others. */
  readonly file: Fingerprint;
  /** What was read of it, sorted. */
  readonly parts: readonly ReadPart[];
  /** Where the last part ends. */
  readonly end: number;
  /** See {@linkcode ReadPart.isFollowed}. */
  readonly isFollowed: boolean;
}

/** A file to read, and what was read of it before. */
export interface FileToRead {
  /** Where it is. */
  readonly path: string;
  /** Its length, in bytes as stored. */
  readonly size: number;
  /** Which file it is. */
  readonly file: Fingerprint;
  /** What was read of it, sorted, where parts do not touch. */
  readonly parts: readonly ReadPart[];
  /** See {@linkcode ReadPart.isFollowed}. */
  readonly isFollowed: boolean;
}

/**
 * Bytes of a file that are to be read: those of the lines whose first byte is among them. As it goes
 * from worker to worker, it is what JSON keeps.
 */
export interface Range {
  /** The file. */
  readonly path: string;
  /** Which file it has to be. */
  readonly file: Fingerprint;
  /** See {@linkcode ReadPart.isFollowed}. */
  readonly isFollowed: boolean;
  /**
   * Where the part begins that has been read before and ends at `from`: `from` where there is none.
   * `null` where a file was cut there without looking, so that it may be in the middle of a line.
   */
  readonly since: number | null;
  /** Where it begins: in the unpacked file, where it is gzip. */
  readonly from: number;
  /** Where it ends: `null` is the end of the file, wherever that is by then. */
  readonly to: number | null;
  /** The CRC-32 of the bytes before {@linkcode firstByte}; `null` where nothing is known of them. */
  readonly before: number | null;
  /** How many bytes it has, as stored, with those read before. */
  readonly bytes: number;
  /** How long the whole file is, at least, in bytes as stored. */
  readonly size: number;
}

/**
 * The entry of {@linkcode Positions} for a part. The file's own path is the name for a part from its
 * start. Of the others' names only this matters: none is the path of a file, as this one is no folder.
 */
export function positionOf(
  { path, file, isFollowed }: Pick<Range, "path" | "file" | "isFollowed">,
  { from, to, crc }: Pick<ReadPart, "from" | "to" | "crc">,
): [PartitionName, ReadPart] {
  const part: ReadPart = { path, from, to, crc, file, isFollowed };
  return [from === 0 ? path : `${path}/@${from}`, part];
}

/**
 * The files that positions are of.
 *
 * @throws {Error} If an earlier version stored one, which did not note which file it is of.
 */
export function knownFiles(positions: Positions): KnownFile[] {
  const parts = [...positions].map(([name, state]) => {
    if (typeof state === "object" && state !== null && "file" in state) return state as ReadPart;
    throw new Error(
      `the recovery store has a position of "${name}" in the form of an earlier version, which ` +
        "does not say which file it is of: drop the store with --from-scratch",
    );
  });
  const byPath = Map.groupBy(parts.sort((a, b) => a.from - b.from), ({ path }) => path);
  return [...byPath].map(([path, parts]) => {
    const { file, isFollowed } = parts.reduce((a, b) =>
      a.file.headBytes < b.file.headBytes ? b : a
    );
    return { path, file, parts, end: Math.max(...parts.map(({ to }) => to)), isFollowed };
  });
}

/** Sorted parts of one file: those that touch become one. */
export function mergedParts(parts: readonly ReadPart[]): ReadPart[] {
  const merged: ReadPart[] = [];
  for (const part of parts) {
    const last = merged.at(-1);
    if (last === undefined || last.to < part.from) merged.push(part);
    else if (last.to < part.to) merged[merged.length - 1] = { ...part, from: last.from };
  }
  return merged;
}

/**
 * What is left of a file, in order: at least what may come behind its end. Each range has the part
 * before it with it, so whoever reads the range keeps the position of that part.
 */
export function unreadRanges({ path, size, file, parts, isFollowed }: FileToRead): Range[] {
  const start = { from: 0, to: 0, crc: null };
  const read = parts.at(0)?.from === 0 ? parts : [start, ...parts];
  const isPacked = isGzip(path);
  return read.map((part, i) => {
    const to = read.at(i + 1)?.from ?? null;
    const bytes = isPacked ? size : (to ?? size) - part.from;
    const since = part.from;
    return { path, file, isFollowed, since, from: part.to, to, before: part.crc, bytes, size };
  });
}

/** Where reading a range begins. If a line ends there, the next one begins at `from`. */
export function firstByte({ since, from }: Range): number {
  return since === null ? from - 1 : from;
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
    { ...range, since: null, from: at, before: null, bytes: rest },
  ];
}
