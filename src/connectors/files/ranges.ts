/**
 * Which bytes of files have been read, and which are left.
 *
 * What has been read begins and ends with lines, whatever ranges it was read in. So a restart may
 * cut the rest otherwise, and need not know how it was cut before.
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

/** A file that was read before, according to positions. */
export interface KnownFile {
  /** Its path then. */
  readonly path: string;
  /** What tells it from other files. */
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
  /** What was read of it, sorted; no two parts touch. */
  readonly parts: readonly ReadPart[];
  /** See {@linkcode ReadPart.isFollowed}. */
  readonly isFollowed: boolean;
}

/**
 * Bytes of a file to be read: those of the lines whose first byte is among them. A range travels
 * between workers, so it has only what JSON keeps.
 */
export interface Range {
  /** The file. */
  readonly path: string;
  /** Which file it must be. */
  readonly file: Fingerprint;
  /** See {@linkcode ReadPart.isFollowed}. */
  readonly isFollowed: boolean;
  /**
   * Where the part begins that has been read before and ends at `from`; it is `from` if there is
   * none. `null` if the file was cut at `from` without looking, so that this may be in the middle
   * of a line.
   */
  readonly since: number | null;
  /** Where it begins; for gzip, in the unpacked file. */
  readonly from: number;
  /** Where it ends; `null` for the end of the file when it is read. */
  readonly to: number | null;
  /** The CRC-32 of the bytes before {@linkcode firstByte}; `null` if they are unknown. */
  readonly before: number | null;
  /** How many bytes it has, as stored, with those that were read before. */
  readonly bytes: number;
  /** The least length of the whole file, in bytes as stored. */
  readonly size: number;
}

/**
 * Returns the entry of {@linkcode Positions} for a part. A part from the file's start has the
 * file's own path as its name. Later parts are named `PATH/@OFFSET`. PATH is a file, so no real
 * file can have that name.
 */
export function positionOf(
  { path, file, isFollowed }: Pick<Range, "path" | "file" | "isFollowed">,
  { from, to, crc }: Pick<ReadPart, "from" | "to" | "crc">,
): [PartitionName, ReadPart] {
  const part: ReadPart = { path, from, to, crc, file, isFollowed };
  return [partName(path, from), part];
}

/** Returns the position of what an earlier run has read before a range; `null` if there is none. */
export function readBefore(range: Range): [PartitionName, ReadPart] | null {
  const { since, from, before: crc } = range;
  if (since === null || since >= from || crc === null) return null;
  return positionOf(range, { from: since, to: from, crc });
}

/** Returns what is left of a range, once a part from its beginning has been read. */
export function restOf(range: Range, { from: since, to: from, crc: before }: ReadPart): Range {
  const skipped = isGzip(range.path) ? 0 : since - (range.since ?? range.from);
  return { ...range, since, from, before, bytes: range.bytes - skipped };
}

function partName(path: string, from: number): PartitionName {
  return from === 0 ? path : `${path}/@${from}`;
}

/**
 * Returns the name of a range as a source. It is mostly that of its position. But a range may begin
 * within a line, and its position then begins with the next one.
 */
export function nameOf({ path, since, from }: Range): PartitionName {
  return partName(path, since ?? from);
}

/**
 * Returns the files that positions belong to.
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

/** Returns sorted parts of one file; those that touch become one. */
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
 * Returns what is left of a file, in order; at least a range for what may be appended. Each range
 * holds the part before it, so that the reader of the range keeps the position of that part.
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

/** Returns where reading a range begins. If a line ends there, the next one begins at `from`. */
export function firstByte({ since, from }: Range): number {
  return since === null ? from - 1 : from;
}

/** Returns how many bytes must be read for a range, as stored. */
export function unreadBytes({ path, since, from, bytes }: Range): number {
  return isGzip(path) ? bytes : bytes - (from - (since ?? from));
}

/** Cuts a range that is not gzip into `unread` bytes and the rest. */
export function cutRange(range: Range, unread: number): [Range, Range] {
  const cut = range.from + unread;
  const rest = unreadBytes(range) - unread;
  return [
    { ...range, to: cut, bytes: range.bytes - rest },
    { ...range, since: null, from: cut, before: null, bytes: rest },
  ];
}
