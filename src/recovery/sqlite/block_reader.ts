/**
 * Reads blocks of keys and states.
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { StoredKey } from "../store.ts";
import { BLOCK_IDS, numberAt, readKeys, rowIdOf, StateBlock } from "./block.ts";
import { checkedBytes, DamageError } from "./checksum.ts";

/** How many blocks are read together, and about how many bytes of state. */
const BLOCKS_AT_ONCE = 32;
const BYTES_AT_ONCE = 8 << 20;

/** A stored block. */
export interface BlockRow {
  readonly rowId: number;
  readonly block: number;
  readonly crc: number;
  readonly states: unknown;
  readonly keys: string | null;
  readonly keyCrc: number;
}

/** Reads the blocks of a step, one after the other. */
export class BlockReader {
  readonly #next: StatementSync;
  readonly #large: StatementSync;
  readonly #one: StatementSync;
  readonly #block = new StateBlock();

  constructor(db: DatabaseSync) {
    this.#next = db.prepare(
      "SELECT s.place AS rowId, s.crc, states, keys, k.crc AS keyCrc FROM state_block AS s " +
        "LEFT JOIN key_block AS k ON k.place = s.place " +
        "WHERE s.place > ? AND s.place < ? ORDER BY s.place LIMIT ?",
    );
    this.#large = db.prepare(
      "SELECT place AS rowId, crc, state FROM large_state WHERE place >= ? AND place < ?",
    );
    this.#one = db.prepare("SELECT crc, state FROM large_state WHERE place = ?");
  }

  /**
   * Returns some rows after a block; none if that is the last one.
   *
   * @throws {DamageError} If they are out of order: some damage would lead round in a circle.
   */
  rows(step: number, after: number): BlockRow[] {
    const rows = this.#next.all(rowIdOf(step, after), rowIdOf(step + 1, -1), BLOCKS_AT_ONCE);
    let last = after;
    return rows.map((row) => {
      const block = numberAt(row.rowId as number);
      if (block <= last) throw new DamageError("its blocks are not in their order");
      last = block;
      return { ...row, block } as unknown as BlockRow;
    });
  }

  /** Returns the keys of a row, by slot. */
  keysOf({ rowId, keys, keyCrc }: BlockRow): (string | null)[] {
    return readKeys(rowId, keys === null ? undefined : { crc: keyCrc, value: keys });
  }

  /**
   * Returns the keys of a row in the slots from `from` to before `to`, and the slot to continue
   * with. They are fewer if their states are large.
   *
   * @throws {DamageError} If it is not what was written.
   */
  read(
    step: number,
    row: BlockRow,
    from: number,
    to: number = BLOCK_IDS,
  ): { keys: StoredKey[]; next: number } {
    const block = this.#block;
    block.read(row.rowId, { crc: row.crc, value: row.states });
    const spelled = this.keysOf(row);
    const first = row.block * BLOCK_IDS;
    const large = this.#largeOf(step, first, from, to);
    const keys: StoredKey[] = [];
    let bytes = 0;
    let slot = from;
    for (; slot < to && bytes < BYTES_AT_ONCE; slot++) {
      const length = block.lengths[slot];
      if (length < 0) continue;
      const id = first + slot;
      const key = spelled[slot];
      if (typeof key !== "string") throw new DamageError("a state has no key");
      const state = !block.isLarge(slot)
        ? block.state(slot)
        : large === null
        ? this.#oneLarge(step, id)
        : large.get(id);
      if (state?.length !== length) throw new DamageError("a state is missing");
      keys.push({ id, key, state });
      bytes += length;
    }
    return { keys, next: slot };
  }

  /**
   * Returns the large states of the block that has been read; `null` if they are too large
   * together.
   */
  #largeOf(
    step: number,
    first: number,
    from: number,
    to: number,
  ): Map<number, Uint8Array> | null {
    let bytes = 0;
    for (let slot = from; slot < to; slot++) {
      if (this.#block.isLarge(slot)) bytes += this.#block.lengths[slot];
    }
    if (bytes > BYTES_AT_ONCE) return null;
    const rows = bytes === 0
      ? []
      : this.#large.all(rowIdOf(step, first + from), rowIdOf(step, first + to));
    return new Map(rows.map((row) => [numberAt(row.rowId as number), largeStateOf(row)]));
  }

  #oneLarge(step: number, id: number): Uint8Array | undefined {
    const rowId = rowIdOf(step, id);
    const row = this.#one.get(rowId);
    return row && largeStateOf({ ...row, rowId });
  }
}

function largeStateOf({ rowId, crc, state }: Record<string, unknown>): Uint8Array {
  return checkedBytes("a state", rowId as number, { crc: crc as number, value: state });
}
