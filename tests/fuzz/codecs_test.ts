import { assert } from "@std/assert";
import { Buffer } from "node:buffer";
import { compress, decompress } from "../../src/connectors/kafka/compression/compression.ts";
import { changed, fuzz, someBytes } from "../support/values/fuzzing.ts";

const LIMIT = 1 << 18;

for (const codec of ["gzip", "snappy", "lz4", "zstd"] as const) {
  fuzz(`${codec} that was changed is unpacked to a limit, or refused`, async (random) => {
    const parts: Buffer[] = [];
    const packed: Uint8Array[] = [];
    for (let count = 1 + random.below(3); count > 0; count--) {
      parts.push(someBytes(random, random.pick([20, 600, 5_000])));
      packed.push(await compress(codec, parts[parts.length - 1]));
    }
    const bytes = changed(Buffer.concat(packed), random);
    let unpacked: Uint8Array;
    try {
      unpacked = await decompress(codec, bytes, LIMIT);
    } catch (error) {
      const { message } = error as Error;
      return assert(
        message.includes(`records with ${codec}: `) || message.includes("the limit"),
        message,
      );
    }
    assert(unpacked.length <= LIMIT);
    // The others have no checksum. (Whole parts may be gone, at either end.)
    if (codec !== "gzip") return;
    const isWhole = parts.some((_, start) =>
      parts.some((_, end) =>
        end >= start && Buffer.compare(unpacked, Buffer.concat(parts.slice(start, end + 1))) === 0
      )
    );
    assert(isWhole, `${unpacked.length} bytes of ${parts.map(({ length }) => length)}`);
  });
}

fuzz("gzip with something between its parts is refused", async (random) => {
  const parts = [someBytes(random, 90), someBytes(random, 90)];
  const [first, second] = await Promise.all(parts.map((part) => compress("gzip", part)));
  const between = Buffer.alloc(1 + random.below(5), random.pick([0, 0, 1, 0x1f]));
  let error: unknown = null;
  try {
    await decompress("gzip", Buffer.concat([first, between, second]), LIMIT);
  } catch (thrown) {
    error = thrown;
  }
  assert(error instanceof Error && error.message.includes("records with gzip: "), `${error}`);
});
