import type { PartitionName } from "../../core/ids.ts";
import { type Log, silentLog } from "../../core/log.ts";
import { ReadAhead } from "../../core/read_ahead.ts";
import type { InputReader, Positions, Progress } from "../../graph/contracts.ts";
import { chunksOf, isGzip, type Tally } from "./chunks.ts";
import { crcOf, lastBytes } from "./fingerprint.ts";
import { guarded } from "./guarded.ts";
import { batchEnd, type Block, blocksOf, firstUndecodable, linesIn } from "./lines.ts";
import { firstByte, nameOf, positionOf, type Range, readBefore } from "./ranges.ts";

/** Sizes in bytes, which tests make small. */
export interface ReadSizes {
  /** Read from a file at once. */
  readonly chunk: number;
  /** Read ahead before the reader waits for the flow; a chunk or a line more may come on top. */
  readonly ahead: number;
  /** A batch of lines, about; a longer line is a batch by itself. */
  readonly batch: number;
  /** The longest allowed line: no less than a chunk. */
  readonly line: number;
}

/** What tests do not make small. */
export const SIZES: ReadSizes = {
  chunk: 256 * 1024,
  ahead: 512 * 1024,
  batch: 64 * 1024,
  line: 64 * 1024 * 1024,
};

/** A block, and the stored bytes that it came from, counted over all ranges. */
interface BlockAhead {
  readonly block: Block;
  /** The range that it belongs to. */
  readonly range: Range;
  /** Where the part begins that has been read once the flow has the block. */
  readonly since: number;
  readonly readFrom: number;
  readonly readTo: number;
}

/** Reads lines of files, one range after another, in the background and ahead of the flow. */
export class LinesReader implements InputReader<string> {
  readonly #ranges: readonly Range[];
  readonly #sizes: ReadSizes;
  readonly #log: Log;
  readonly #positions: Map<PartitionName, unknown>;
  readonly #total: number;
  readonly #ahead: ReadAhead<BlockAhead>;
  readonly #reading: Promise<void>;
  #taken = 0; // where the last block came from that the flow has taken as a whole
  #from = 0; // index of the next batch in the first block
  #allRead = false; // of all ranges
  #range = 0; // index of the one that the last batch is of
  #lineBytes = 1; // per line, of the last batch
  /** What the flow has, up to `to`, until its position is set. */
  #passed: { readonly ahead: BlockAhead; readonly to: number } | null = null;

  /**
   * Begins to read.
   *
   * @param ranges In the order to read them.
   * @param sizes How much to do at once.
   * @param log Accepts warnings about a file.
   * @param unread Stored positions of files that are not read now, to be kept.
   */
  constructor(
    ranges: readonly Range[],
    sizes: ReadSizes = SIZES,
    log: Log = silentLog,
    unread: Positions = new Map(),
  ) {
    this.#ranges = ranges;
    this.#sizes = sizes;
    const bounds = { items: Infinity, size: sizes.ahead };
    this.#ahead = new ReadAhead<BlockAhead>(bounds, ({ block }) => block.bytes.length);
    this.#log = log;
    this.#total = ranges.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#positions = new Map(unread);
    for (const range of ranges) {
      const part = readBefore(range);
      if (part !== null) this.#positions.set(...part);
    }
    this.#reading = this.#readAhead();
  }

  next(limit = Infinity): string[] | null {
    const { first } = this.#ahead;
    if (first === undefined) return this.#ahead.isOver() ? null : [];
    const { block: { path, start, bytes }, range } = first;
    const from = this.#from;
    // Lines are taken to be as long as earlier ones: to count them would cost as much as to decode
    // them.
    const about = Math.min(this.#sizes.batch, Math.max(1, limit * this.#lineBytes));
    let to = batchEnd(bytes, from, about);
    let lines: string[];
    const linesTo = (end: number) =>
      linesIn({ path, start: start + from, bytes: bytes.subarray(from, end) });
    try {
      lines = linesTo(to);
    } catch (thrown) {
      const decodable = firstUndecodable(bytes.subarray(from, to));
      if (decodable === 0) throw thrown;
      to = from + decodable; // first the lines before the one that fails
      lines = linesTo(to);
    }
    this.#lineBytes = (to - from) / lines.length;
    if (this.#passed?.ahead.range !== range) this.#notePassed();
    this.#passed = { ahead: first, to };
    this.#from = to;
    while (this.#ranges[this.#range] !== range) this.#range++;
    if (to === bytes.length) this.#drop(first);
    return lines;
  }

  /** Whether all ranges have been read to their ends, and handed out. */
  get isAtEnd(): boolean {
    return this.#allRead && this.#ahead.first === undefined;
  }

  /** Whether `next` would return lines, or throw because of one. */
  get hasLines(): boolean {
    return this.#ahead.first !== undefined;
  }

  /**
   * Whether `next` would return `null`.
   *
   * @throws What it would throw, if a file cannot be read and what came before is handed out.
   */
  get isOver(): boolean {
    return this.#ahead.isOver();
  }

  idle(): boolean {
    return false; // everything to read exists from the beginning
  }

  /** Ranges that have not been read to their ends: one after another, in order. */
  sources(): ReadonlyMap<PartitionName, "behind"> {
    if (this.isAtEnd) return new Map();
    return new Map(this.#ranges.slice(this.#range).map((range) => [nameOf(range), "behind"]));
  }

  source(): PartitionName {
    return nameOf(this.#ranges[this.#range]);
  }

  ready(): Promise<void> {
    return this.#ahead.ready();
  }

  positions(): Positions {
    this.#notePassed();
    return new Map(this.#positions);
  }

  progress(): Progress {
    return { done: this.#done(), total: this.#total, unit: "bytes" };
  }

  async close(): Promise<void> {
    this.#ahead.close();
    await this.#reading;
  }

  /** Bytes read of what the flow has taken, without those read ahead, which may take it long. */
  #done(): number {
    const { first } = this.#ahead;
    if (first === undefined) return this.#allRead ? this.#total : this.#taken;
    const { block, readFrom, readTo } = first;
    return Math.floor(readFrom + (readTo - readFrom) * this.#from / block.bytes.length);
  }

  #drop({ readTo }: BlockAhead): void {
    this.#taken = readTo;
    this.#from = 0;
    this.#ahead.take(1);
  }

  /** Sets the position of what the flow has. Not with each batch, since it needs a checksum. */
  #notePassed(): void {
    if (this.#passed === null) return;
    const { ahead: { block: { start, bytes, before }, range, since }, to } = this.#passed;
    this.#passed = null;
    const crc = crcOf(lastBytes(before, bytes.subarray(0, to)));
    this.#setPosition(range, since, start + to, crc);
  }

  #setPosition(range: Range, from: number, to: number, crc: number): void {
    const [name, state] = positionOf(range, { from, to, crc });
    this.#positions.set(name, state);
  }

  async #readAhead(): Promise<void> {
    try {
      let before = 0;
      for (const range of this.#ranges) {
        if (!this.#ahead.isClosed) {
          await guarded(range.path, "read", () => this.#readRange(range, before));
        }
        before += range.bytes;
      }
      this.#allRead = !this.#ahead.isClosed;
      this.#ahead.end();
    } catch (thrown) {
      this.#ahead.fail(thrown);
    }
  }

  /** `before` is how many bytes the ranges before this one have. */
  async #readRange(range: Range, before: number): Promise<void> {
    const { path, from, to } = range;
    const inLine = range.since === null;
    const offset = firstByte(range);
    const read: Tally = { bytes: 0 };
    const onPadding = (bytes: number) =>
      this.#log.warn("a gzip file is followed by zeros: they are treated as padding", {
        path,
        bytes,
      });
    const options = { chunkBytes: this.#sizes.chunk, tally: read, onPadding };
    const chunks = chunksOf({ ...range, offset }, options);
    const onTornLine = () =>
      this.#log.warn("a line had no end when it was read, and continues now: it becomes two", {
        path,
        byte: offset,
      });
    const stretch = { path, offset, inLine, to, onTornLine };
    // A file may have grown since it was found, and its last line may end after the range.
    const counted = (bytes: number) => before + Math.min(Math.max(0, bytes), range.bytes);
    const origin = range.since ?? from;
    let since = range.since;
    let readFrom = counted(isGzip(path) ? 0 : from - origin); // an earlier run has read up to there
    for await (const block of blocksOf(chunks, stretch, this.#sizes.line)) {
      since ??= block.start;
      const end = block.start + block.bytes.length;
      const readTo = counted(isGzip(path) ? read.bytes : end - origin);
      this.#ahead.put({ block, range, since, readFrom, readTo });
      readFrom = readTo;
      await this.#ahead.room();
      if (this.#ahead.isClosed) return;
    }
  }
}
