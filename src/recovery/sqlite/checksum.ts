/**
 * Checksums of what is stored, since SQLite has none.
 *
 * @module
 */
import { crc32 } from "node:zlib";

/** Damage that SQLite does not detect. */
export class DamageError extends Error {
  /** Always `"DamageError"`. */
  override readonly name = "DamageError";
}

/** A value and its checksum, as a row holds them. */
export interface Checked<T = unknown> {
  readonly crc: number;
  readonly value: T;
}

/**
 * Returns the checksum of a value. It depends on the row: what is right in one is damage in
 * another.
 */
export function checksumOf(value: Uint8Array | string, rowId: number): number {
  return crc32(value, (rowId ^ Math.floor(rowId / 2 ** 32)) >>> 0);
}

/**
 * Returns the bytes that were written in a row.
 *
 * @throws {DamageError} If the stored value is another one; `what` names it.
 */
export function checkedBytes(what: string, rowId: number, { crc, value }: Checked): Uint8Array {
  if (value instanceof Uint8Array && checksumOf(value, rowId) === crc) return value;
  throw new DamageError(`${what} is not what was written`);
}

/** Returns the text that was written in a row; throws as {@linkcode checkedBytes}. */
export function checkedText(what: string, rowId: number, { crc, value }: Checked): string {
  if (typeof value === "string" && checksumOf(value, rowId) === crc) return value;
  throw new DamageError(`${what} is not what was written`);
}
