import { chunksOf, isGzip } from "./chunks.ts";
import type { FoundFile } from "./find_files.ts";
import { bytesBefore, crcOf, lastBytes } from "./fingerprint.ts";
import { guarded } from "./guarded.ts";
import type { KnownFile } from "./ranges.ts";

const CHUNK_BYTES = 256 * 1024;

/**
 * Whether the content of a file agrees with one that was read before: its first bytes, and those
 * before the end of each part. A gzip file is unpacked for this, unless nothing about it has
 * changed.
 *
 * @throws {Error} If the file cannot be read.
 */
export async function isSameFile(file: FoundFile, known: KnownFile): Promise<boolean> {
  const { headBytes, headCrc } = known.file;
  if (file.head.length < headBytes || crcOf(file.head.subarray(0, headBytes)) !== headCrc) {
    return false;
  }
  return isGzip(file.path) ? await unpacksAlike(file, known) : await readsAlike(file, known);
}

async function readsAlike({ path, size }: FoundFile, { parts, end }: KnownFile): Promise<boolean> {
  if (size < end) return false;
  return await guarded(path, "read", async () => {
    using opened = await Deno.open(path);
    for (const { to, crc } of parts) {
      if (crcOf(await bytesBefore(opened, to)) !== crc) return false;
    }
    return true;
  });
}

async function unpacksAlike(file: FoundFile, { file: was, parts }: KnownFile): Promise<boolean> {
  const { packed } = was;
  const isUntouched = packed !== null && file.inode === was.inode && file.size === packed.size &&
    file.modified === packed.modified;
  if (isUntouched) return true;
  const source = { path: file.path, file: null, offset: 0, before: null, size: 0 };
  const ends = parts.filter(({ to }) => to > 0).toSorted((a, b) => a.to - b.to);
  let position = 0;
  let next = 0;
  try {
    const options = { chunkBytes: CHUNK_BYTES, tally: { bytes: 0 } };
    for await (const { bytes, before } of chunksOf(source, options)) {
      for (; next < ends.length && ends[next].to <= position + bytes.length; next++) {
        const { to, crc } = ends[next];
        if (crcOf(lastBytes(before, bytes.subarray(0, to - position))) !== crc) return false;
      }
      if (next === ends.length) return true;
      position += bytes.length;
    }
  } catch {
    return false; // the file that was read could be unpacked that far
  }
  return next === ends.length;
}
