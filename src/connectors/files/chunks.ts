/**
 * Reads files as chunks of bytes, and unpacks them if they are gzip.
 *
 * Each chunk is read together with the bytes before it. So a file that is cut and written again
 * while it is read is noticed, even if it has become longer than it was.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createGunzip, type Gunzip } from "node:zlib";
import { messageOf } from "../../core/errors.ts";
import { cutMeanwhile, difference, replaced } from "./errors.ts";
import { bytesBefore, crcOf, type Fingerprint, lastBytes, readAtLeast } from "./fingerprint.ts";
import { openSame } from "./open_same.ts";

/** Counts the bytes read from files, as stored. */
export interface Tally {
  /** So far. */
  bytes: number;
}

/** A file, and where to begin in it. */
export interface ChunkSource {
  /** Where it was found. */
  readonly path: string;
  /** Which file it must be; `null` accepts any. */
  readonly file: Fingerprint | null;
  /** The byte to begin with; for gzip, of the unpacked file. */
  readonly offset: number;
  /** The CRC-32 of the bytes before `offset` that are compared; `null` accepts any bytes. */
  readonly before: number | null;
  /** The least length of the file, in bytes as stored: its length when the run found it. */
  readonly size: number;
}

/** Bytes of a file, and the bytes before them. */
export interface Chunk {
  /** Never empty. */
  readonly bytes: Uint8Array;
  /**
   * The bytes before them: as many as are compared, see `fingerprint.ts`. For a file that is not
   * packed, they also precede `bytes` in memory. So a line that begins here can be taken without a
   * copy.
   */
  readonly before: Uint8Array;
}

/** How to read a file. */
export interface ChunkOptions {
  /** The size of a chunk, in bytes; some are smaller. */
  readonly chunkBytes: number;
  /** Counts what is read. */
  readonly tally: Tally;
  /** Called with the number of zeros that fill up a gzip file after its end. */
  readonly onPadding?: (bytes: number) => void;
}

/** Whether a file is treated as gzip. */
export function isGzip(path: string): boolean {
  return /\.gz$/i.test(path);
}

/**
 * Returns the contents of a file from a byte on. The file is open while this is iterated.
 *
 * @throws {Error} If it cannot be read or unpacked, is another file, or is cut while it is read.
 */
export function chunksOf(source: ChunkSource, options: ChunkOptions): AsyncIterable<Chunk> {
  if (!isGzip(source.path)) return stored(source, options);
  return skip(unpack(source, options), source);
}

async function* stored(
  source: ChunkSource,
  { chunkBytes, tally }: ChunkOptions,
): AsyncGenerator<Chunk> {
  const { path, offset, size } = source;
  using file = await openSame(path, source.file);
  let before = await bytesBefore(file, offset);
  await requireSame(source, before, file);
  let position = offset;
  const readNext = () => {
    const next = chunkAt(file, path, position, before, chunkBytes);
    next.catch(() => {}); // it is thrown when the chunk is asked for, which may be never
    return next;
  };
  // The next chunk is read while the flow works on this one. When it is asked for, it is too late
  // to begin: a flow that has a chunk lets no other code run.
  let next = readNext();
  let isAhead = false; // whether it was read before it was asked for
  try {
    while (true) {
      const chunk = await next;
      const { bytes } = chunk;
      if (bytes.length === 0) {
        if (isAhead) { // the file may have changed since
          next = readNext();
          isAhead = false;
          continue;
        }
        if (position < size) throw cutMeanwhile(path, position);
        return;
      }
      position += bytes.length;
      tally.bytes += bytes.length;
      before = lastBytes(before, bytes);
      next = readNext();
      isAhead = true;
      yield chunk;
    }
  } finally {
    await Promise.allSettled([next]); // the file is closed only afterwards
  }
}

/**
 * Returns the bytes of a file from `position` on; none at its end.
 *
 * @param last The bytes before them when these were read.
 * @throws {Error} If those have changed.
 */
async function chunkAt(
  file: Deno.FsFile,
  path: string,
  position: number,
  last: Uint8Array,
  chunkBytes: number,
): Promise<Chunk> {
  file.seekSync(position - last.length, Deno.SeekMode.Start);
  const buffer = new Uint8Array(last.length + chunkBytes);
  const read = await readAtLeast(file, buffer, last.length + 1);
  const before = buffer.subarray(0, Math.min(read, last.length));
  if (Buffer.compare(before, last) !== 0) throw cutMeanwhile(path, position);
  return { before, bytes: buffer.subarray(last.length, read) };
}

async function requireSame(
  { path, offset, before }: ChunkSource,
  last: Uint8Array,
  file: Deno.FsFile,
): Promise<void> {
  const { size } = await file.stat();
  if (size >= offset && (before === null || crcOf(last) === before)) return;
  throw replaced(path, offset, difference(size, offset));
}

/** Not a `DecompressionStream`, which fails on files that consist of several gzip files. */
async function* unpack(source: ChunkSource, options: ChunkOptions): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip({ chunkSize: Math.max(options.chunkBytes, 64) });
  const feeding = feed(gunzip, stored({ ...source, offset: 0, before: null }, options));
  try {
    for await (const chunk of gunzip) yield chunk as Uint8Array;
  } catch (cause) {
    throw await feeding ?? new Error(
      `"${source.path}" cannot be unpacked: ${messageOf(cause)}. It is damaged, cut off, or not ` +
        "gzip: bring back a whole copy of it, or give it a name that does not end in .gz",
      { cause },
    );
  } finally {
    await feeding; // the file is closed only afterwards
  }
  await requirePadding(source, gunzip.bytesWritten, options);
}

/**
 * Checks that nothing was left out. A zero never begins another gzip file. So zlib treats it and
 * all that follows as padding, and drops it silently.
 */
async function requirePadding(
  { path, file: same }: ChunkSource,
  end: number,
  { chunkBytes, onPadding }: ChunkOptions,
): Promise<void> {
  using file = await openSame(path, same);
  await file.seek(end, Deno.SeekMode.Start);
  const buffer = new Uint8Array(Math.max(chunkBytes, 64));
  let bytes = 0;
  for (let read; (read = await file.read(buffer)) !== null; bytes += read) {
    const rest = buffer.subarray(0, read);
    if (bytes === 0 && rest[0] !== 0) return; // the file has grown since
    const other = rest.findIndex((byte) => byte !== 0);
    if (other === -1) continue;
    throw new Error(
      `"${path}" cannot be unpacked: what begins at byte ${end}, after a whole gzip file, is ` +
        `not a gzip file, and there is more at byte ${
          end + bytes + other
        }. Bring back a whole copy of it`,
    );
  }
  if (bytes > 0) onPadding?.(bytes);
}

/**
 * Passes chunks to zlib, one at a time, until zlib accepts no more. It could mistake bytes after
 * that for the rest of a file, and `bytesWritten` would not show where that ended. Returns what
 * went wrong with the file itself, or `null`.
 */
async function feed(gunzip: Gunzip, chunks: AsyncIterable<Chunk>): Promise<Error | null> {
  let wake = () => {};
  gunzip.on("end", () => wake());
  gunzip.on("close", () => wake());
  let given = 0;
  try {
    for await (const { bytes } of chunks) {
      if (gunzip.destroyed) return null;
      given += bytes.length;
      await new Promise<void>((resolve) => {
        wake = resolve;
        gunzip.write(bytes, () => resolve());
      });
      if (gunzip.destroyed) return null;
      if (gunzip.bytesWritten < given) break;
    }
    gunzip.end();
    return null;
  } catch (error) {
    gunzip.destroy(error as Error);
    return error as Error;
  }
}

async function* skip(
  chunks: AsyncIterable<Uint8Array>,
  { path, offset, before: crc }: ChunkSource,
): AsyncGenerator<Chunk> {
  let passed = 0; // up to `offset`
  let before: Uint8Array = new Uint8Array();
  let isSame = offset === 0;
  for await (const chunk of chunks) {
    const skipped = Math.min(chunk.length, offset - passed);
    passed += skipped;
    if (skipped > 0) before = lastBytes(before, chunk.subarray(0, skipped));
    if (passed < offset) continue;
    isSame ||= crc === null || crcOf(before) === crc;
    if (!isSame) throw replaced(path, offset, difference(passed, offset));
    const bytes = chunk.subarray(skipped);
    if (bytes.length === 0) continue;
    yield { bytes, before };
    before = lastBytes(before, bytes);
  }
  if (!isSame) throw replaced(path, offset, difference(passed, offset));
}
