/**
 * Tells a file from others. Its path does not: logs are rotated, and files replaced.
 *
 * The content decides: the first bytes of the file, and those before the position. A file that has
 * only grown still has both. The inode finds a file under its new name. It proves nothing by
 * itself: a file system reuses it when the file has gone, and a copy has a new one. The number of
 * the device is not kept: that of a network or overlay file system changes with each mount.
 *
 * @module
 */
import { crc32 } from "node:zlib";

/** How many bytes are compared at a place. With fewer, only the inode makes two names one file. */
export const EVIDENCE_BYTES = 1024;

/** What is noted of a file that is read. It is plain data, since it is part of positions. */
export interface Fingerprint {
  /** Its inode; `null` if the system has none. */
  readonly inode: number | null;
  /**
   * How many first bytes `headCrc` covers: {@linkcode EVIDENCE_BYTES}, or all if there were fewer.
   */
  readonly headBytes: number;
  /** The CRC-32 of its first bytes; for gzip, of the unpacked ones. */
  readonly headCrc: number;
  /**
   * What a gzip file looked like: it is unpacked again only if it has changed. `null` for other
   * files.
   */
  readonly packed: PackedFile | null;
}

/** A gzip file as it is stored. */
export interface PackedFile {
  /** Its length, in bytes. */
  readonly size: number;
  /** When it was last written, in milliseconds since 1970. */
  readonly modified: number;
}

const NONE = new Uint8Array();

/** Returns the CRC-32 of bytes. */
export function crcOf(bytes: Uint8Array): number {
  return crc32(bytes);
}

/** Returns the last {@linkcode EVIDENCE_BYTES} of `before` and `bytes` together. */
export function lastBytes(before: Uint8Array, bytes: Uint8Array): Uint8Array {
  // A copy: a view would keep a whole chunk in memory.
  if (bytes.length >= EVIDENCE_BYTES) return bytes.slice(bytes.length - EVIDENCE_BYTES);
  const kept = before.subarray(Math.max(0, before.length + bytes.length - EVIDENCE_BYTES));
  if (kept.length === 0) return bytes;
  const both = new Uint8Array(kept.length + bytes.length);
  both.set(kept);
  both.set(bytes, kept.length);
  return both;
}

/** Returns where the bytes begin that are compared before `offset`. */
export function evidenceStart(offset: number): number {
  return Math.max(0, offset - EVIDENCE_BYTES);
}

/**
 * Reads until `buffer` holds at least `least` bytes, or the file ends. Returns how many it holds.
 */
export async function readAtLeast(
  file: Deno.FsFile,
  buffer: Uint8Array,
  least: number,
): Promise<number> {
  let filled = 0;
  while (filled < least) {
    const read = await file.read(buffer.subarray(filled));
    if (read === null) break;
    filled += read;
  }
  return filled;
}

/** Returns the bytes before `offset` that are compared; fewer if the file is shorter. */
export async function bytesBefore(file: Deno.FsFile, offset: number): Promise<Uint8Array> {
  if (offset === 0) return NONE;
  const start = evidenceStart(offset);
  await file.seek(start, Deno.SeekMode.Start);
  const buffer = new Uint8Array(offset - start);
  return buffer.subarray(0, await readAtLeast(file, buffer, buffer.length));
}
