/**
 * Stores any JavaScript string as a value of SQLite, no two alike: see `schema.ts`.
 *
 * @module
 */

/** A string in its stored form. */
export type StoredText = string | Uint8Array;

/** Returns a string in its stored form. */
export function toStored(text: string): StoredText {
  // SQLite's own functions, and Deno's reading, cut a TEXT at its first NUL.
  if (text.isWellFormed() && !text.includes("\0")) return text;
  return toUtf16(text);
}

/** Returns the string that was stored. */
export function fromStored(stored: StoredText): string {
  if (typeof stored === "string") return stored;
  const parts: string[] = [];
  for (let offset = 0; offset < stored.length; offset += 2 * UNITS_AT_ONCE) {
    const units: number[] = [];
    const end = Math.min(offset + 2 * UNITS_AT_ONCE, stored.length);
    for (let i = offset; i < end; i += 2) units.push(stored[i] << 8 | stored[i + 1]);
    parts.push(String.fromCharCode(...units));
  }
  return parts.join("");
}

/** A string's UTF-16 code units, big-endian. */
function toUtf16(text: string): Uint8Array {
  const bytes = new Uint8Array(2 * text.length);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    bytes[2 * i] = unit >> 8;
    bytes[2 * i + 1] = unit;
  }
  return bytes;
}

/** The stack has room for that many arguments. */
const UNITS_AT_ONCE = 4096;
