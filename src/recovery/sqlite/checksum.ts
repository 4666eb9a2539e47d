/**
 * Checksums of what is stored: SQLite has none.
 *
 * @module
 */
import { crc32 } from "node:zlib";

/** Damage that SQLite does not see. */
export class DamageError extends Error {
  /** Always `"DamageError"`. */
  override readonly name = "DamageError";
}

/** A value with its checksum, as a row has them. */
export interface Checked<T = unknown> {
  readonly crc: number;
  readonly value: T;
}

/** A value's checksum. It says where it is too: what is right at one place is damage at another. */
export function checksumOf(value: Uint8Array | string, rowId: number): number {
  return crc32(value, (rowId ^ Math.floor(rowId / 2 ** 32)) >>> 0);
}

/**
 * The bytes that were written at a place.
 *
 * @throws {DamageError} If these are others; `what` says what they should be.
 */
export function checkedBytes(what: string, rowId: number, { crc, value }: Checked): Uint8Array {
  if (value instanceof Uint8Array && checksumOf(value, rowId) === crc) return value;
  throw new DamageError(`${what} is not what was written`);
}

/** The same for text. */
export function checkedText(what: string, rowId: number, { crc, value }: Checked): string {
  if (typeof value === "string" && checksumOf(value, rowId) === crc) return value;
  throw new DamageError(`${what} is not what was written`);
}
