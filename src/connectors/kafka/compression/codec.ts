/** How the records of a batch are compressed. */
export type Codec = "none" | "gzip" | "snappy" | "lz4" | "zstd";
