/**
 * The records of a changelog.
 *
 * ```text
 *   key ["STEP","KEY"]   the state's bytes; none if it is forgotten
 *   key ["positions"]    all positions of the task
 * ```
 *
 * Keys are JSON as `JSON.stringify` writes it. It escapes text that is not well-formed, so no two
 * keys are alike.
 *
 * @module
 */
import { decodeUtf8 } from "../../core/utf8.ts";
import { eachChange, type StateChunk, type StoredPosition } from "../../recovery/store.ts";
import type { WireRecord } from "../kafka/wire/write_batch.ts";
import { encodePositions } from "./positions.ts";
import { Buffer } from "node:buffer";

/** The key of the record with a task's positions. */
export const POSITIONS_KEY = '["positions"]';

const NO_HEADERS: WireRecord["headers"] = [];

/**
 * Returns the records of a task's changes: each key once, with its last state.
 *
 * @throws {TypeError} If a chunk has no keys.
 */
export function* stateRecords(
  state: readonly StateChunk[],
  timestamp: number,
): Generator<WireRecord> {
  const last = new Map<string, Uint8Array | null>();
  for (const chunk of state) {
    for (const { key, state } of eachChange(chunk)) {
      if (key === null) throw new TypeError(`a change of step "${chunk.step}" has no key`);
      last.set(JSON.stringify([chunk.step, key]), state);
    }
  }
  for (const [name, value] of last) {
    yield { key: Buffer.from(name), value, headers: NO_HEADERS, timestamp };
  }
}

/** Whether a record's key is that of the positions. */
export function isPositionsKey(name: Uint8Array): boolean {
  return name.length === POSITIONS_BYTES.length &&
    POSITIONS_BYTES.every((byte, i) => name[i] === byte);
}

const POSITIONS_BYTES = Buffer.from(POSITIONS_KEY);

/** Returns the record of a task's positions. */
export function positionsRecord(
  positions: readonly StoredPosition[],
  timestamp: number,
): WireRecord {
  const value = encodePositions(positions);
  return { key: Buffer.from(POSITIONS_KEY), value, headers: NO_HEADERS, timestamp };
}

/**
 * Returns the step and the key of a record's key; `null` if it is that of the positions.
 *
 * @throws {TypeError} If no task writes such a key.
 */
export function parseStateKey(bytes: Uint8Array | null): [step: string, key: string] | null {
  const name = bytes === null ? "" : decodeUtf8(bytes);
  if (name === POSITIONS_KEY) return null;
  const [step, key, ...more] = JSON.parse(name) as unknown[];
  if (typeof step === "string" && typeof key === "string" && more.length === 0) return [step, key];
  throw new TypeError(`no task writes the key ${name}`);
}
