import { bytesBefore, crcOf } from "./fingerprint.ts";
import { guarded } from "./guarded.ts";
import { openSame } from "./open_same.ts";
import { firstByte, type Range } from "./ranges.ts";

/**
 * Notes the bytes before ranges that were cut out of files. Another worker opens these files, and
 * must find the same bytes there.
 *
 * @throws {Error} If a file is not the one that was found any more.
 */
export async function withEvidence(shares: readonly (readonly Range[])[]): Promise<Range[][]> {
  return await Promise.all(shares.map((share) => Promise.all(share.map(withBytesBefore))));
}

async function withBytesBefore(range: Range): Promise<Range> {
  if (range.since !== null) return range;
  return await guarded(range.path, "read", async () => {
    using file = await openSame(range.path, range.file);
    return { ...range, before: crcOf(await bytesBefore(file, firstByte(range))) };
  });
}
