/**
 * Cuts chunks of bytes into lines.
 *
 * Bytes are cut at line ends before they are decoded. So a character is never split, offsets are
 * known in bytes, and one call decodes thousands of lines.
 *
 * @module
 */
import { messageOf } from "../../core/errors.ts";
import type { Chunk } from "./chunks.ts";
import { lastBytes } from "./fingerprint.ts";

/** A chunk and its place in the file. */
interface Piece extends Chunk {
  /** The offset of its bytes in the file. */
  readonly start: number;
}

/** Bytes from the beginning of a line to the end of a line. */
export interface Block extends Piece {
  /** The file that they are from. */
  readonly path: string;
}

const LF = 10;
const CR = 13;
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Which lines to take out of chunks. */
export interface Stretch {
  /** The file that the chunks are from. */
  readonly path: string;
  /** Where in the file the chunks begin. */
  readonly offset: number;
  /** Whether `offset` may be within a line, or at its end: then the first line is not taken. */
  readonly inLine: boolean;
  /** Lines that begin here or later are not taken; `null` takes all. */
  readonly to: number | null;
  /** Called if the line before `offset` had no end when it was taken, and continues now. */
  readonly onTornLine: () => void;
}

/**
 * Cuts chunks at line ends.
 *
 * @param chunks The contents of the file from `offset` on.
 * @param longest The most bytes that a line may have: no fewer than a chunk has.
 * @throws {RangeError} If a line is longer. It would have to fit into memory.
 */
export async function* blocksOf(
  chunks: AsyncIterable<Chunk>,
  stretch: Stretch,
  longest: number,
): AsyncGenerator<Block> {
  const { path } = stretch;
  const stop = stretch.to ?? Infinity;
  let held: Piece[] = []; // the beginning of a line
  let heldBytes = 0;
  for await (const piece of piecesOf(chunks, stretch)) {
    const { start, before } = held.at(0) ?? piece;
    if (start >= stop) return;
    const lineEnd = piece.bytes.indexOf(LF);
    if (heldBytes + (lineEnd === -1 ? piece.bytes.length : lineEnd) > longest) {
      throw new RangeError(
        `the line at byte ${start} of "${path}" has more than ${longest} bytes: is it a text file?`,
      );
    }
    const end = piece.bytes.lastIndexOf(LF) + 1;
    if (end > 0) {
      const bytes = joined(held, heldBytes, piece, end);
      yield* withoutMark({ path, start, before, bytes: linesBefore(bytes, stop - start) });
      if (start + bytes.length >= stop) return;
      held = [];
      heldBytes = 0;
    }
    const rest = piecesAfter(piece, end);
    held.push(...rest);
    for (const { bytes } of rest) heldBytes += bytes.length;
  }
  if (heldBytes === 0) return;
  const { start, before } = held[0];
  yield* withoutMark({ path, start, before, bytes: concat(held.map(({ bytes }) => bytes)) });
}

/** Returns the chunks, from the beginning of the first line to take. */
async function* piecesOf(
  chunks: AsyncIterable<Chunk>,
  { offset, inLine, onTornLine }: Stretch,
): AsyncGenerator<Piece> {
  let start = offset;
  let where: "somewhere" | "in a line" | "after a torn line" | "at a line" = inLine
    ? "in a line"
    : "somewhere";
  let half: Chunk | null = null; // a carriage return that may be half of a line end
  for await (const chunk of chunks) {
    const { bytes, before }: Chunk = half === null
      ? chunk
      : { bytes: concat([half.bytes, chunk.bytes]), before: half.before };
    half = null;
    if (where === "somewhere") {
      where = before.length > 0 && before[before.length - 1] !== LF
        ? "after a torn line"
        : "at a line";
    }
    let skipped = 0;
    if (where === "in a line") {
      skipped = bytes.indexOf(LF) + 1 || bytes.length;
      if (bytes[skipped - 1] === LF) where = "at a line";
    } else if (where === "after a torn line") {
      if (bytes.length === 1 && bytes[0] === CR) {
        half = chunk;
        continue;
      }
      skipped = bytes[0] === LF ? 1 : bytes[0] === CR && bytes[1] === LF ? 2 : 0;
      if (skipped === 0) onTornLine();
      where = "at a line";
    }
    yield* piecesAfter({ start, bytes, before }, skipped);
    start += bytes.length;
  }
}

/** Returns what follows after the first bytes of a piece, if anything does. */
function piecesAfter({ start, bytes, before }: Piece, first: number): Piece[] {
  if (first === bytes.length) return [];
  if (first === 0) return [{ start, bytes, before }];
  const rest = bytes.subarray(first);
  return [{
    start: start + first,
    bytes: rest,
    before: lastBytes(before, bytes.subarray(0, first)),
  }];
}

/** Returns the lines that begin before `stop`, of bytes that end with a line end. */
function linesBefore(bytes: Uint8Array, stop: number): Uint8Array {
  return stop >= bytes.length ? bytes : bytes.subarray(0, bytes.indexOf(LF, stop - 1) + 1);
}

/** Returns the block without a byte order mark, if anything is left of it. */
function withoutMark(block: Block): Block[] {
  const { path, start, bytes } = block;
  if (start !== 0 || !BYTE_ORDER_MARK.every((byte, i) => bytes[i] === byte)) return [block];
  return piecesAfter(block, BYTE_ORDER_MARK.length).map((rest) => ({ path, ...rest }));
}

/**
 * Returns held pieces and the first `end` bytes of the piece that follows. If the held bytes
 * precede these in memory, nothing is copied: a copy of each chunk would be a tenth of the time of
 * reading.
 */
function joined(
  held: readonly Piece[],
  heldBytes: number,
  { bytes, before }: Piece,
  end: number,
): Uint8Array {
  if (heldBytes === 0) return bytes.subarray(0, end);
  const isAdjoining = before.buffer === bytes.buffer &&
    before.byteOffset + before.length === bytes.byteOffset && heldBytes <= before.length;
  if (!isAdjoining) return concat([...held.map(({ bytes }) => bytes), bytes.subarray(0, end)]);
  return new Uint8Array(bytes.buffer, bytes.byteOffset - heldBytes, heldBytes + end);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Returns where to end a batch that begins at `from`: after a line, at about `batchBytes`. */
export function batchEnd(bytes: Uint8Array, from: number, batchBytes: number): number {
  const about = from + batchBytes;
  if (about >= bytes.length) return bytes.length;
  const before = bytes.lastIndexOf(LF, about - 1);
  if (before >= from) return before + 1;
  const after = bytes.indexOf(LF, about);
  return after === -1 ? bytes.length : after + 1;
}

/**
 * Returns the lines in a block. A line ends with `\n` or `\r\n`; the last one may end with the
 * block.
 *
 * @throws {TypeError} If a line is not UTF-8. A decoder that repairs it would change its meaning.
 */
export function linesIn({ path, start, bytes }: Omit<Block, "before">): string[] {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch (cause) {
    const byte = start + firstUndecodable(bytes);
    throw new TypeError(
      `the line at byte ${byte} of "${path}" is not UTF-8: ${
        messageOf(cause)
      }; convert the file first, ` +
        "for instance with `iconv -f ISO-8859-1 -t UTF-8`",
      { cause },
    );
  }
  const lines = text.split("\n");
  if (text.includes("\r\n")) {
    for (let i = 0; i < lines.length - 1; i++) {
      if (lines[i].endsWith("\r")) lines[i] = lines[i].slice(0, -1);
    }
  }
  if (text.endsWith("\n")) lines.pop();
  return lines;
}

/** Returns where the first line begins that cannot be decoded. */
export function firstUndecodable(bytes: Uint8Array): number {
  let from = 0;
  while (from < bytes.length) {
    const end = batchEnd(bytes, from, 1);
    try {
      decoder.decode(bytes.subarray(from, end));
    } catch {
      break;
    }
    from = end;
  }
  return from;
}
