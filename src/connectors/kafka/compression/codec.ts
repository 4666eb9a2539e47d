/**
 * What all codecs share: their names, and the error for records that would become too large.
 *
 * @module
 */

/** How the records of a batch are compressed. */
export type Codec = "none" | "gzip" | "snappy" | "lz4" | "zstd";

/** Compressed records would unpack to more than the limit. */
export class LimitError extends Error {
  override readonly name = "LimitError";

  constructor(codec: string, maxBytes: number) {
    super(`records compressed with ${codec} are larger than ${maxBytes} bytes, the limit`);
  }
}
