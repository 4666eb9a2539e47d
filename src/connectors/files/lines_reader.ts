import type { PartitionName } from "../../core/ids.ts";
import type { InputReader, Positions, Progress } from "../../graph/contracts.ts";
import { chunksOf, isGzip, type Tally } from "./chunks.ts";
import type { FoundFile } from "./find_files.ts";
import { batchEnd, type Block, blocksOf, linesIn } from "./lines.ts";

/** Sizes in bytes, which tests make small. */
export interface ReadSizes {
  /** What is read from a file at once. */
  readonly chunk: number;
  /** How much is read ahead before it waits for the flow; a chunk or a line more may come on top. */
  readonly ahead: number;
  /** About what a batch of lines has; a longer line is a batch by itself. */
  readonly batch: number;
  /** The longest line that there may be: no less than a chunk. */
  readonly line: number;
}

const SIZES: ReadSizes = {
  chunk: 256 * 1024,
  ahead: 512 * 1024,
  batch: 64 * 1024,
  line: 64 * 1024 * 1024,
};

/** A block, and which of the stored bytes it came from, counted over all files. */
interface Ahead {
  readonly block: Block;
  readonly readFrom: number;
  readonly readTo: number;
}

/** Reads the lines of files, one file after another, in the background and ahead of the flow. */
export class LinesReader implements InputReader<string> {
  readonly #files: readonly FoundFile[];
  readonly #sizes: ReadSizes;
  readonly #positions: Map<PartitionName, number>;
  readonly #read: Tally = { bytes: 0 };
  readonly #ahead: Ahead[] = [];
  readonly #reading: Promise<void>;
  #aheadBytes = 0;
  #taken = 0; // where the last block came from that the flow has taken whole
  #from = 0; // where the next batch begins in the first block
  #state: "reading" | "ended" | { thrown: unknown } = "reading";
  #closed = false;
  #wakeFlow: () => void = () => {};
  #wakeReading: () => void = () => {};

  /**
   * Begins to read.
   *
   * @param files In the order to read them.
   * @param resume For each file that was read before, the offset to go on at.
   * @param sizes How much to do at once.
   */
  constructor(files: readonly FoundFile[], resume: Positions, sizes: ReadSizes = SIZES) {
    this.#files = files;
    this.#sizes = sizes;
    this.#positions = new Map(
      files.filter(({ path }) => resume.has(path)).map(({ path }) => [
        path,
        resume.get(path) as number,
      ]),
    );
    this.#reading = this.#readAhead();
  }

  next(): string[] | null {
    const first = this.#ahead.at(0);
    if (first === undefined) {
      if (typeof this.#state === "object") throw this.#state.thrown;
      return this.#state === "ended" ? null : [];
    }
    const { path, start, bytes } = first.block;
    const from = this.#from;
    const to = batchEnd(bytes, from, this.#sizes.batch);
    const lines = linesIn({ path, start: start + from, bytes: bytes.subarray(from, to) });
    this.#positions.set(path, start + to);
    this.#from = to;
    if (to === bytes.length) this.#drop(first);
    return lines;
  }

  ready(): Promise<void> {
    if (this.#ahead.length > 0 || this.#state !== "reading") return Promise.resolve();
    return new Promise((resolve) => this.#wakeFlow = resolve);
  }

  positions(): Positions {
    return new Map(this.#positions);
  }

  progress(): Progress {
    const total = this.#files.reduce((sum, { size }) => sum + size, 0);
    // A file may have grown since it was found.
    return { done: Math.min(this.#done(), total), total, unit: "bytes" };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wakeReading();
    await this.#reading;
  }

  /** Bytes read of what the flow has taken: not of what is ahead, which may take it long. */
  #done(): number {
    const first = this.#ahead.at(0);
    if (first === undefined) return this.#state === "ended" ? this.#read.bytes : this.#taken;
    const { block, readFrom, readTo } = first;
    return Math.floor(readFrom + (readTo - readFrom) * this.#from / block.bytes.length);
  }

  #drop({ block, readTo }: Ahead): void {
    this.#ahead.shift();
    this.#taken = readTo;
    this.#from = 0;
    this.#aheadBytes -= block.bytes.length;
    this.#wakeReading();
  }

  async #readAhead(): Promise<void> {
    try {
      for (const { path } of this.#files) {
        if (!this.#closed) await this.#readFile(path);
      }
      this.#state = "ended";
    } catch (thrown) {
      this.#state = { thrown };
    }
    this.#wakeFlow();
  }

  async #readFile(path: string): Promise<void> {
    const offset = this.#positions.get(path) ?? 0;
    if (!isGzip(path)) this.#read.bytes += offset; // what is skipped has been read before
    let readFrom = this.#read.bytes;
    const chunks = chunksOf(path, { offset, chunkBytes: this.#sizes.chunk, tally: this.#read });
    for await (const block of blocksOf(chunks, { path, offset }, this.#sizes.line)) {
      const readTo = this.#read.bytes;
      this.#ahead.push({ block, readFrom, readTo });
      this.#aheadBytes += block.bytes.length;
      readFrom = readTo;
      this.#wakeFlow();
      while (this.#aheadBytes >= this.#sizes.ahead && !this.#closed) {
        await new Promise<void>((resolve) => this.#wakeReading = resolve);
      }
      if (this.#closed) return;
    }
  }
}
