/**
 * Writes primitives and bytes into a buffer that grows; see `value_format.ts` for the bytes.
 *
 * @module
 */
import {
  ASCII,
  BIGINT,
  BIGINT64,
  FALSE,
  FLOAT64,
  INT16,
  INT32,
  INT8,
  NULL,
  SHORT,
  TRUE,
  UNDEFINED,
  UTF16,
  UTF8,
} from "./value_format.ts";

/** Bytes that are free when a value begins: enough for a short string with its tag, or a number. */
export const ROOM = 96;

/** Bytes of a new buffer. */
const START_BYTES = 4096;

const encoder = new TextEncoder();
const float = new Float64Array(1);
const floatBytes = new Uint8Array(float.buffer);
const bigInt = new BigInt64Array(float.buffer);

/** Writes primitives into a buffer that grows. */
export class PrimitiveWriter {
  /** The buffer. */
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(START_BYTES);
  /** Index of the next byte. */
  at = 0;
  /** Up to this index, {@linkcode ROOM} bytes are free. */
  protected limit: number = START_BYTES - ROOM;

  /** Gives up the buffer and starts with a new one. */
  replaceBuffer(): void {
    this.bytes = new Uint8Array(START_BYTES);
    this.limit = START_BYTES - ROOM;
  }

  /** Writes a primitive. Returns `false` if the value is something else, or cannot be written. */
  primitive(value: unknown): boolean {
    if (this.at > this.limit) this.grow(ROOM);
    if (typeof value === "string") this.string(value);
    else if (typeof value === "number") this.number(value);
    else if (value === undefined) this.bytes[this.at++] = UNDEFINED;
    else if (value === null) this.bytes[this.at++] = NULL;
    else if (value === true) this.bytes[this.at++] = TRUE;
    else if (value === false) this.bytes[this.at++] = FALSE;
    else if (typeof value === "bigint") this.#bigInt(value);
    else return false;
    return true;
  }

  /** Writes a byte. */
  byte(byte: number): void {
    if (this.at > this.limit) this.grow(ROOM);
    this.bytes[this.at++] = byte;
  }

  /** Writes a length. */
  varint(value: number): void {
    if (this.at > this.limit) this.grow(ROOM);
    while (value > 0x7f) {
      this.bytes[this.at++] = value % 128 + 128;
      value = Math.floor(value / 128);
    }
    this.bytes[this.at++] = value;
  }

  /** Writes a number. {@linkcode ROOM} bytes must be free. */
  number(value: number): void {
    const { bytes } = this;
    if ((value | 0) === value && !Object.is(value, -0)) {
      if (value >= 0 && value < 128) {
        bytes[this.at++] = value;
      } else if (value < 32768 && value >= -32768) {
        if (value >= -128 && value < 0) {
          bytes[this.at++] = INT8;
          bytes[this.at++] = value;
          return;
        }
        bytes[this.at++] = INT16;
        bytes[this.at++] = value;
        bytes[this.at++] = value >> 8;
      } else {
        bytes[this.at++] = INT32;
        bytes[this.at++] = value;
        bytes[this.at++] = value >> 8;
        bytes[this.at++] = value >> 16;
        bytes[this.at++] = value >> 24;
      }
      return;
    }
    bytes[this.at++] = FLOAT64;
    this.float64(value);
  }

  /** Writes a double without a tag. {@linkcode ROOM} bytes must be free. */
  float64(value: number): void {
    float[0] = value;
    this.#eight();
  }

  /** Writes the eight bytes of the scratch array. */
  #eight(): void {
    const { bytes, at } = this;
    for (let i = 0; i < 8; i++) bytes[at + i] = floatBytes[i];
    this.at = at + 8;
  }

  #bigInt(value: bigint): void {
    bigInt[0] = value;
    if (bigInt[0] === value) {
      this.bytes[this.at++] = BIGINT64;
      this.#eight();
      return;
    }
    const digits = (value < 0n ? -value : value).toString(16);
    const magnitude = Uint8Array.fromHex(digits.length % 2 === 0 ? digits : "0" + digits).reverse();
    this.bytes[this.at++] = BIGINT;
    this.varint(magnitude.length * 2 + (value < 0n ? 1 : 0));
    this.append(magnitude);
  }

  /** Writes a string. {@linkcode ROOM} bytes must be free. */
  string(value: string): void {
    const { length } = value;
    if (length <= SHORT) {
      const { bytes, at } = this;
      let bits = 0;
      for (let i = 0; i < length; i++) {
        const unit = value.charCodeAt(i);
        bits |= unit;
        bytes[at + 1 + i] = unit;
      }
      if (bits < 128) {
        bytes[at] = ASCII + length;
        this.at = at + 1 + length;
        return;
      }
    }
    this.#anyString(value);
  }

  #anyString(value: string): void {
    const { length } = value;
    if (!value.isWellFormed()) {
      this.#utf16(value);
      return;
    }
    if (this.at + length * 3 > this.limit) this.grow(length * 3);
    const { bytes, at } = this;
    // The length in bytes is known only afterwards, so its varint is as long as it may become.
    const varintBytes = length * 3 < 1 << 7 ? 1 : length * 3 < 1 << 14 ? 2 : 5;
    const start = at + 1 + varintBytes;
    const written = length <= SHORT
      ? writeUtf8(value, bytes, start)
      : encoder.encodeInto(value, bytes.subarray(start)).written;
    bytes[at] = UTF8;
    let rest = written;
    for (let i = 1; i < varintBytes; i++) {
      bytes[at + i] = rest % 128 + 128;
      rest = Math.floor(rest / 128);
    }
    bytes[start - 1] = rest;
    this.at = start + written;
  }

  #utf16(value: string): void {
    const { length } = value;
    this.bytes[this.at++] = UTF16;
    this.varint(length);
    if (this.at + length * 2 > this.limit) this.grow(length * 2);
    const { bytes } = this;
    for (let i = 0; i < length; i++) {
      const unit = value.charCodeAt(i);
      bytes[this.at++] = unit;
      bytes[this.at++] = unit >> 8;
    }
  }

  /** Writes bytes as they are. */
  append(bytes: Uint8Array): void {
    const { length } = bytes;
    if (this.at + length > this.limit) this.grow(length);
    if (length <= 32) {
      const to = this.bytes, at = this.at;
      for (let i = 0; i < length; i++) to[at + i] = bytes[i];
    } else {
      this.bytes.set(bytes, this.at);
    }
    this.at += length;
  }

  /** Makes room for this many bytes and {@linkcode ROOM} more. */
  protected grow(bytes: number): void {
    const length = Math.max(this.bytes.length * 2, this.at + bytes + 2 * ROOM);
    const grown = new Uint8Array(length);
    grown.set(this.bytes.subarray(0, this.at));
    this.bytes = grown;
    this.limit = length - ROOM;
  }
}

/**
 * Writes well-formed text at `start`; returns its length in bytes. For short text, it is faster
 * than `encodeInto`.
 */
function writeUtf8(text: string, bytes: Uint8Array, start: number): number {
  let at = start;
  for (let i = 0; i < text.length; i++) {
    let code = text.charCodeAt(i);
    if (code < 0x80) {
      bytes[at++] = code;
    } else if (code < 0x800) {
      bytes[at++] = 0xc0 | code >> 6;
      bytes[at++] = 0x80 | code & 0x3f;
    } else if (code < 0xd800 || code > 0xdfff) {
      bytes[at++] = 0xe0 | code >> 12;
      bytes[at++] = 0x80 | code >> 6 & 0x3f;
      bytes[at++] = 0x80 | code & 0x3f;
    } else {
      code = text.codePointAt(i++)!; // a surrogate and its second half
      bytes[at++] = 0xf0 | code >> 18;
      bytes[at++] = 0x80 | code >> 12 & 0x3f;
      bytes[at++] = 0x80 | code >> 6 & 0x3f;
      bytes[at++] = 0x80 | code & 0x3f;
    }
  }
  return at - start;
}
