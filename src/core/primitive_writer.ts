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
  offset = 0;
  /** Up to this index, {@linkcode ROOM} bytes are free. */
  protected limit: number = START_BYTES - ROOM;

  /** Gives up the buffer and starts with a new one. */
  replaceBuffer(): void {
    this.bytes = new Uint8Array(START_BYTES);
    this.limit = START_BYTES - ROOM;
  }

  /** Writes a primitive. Returns `false` if the value is something else, or cannot be written. */
  primitive(value: unknown): boolean {
    if (this.offset > this.limit) this.grow(ROOM);
    if (typeof value === "string") this.string(value);
    else if (typeof value === "number") this.number(value);
    else if (value === undefined) this.bytes[this.offset++] = UNDEFINED;
    else if (value === null) this.bytes[this.offset++] = NULL;
    else if (value === true) this.bytes[this.offset++] = TRUE;
    else if (value === false) this.bytes[this.offset++] = FALSE;
    else if (typeof value === "bigint") this.#bigInt(value);
    else return false;
    return true;
  }

  /** Writes a byte. */
  byte(byte: number): void {
    if (this.offset > this.limit) this.grow(ROOM);
    this.bytes[this.offset++] = byte;
  }

  /** Writes a length. */
  varint(value: number): void {
    if (this.offset > this.limit) this.grow(ROOM);
    while (value > 0x7f) {
      this.bytes[this.offset++] = value % 128 + 128;
      value = Math.floor(value / 128);
    }
    this.bytes[this.offset++] = value;
  }

  /** Writes a number. {@linkcode ROOM} bytes must be free. */
  number(value: number): void {
    const { bytes } = this;
    if ((value | 0) === value && !Object.is(value, -0)) {
      if (value >= 0 && value < 128) {
        bytes[this.offset++] = value;
      } else if (value < 32768 && value >= -32768) {
        if (value >= -128 && value < 0) {
          bytes[this.offset++] = INT8;
          bytes[this.offset++] = value;
          return;
        }
        bytes[this.offset++] = INT16;
        bytes[this.offset++] = value;
        bytes[this.offset++] = value >> 8;
      } else {
        bytes[this.offset++] = INT32;
        bytes[this.offset++] = value;
        bytes[this.offset++] = value >> 8;
        bytes[this.offset++] = value >> 16;
        bytes[this.offset++] = value >> 24;
      }
      return;
    }
    bytes[this.offset++] = FLOAT64;
    this.float64(value);
  }

  /** Writes a double without a tag. {@linkcode ROOM} bytes must be free. */
  float64(value: number): void {
    float[0] = value;
    this.#eight();
  }

  /** Writes the eight bytes of the scratch array. */
  #eight(): void {
    const { bytes, offset } = this;
    for (let i = 0; i < 8; i++) bytes[offset + i] = floatBytes[i];
    this.offset = offset + 8;
  }

  #bigInt(value: bigint): void {
    bigInt[0] = value;
    if (bigInt[0] === value) {
      this.bytes[this.offset++] = BIGINT64;
      this.#eight();
      return;
    }
    const digits = (value < 0n ? -value : value).toString(16);
    const magnitude = Uint8Array.fromHex(digits.length % 2 === 0 ? digits : "0" + digits).reverse();
    this.bytes[this.offset++] = BIGINT;
    this.varint(magnitude.length * 2 + (value < 0n ? 1 : 0));
    this.append(magnitude);
  }

  /** Writes a string. {@linkcode ROOM} bytes must be free. */
  string(value: string): void {
    const { length } = value;
    if (length <= SHORT) {
      const { bytes, offset } = this;
      let bits = 0;
      for (let i = 0; i < length; i++) {
        const unit = value.charCodeAt(i);
        bits |= unit;
        bytes[offset + 1 + i] = unit;
      }
      if (bits < 128) {
        bytes[offset] = ASCII + length;
        this.offset = offset + 1 + length;
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
    if (this.offset + length * 3 > this.limit) this.grow(length * 3);
    const { bytes, offset } = this;
    // The length in bytes is known only afterwards, so its varint is as long as it may become.
    const varintBytes = length * 3 < 1 << 7 ? 1 : length * 3 < 1 << 14 ? 2 : 5;
    const start = offset + 1 + varintBytes;
    const written = length <= SHORT
      ? writeUtf8(value, bytes, start)
      : encoder.encodeInto(value, bytes.subarray(start)).written;
    bytes[offset] = UTF8;
    let rest = written;
    for (let i = 1; i < varintBytes; i++) {
      bytes[offset + i] = rest % 128 + 128;
      rest = Math.floor(rest / 128);
    }
    bytes[start - 1] = rest;
    this.offset = start + written;
  }

  #utf16(value: string): void {
    const { length } = value;
    this.bytes[this.offset++] = UTF16;
    this.varint(length);
    if (this.offset + length * 2 > this.limit) this.grow(length * 2);
    const { bytes } = this;
    for (let i = 0; i < length; i++) {
      const unit = value.charCodeAt(i);
      bytes[this.offset++] = unit;
      bytes[this.offset++] = unit >> 8;
    }
  }

  /** Writes bytes as they are. */
  append(bytes: Uint8Array): void {
    const { length } = bytes;
    if (this.offset + length > this.limit) this.grow(length);
    if (length <= 32) {
      const to = this.bytes, offset = this.offset;
      for (let i = 0; i < length; i++) to[offset + i] = bytes[i];
    } else {
      this.bytes.set(bytes, this.offset);
    }
    this.offset += length;
  }

  /** Makes room for this many bytes and {@linkcode ROOM} more. */
  protected grow(bytes: number): void {
    const length = Math.max(this.bytes.length * 2, this.offset + bytes + 2 * ROOM);
    const grown = new Uint8Array(length);
    grown.set(this.bytes.subarray(0, this.offset));
    this.bytes = grown;
    this.limit = length - ROOM;
  }
}

/**
 * Writes well-formed text at `start`; returns its length in bytes. For short text, it is faster
 * than `encodeInto`.
 */
function writeUtf8(text: string, bytes: Uint8Array, start: number): number {
  let offset = start;
  for (let i = 0; i < text.length; i++) {
    let code = text.charCodeAt(i);
    if (code < 0x80) {
      bytes[offset++] = code;
    } else if (code < 0x800) {
      bytes[offset++] = 0xc0 | code >> 6;
      bytes[offset++] = 0x80 | code & 0x3f;
    } else if (code < 0xd800 || code > 0xdfff) {
      bytes[offset++] = 0xe0 | code >> 12;
      bytes[offset++] = 0x80 | code >> 6 & 0x3f;
      bytes[offset++] = 0x80 | code & 0x3f;
    } else {
      code = text.codePointAt(i++)!; // a surrogate and its second half
      bytes[offset++] = 0xf0 | code >> 18;
      bytes[offset++] = 0x80 | code >> 12 & 0x3f;
      bytes[offset++] = 0x80 | code >> 6 & 0x3f;
      bytes[offset++] = 0x80 | code & 0x3f;
    }
  }
  return offset - start;
}
