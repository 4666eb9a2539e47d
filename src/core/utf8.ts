/**
 * Text as UTF-8 and back, for the many small texts of keys and values.
 *
 * `TextEncoder.encode` makes a buffer for each text, which takes longer than encoding it, and keeps
 * garbage collection busy. So small texts share buffers. A decoder that refuses bytes which are not
 * UTF-8 takes two to four times as long as one that replaces them. A byte order mark is part of the
 * text.
 *
 * @module
 */
import { Buffer } from "node:buffer";

const encoder = new TextEncoder();
const replacing = new TextDecoder("utf-8", { ignoreBOM: true });
const refusing = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Node's way to decode needs half the time for few bytes, and more for many. It works on any bytes,
 * and like {@linkcode replacing}.
 */
const decodeFew: (this: Uint8Array, encoding: "utf8", start: number, end: number) => string =
  Buffer.prototype.toString;
const FEW = 256;

/** What a decoder puts in place of bytes that are not UTF-8. A text may also contain it. */
const REPLACEMENT = "\ufffd";

/** The bytes of a shared buffer. It stays in memory as long as one of its texts does. */
const SHARED = 4096;

/** Longer texts have a buffer of their own, in UTF-16 units. */
const MOST_UNITS = 1024;

/** The most bytes of a UTF-16 unit. */
const UNIT_BYTES = 3;

let shared = new ArrayBuffer(SHARED);
let used = 0;

/** The UTF-8 bytes of a text. They may be a part of a larger buffer, and nothing else uses them. */
export function encodeUtf8(text: string): Uint8Array {
  const { length } = text;
  if (length > MOST_UNITS) return encoder.encode(text);
  const ascii = room(length);
  // Any other character needs more bytes than units, so not all would fit.
  if (encoder.encodeInto(text, ascii).read === length) return taken(ascii);
  const most = room(length * UNIT_BYTES);
  return taken(most.subarray(0, encoder.encodeInto(text, most).written));
}

/** A part of the shared buffer that is not used yet. */
function room(bytes: number): Uint8Array {
  if (bytes > SHARED - used) {
    shared = new ArrayBuffer(SHARED);
    used = 0;
  }
  return new Uint8Array(shared, used, bytes);
}

function taken(bytes: Uint8Array): Uint8Array {
  used += bytes.length;
  return bytes;
}

/**
 * The text of UTF-8 bytes.
 *
 * @throws {TypeError} If they are not UTF-8.
 */
export function decodeUtf8(bytes: Uint8Array): string {
  const text = decodeAnyUtf8(bytes, 0, bytes.length);
  return text.includes(REPLACEMENT) ? refusing.decode(bytes) : text;
}

/** The text of the bytes from `start` to `end`. What is not UTF-8 is replaced by U+FFFD. */
export function decodeAnyUtf8(bytes: Uint8Array, start: number, end: number): string {
  return end - start <= FEW
    ? decodeFew.call(bytes, "utf8", start, end)
    : replacing.decode(bytes.subarray(start, end));
}
