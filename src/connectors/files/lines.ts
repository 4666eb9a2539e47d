/**
 * Lines out of chunks of bytes.
 *
 * Bytes are cut at line ends before they are decoded: so a character never falls apart, offsets are
 * known in bytes, and one call decodes thousands of lines.
 *
 * @module
 */
import { messageOf } from "../../core/errors.ts";

/** Bytes that begin where a line begins and end where one ends. Never empty. */
export interface Block {
  /** Of the file that they are from. */
  readonly path: string;
  /** Where in the file they begin. */
  readonly start: number;
  readonly bytes: Uint8Array;
}

const LF = 10;
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Which lines to take out of chunks. */
export interface Stretch {
  /** The file that the chunks are from. */
  readonly path: string;
  /** Where in it the chunks begin. */
  readonly offset: number;
  /** Whether that may be within a line, or at its end: then the first one is not taken. */
  readonly inLine: boolean;
  /** Lines that begin here or behind are not taken: `null` takes all. */
  readonly to: number | null;
}

/**
 * Cuts chunks at line ends.
 *
 * @param longest The most bytes that a line may have: no less than a chunk.
 * @throws {RangeError} If a line is longer. It would have to fit into memory.
 */
export async function* blocksOf(
  chunks: AsyncIterable<Uint8Array>,
  { path, offset, inLine, to }: Stretch,
  longest: number,
): AsyncGenerator<Block> {
  const stop = to ?? Infinity;
  let start = offset;
  let skipping = inLine;
  let held: Uint8Array[] = []; // the beginning of a line
  let heldBytes = 0;
  for await (let chunk of chunks) {
    if (skipping) {
      const skipped = chunk.indexOf(LF) + 1 || chunk.length;
      start += skipped;
      skipping = chunk[skipped - 1] !== LF;
      chunk = chunk.subarray(skipped);
    }
    if (start >= stop) return;
    const lineEnd = chunk.indexOf(LF);
    if (heldBytes + (lineEnd === -1 ? chunk.length : lineEnd) > longest) {
      throw new RangeError(
        `the line at byte ${start} of "${path}" has more than ${longest} bytes`,
      );
    }
    const end = chunk.lastIndexOf(LF) + 1;
    const rest = chunk.subarray(end);
    if (end > 0) {
      const bytes = concat([...held, chunk.subarray(0, end)]);
      yield* withoutMark({ path, start, bytes: linesBefore(bytes, stop - start) });
      start += bytes.length;
      if (start >= stop) return;
      held = [];
      heldBytes = 0;
    }
    held.push(rest);
    heldBytes += rest.length;
  }
  if (heldBytes > 0) yield* withoutMark({ path, start, bytes: concat(held) });
}

/** Of bytes that end with a line end, the lines that begin before `stop`. */
function linesBefore(bytes: Uint8Array, stop: number): Uint8Array {
  return stop >= bytes.length ? bytes : bytes.subarray(0, bytes.indexOf(LF, stop - 1) + 1);
}

/** The block, if there is anything left of it. */
function withoutMark(block: Block): Block[] {
  const { path, start, bytes } = block;
  if (start !== 0 || !BYTE_ORDER_MARK.every((byte, i) => bytes[i] === byte)) return [block];
  const rest = bytes.subarray(BYTE_ORDER_MARK.length);
  return rest.length === 0 ? [] : [{ path, start: BYTE_ORDER_MARK.length, bytes: rest }];
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Where to end a batch that begins at `from`: behind a line, at about `batchBytes`. */
export function batchEnd(bytes: Uint8Array, from: number, batchBytes: number): number {
  const about = from + batchBytes;
  if (about >= bytes.length) return bytes.length;
  const before = bytes.lastIndexOf(LF, about - 1);
  if (before >= from) return before + 1;
  const after = bytes.indexOf(LF, about);
  return after === -1 ? bytes.length : after + 1;
}

/**
 * The lines in a block: a line ends with `\n` or `\r\n`, the last one also with the block.
 *
 * @throws {TypeError} If a line is not UTF-8. Decoding it somehow would change what it says.
 */
export function linesIn({ path, start, bytes }: Block): string[] {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch (cause) {
    const at = start + firstUndecodable(bytes);
    throw new TypeError(`the line at byte ${at} of "${path}" is not UTF-8: ${messageOf(cause)}`, {
      cause,
    });
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

/** Where the first line begins that cannot be decoded. */
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
