/**
 * Files as chunks of bytes, unpacked where they are gzip.
 *
 * @module
 */
import { createGunzip, type Gunzip } from "node:zlib";
import { messageOf } from "../../core/errors.ts";

/** Counts bytes that are read from files, as stored. */
export interface Tally {
  /** So far. */
  bytes: number;
}

/** How to read a file. */
export interface ChunkOptions {
  /** The byte to begin with: of the unpacked file, where it is gzip. */
  readonly offset: number;
  /** The size of a chunk, in bytes; some are smaller. */
  readonly chunkBytes: number;
  /** Told what is read. */
  readonly tally: Tally;
}

/** Whether a file is taken for gzip. */
export function isGzip(path: string): boolean {
  return /\.gz$/i.test(path);
}

/**
 * What is in a file from a byte on. The file is open while this is iterated.
 *
 * @throws {Error} If it cannot be read or unpacked, or if it is shorter than `offset`.
 */
export function chunksOf(path: string, options: ChunkOptions): AsyncIterable<Uint8Array> {
  if (!isGzip(path)) return stored(path, options);
  return skip(unpack(path, options), path, options.offset);
}

/** What the error says when a file has less in it than was read before. */
export function tooShort(path: string, size: number, offset: number): RangeError {
  return new RangeError(
    `"${path}" has ${size} bytes, but was read up to byte ${offset} before: ` +
      `it is not the same file any more`,
  );
}

async function* stored(
  path: string,
  { offset, chunkBytes, tally }: ChunkOptions,
): AsyncGenerator<Uint8Array> {
  using file = await Deno.open(path);
  await file.seek(offset, Deno.SeekMode.Start);
  while (true) {
    const buffer = new Uint8Array(chunkBytes);
    const read = await file.read(buffer);
    if (read === null) return;
    tally.bytes += read;
    yield buffer.subarray(0, read);
  }
}

/** Not a `DecompressionStream`: files that consist of several gzip files are an error to that. */
async function* unpack(path: string, options: ChunkOptions): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip({ chunkSize: Math.max(options.chunkBytes, 64) });
  const feeding = feed(gunzip, stored(path, { ...options, offset: 0 }));
  try {
    for await (const chunk of gunzip) yield chunk as Uint8Array;
  } catch (cause) {
    throw new Error(`"${path}" cannot be unpacked: ${messageOf(cause)}`, { cause });
  } finally {
    await feeding; // only then the file is closed
  }
}

async function feed(gunzip: Gunzip, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  let wake = () => {};
  gunzip.on("drain", () => wake());
  gunzip.on("close", () => wake());
  try {
    for await (const chunk of chunks) {
      if (gunzip.destroyed) return;
      if (!gunzip.write(chunk)) await new Promise<void>((resolve) => wake = resolve);
    }
    gunzip.end();
  } catch (error) {
    gunzip.destroy(error as Error);
  }
}

async function* skip(
  chunks: AsyncIterable<Uint8Array>,
  path: string,
  offset: number,
): AsyncGenerator<Uint8Array> {
  let left = offset;
  for await (const chunk of chunks) {
    if (left < chunk.length) yield chunk.subarray(left);
    left = Math.max(0, left - chunk.length);
  }
  if (left > 0) throw tooShort(path, offset - left, offset);
}
