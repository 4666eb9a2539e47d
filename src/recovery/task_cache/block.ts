/**
 * Blocks of keys and states, as rows hold them: see `schema.ts`.
 *
 * @module
 */
import { crc32 } from "node:zlib";
import { Buffer } from "node:buffer";
import { checksumOf, DamageError } from "../sqlite/checksum.ts";

/** A block with more bytes is split. A large state is in a block alone. */
export const MAX_BLOCK_BYTES = 16 << 10;

/** Keys with their states. */
export type Entries = Map<string, Uint8Array>;

/** A row of the table. */
export interface BlockRow {
  readonly place: number;
  readonly crc: number;
  readonly keys: string;
  readonly states: Uint8Array;
}

/** Hashes of keys per step. */
const STEP_PLACES = 2 ** 40;

/** The place of the first hash of a step. */
export function firstPlace(step: number): number {
  return step * STEP_PLACES;
}

/** The step of a place. */
export function stepAt(place: number): number {
  return Math.floor(place / STEP_PLACES);
}

/** About how many bytes a key and its state take in a block. */
export function sizeOf(key: string, state: Uint8Array): number {
  return key.length + 3 + LENGTH_BYTES + state.length;
}

const LENGTH_BYTES = 4;

/** Returns a block as a row. */
export function writeBlock(place: number, entries: Entries): BlockRow {
  let size = LENGTH_BYTES * entries.size;
  for (const state of entries.values()) size += state.length;
  const states = Buffer.allocUnsafeSlow(size);
  let at = 0;
  let from = LENGTH_BYTES * entries.size;
  for (const state of entries.values()) {
    states.writeUInt32LE(state.length, at);
    at += LENGTH_BYTES;
    states.set(state, from);
    from += state.length;
  }
  const keys = JSON.stringify([...entries.keys()]);
  return { place, crc: blockChecksum(place, keys, states), keys, states };
}

/**
 * Checks that a row is what was written.
 *
 * @throws {DamageError} If it is not.
 */
export function checkBlock({ place, crc, keys, states }: BlockRow): void {
  const hasTypes = typeof keys === "string" && states instanceof Uint8Array;
  if (hasTypes && blockChecksum(place, keys, states) === crc) return;
  throw new DamageError("a block is not what was written");
}

function blockChecksum(place: number, keys: string, states: Uint8Array): number {
  return crc32(states, checksumOf(keys, place));
}

/** Returns the keys of a block, with views of its states. */
export function readBlock({ keys, states }: Pick<BlockRow, "keys" | "states">): Entries {
  const entries: Entries = new Map();
  eachEntry(JSON.parse(keys), states, 0, (key, state) => entries.set(key, state));
  return entries;
}

/**
 * Calls `entry` for each key of a block, whose states begin at `offset`.
 *
 * @returns Where they end.
 */
export function eachEntry(
  keys: readonly string[],
  states: Uint8Array,
  offset: number,
  entry: (key: string, state: Uint8Array) => void,
): number {
  const view = new DataView(states.buffer, states.byteOffset, states.byteLength);
  let from = offset + LENGTH_BYTES * keys.length;
  for (let i = 0; i < keys.length; i++) {
    const end = from + view.getUint32(offset + LENGTH_BYTES * i, true);
    entry(keys[i], states.subarray(from, end));
    from = end;
  }
  return from;
}
