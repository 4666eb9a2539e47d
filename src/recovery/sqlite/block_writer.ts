/**
 * Writes the changes of an epoch to the state of keys, within an open transaction.
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { TimeSlice } from "../../core/event_loop.ts";
import type { StepId } from "../../core/ids.ts";
import type { StateChunk } from "../store.ts";
import {
  BLOCK_IDS,
  blockOf,
  LARGE_STATE,
  readKeys,
  rowIdOf,
  StateBlock,
  writeKeys,
} from "./block.ts";
import { type Checked, checksumOf } from "./checksum.ts";

/** Changes of a block: pairs of numbers, the index of a chunk and that of a key in it. */
type BlockChanges = number[];

/** A chunk, and where the state of each key begins. */
interface Indexed {
  readonly chunk: StateChunk;
  readonly starts: Int32Array;
}

/** How an epoch changes the number of a step's keys, and the bytes of their states. */
interface Growth {
  keys: number;
  bytes: number;
}

/** Writes changes of state. */
export class BlockWriter {
  readonly #numberOf: (step: StepId) => number;
  readonly #getStates: StatementSync;
  readonly #putStates: StatementSync;
  readonly #deleteStates: StatementSync;
  readonly #getKeys: StatementSync;
  readonly #putKeys: StatementSync;
  readonly #deleteKeys: StatementSync;
  readonly #putLarge: StatementSync;
  readonly #deleteLarge: StatementSync;
  readonly #grow: StatementSync;
  readonly #states = new StateBlock();

  constructor(db: DatabaseSync, numberOf: (step: StepId) => number) {
    this.#numberOf = numberOf;
    this.#getStates = db.prepare(
      "SELECT crc, states AS value FROM state_block WHERE place = ?",
    );
    this.#putStates = db.prepare("REPLACE INTO state_block VALUES (?, ?, ?)");
    this.#deleteStates = db.prepare("DELETE FROM state_block WHERE place = ?");
    this.#getKeys = db.prepare(
      "SELECT crc, keys AS value FROM key_block WHERE place = ?",
    );
    this.#putKeys = db.prepare("REPLACE INTO key_block VALUES (?, ?, ?)");
    this.#deleteKeys = db.prepare("DELETE FROM key_block WHERE place = ?");
    this.#putLarge = db.prepare("REPLACE INTO large_state VALUES (?, ?, ?)");
    this.#deleteLarge = db.prepare("DELETE FROM large_state WHERE place = ?");
    this.#grow = db.prepare("UPDATE step SET keys = keys + ?, bytes = bytes + ? WHERE id = ?");
  }

  /**
   * Writes all changes. In between, it lets the event loop run.
   *
   * @throws {DamageError} If the stored blocks are damaged.
   */
  async write(changes: Iterable<StateChunk>): Promise<void> {
    const slice = new TimeSlice();
    const chunks: Indexed[] = [];
    const steps = new Map<StepId, Map<number, BlockChanges>>();
    for (const chunk of changes) {
      const blocks = steps.get(chunk.step) ?? new Map<number, BlockChanges>();
      steps.set(chunk.step, blocks);
      groupByBlock(chunk, chunks.length, blocks);
      chunks.push({ chunk, starts: startsOf(chunk) });
      if (slice.isOver) await slice.renew();
    }
    for (const [name, blocks] of steps) {
      const step = this.#numberOf(name);
      const growth = { keys: 0, bytes: 0 };
      // In the order of the table.
      for (const block of [...blocks.keys()].sort((a, b) => a - b)) {
        this.#write(step, block, blocks.get(block)!, chunks, growth);
        if (slice.isOver) await slice.renew();
      }
      this.#grow.run(growth.keys, growth.bytes, step);
    }
    this.#states.clear(); // releases the chunks
  }

  #write(
    step: number,
    block: number,
    changes: BlockChanges,
    chunks: readonly Indexed[],
    growth: Growth,
  ): void {
    const states = this.#states;
    const rowId = rowIdOf(step, block);
    const isNew = !this.#read(rowId);
    let keys: (string | null)[] | null = null;
    let spells = false; // whether the keys of the block have changed
    for (let i = 0; i < changes.length; i += 2) {
      const { chunk, starts } = chunks[changes[i]];
      const index = changes[i + 1];
      const id = chunk.ids[index];
      const slot = id - block * BLOCK_IDS;
      const before = states.lengths[slot];
      const length = chunk.lengths[index];
      if (length < 0 && before < 0) continue; // never stored
      const key = length < 0 ? null : chunk.keys?.[index];
      if (key !== undefined) {
        keys ??= isNew ? [] : this.#readKeys(rowId);
        spells ||= keys[slot] !== key;
        while (keys.length < slot) keys.push(null);
        keys[slot] = key;
      } else if (before < 0) throw new Error(`the key with the id ${id} is unknown to the store`);
      if (length > LARGE_STATE) {
        const state = chunk.states.subarray(starts[index], starts[index] + length);
        const largeId = rowIdOf(step, id);
        this.#putLarge.run(largeId, checksumOf(state, largeId), state);
      } else if (before > LARGE_STATE) {
        this.#deleteLarge.run(rowIdOf(step, id));
      }
      states.put(slot, chunk.states, starts[index], length);
      growth.keys += (length < 0 ? 0 : 1) - (before < 0 ? 0 : 1);
      growth.bytes += Math.max(0, length) - Math.max(0, before);
    }
    if (states.isEmpty) {
      this.#deleteStates.run(rowId);
      this.#deleteKeys.run(rowId);
      return;
    }
    const written = states.write(rowId);
    this.#putStates.run(rowId, written.crc, written.value);
    if (!spells) return;
    const spelled = writeKeys(rowId, keys!);
    this.#putKeys.run(rowId, spelled.crc, spelled.value);
  }

  /** Reads the states of a block; returns whether it is stored. */
  #read(rowId: number): boolean {
    const stored = this.#getStates.get(rowId);
    if (stored === undefined) this.#states.clear();
    else this.#states.read(rowId, stored as unknown as Checked);
    return stored !== undefined;
  }

  #readKeys(rowId: number): (string | null)[] {
    const stored = this.#getKeys.get(rowId);
    return readKeys(rowId, stored as unknown as Checked | undefined);
  }
}

/** Adds the changes of a chunk to those of their blocks. */
function groupByBlock({ ids }: StateChunk, chunk: number, blocks: Map<number, BlockChanges>): void {
  let last = -1;
  let changes: BlockChanges = [];
  for (let i = 0; i < ids.length; i++) {
    const block = blockOf(ids[i]);
    if (block !== last) {
      last = block;
      changes = blocks.get(block) ?? [];
      if (changes.length === 0) blocks.set(block, changes);
    }
    changes.push(chunk, i);
  }
}

function startsOf({ lengths }: StateChunk): Int32Array {
  const starts = new Int32Array(lengths.length);
  let offset = 0;
  for (let i = 0; i < lengths.length; i++) {
    starts[i] = offset;
    if (lengths[i] > 0) offset += lengths[i];
  }
  return starts;
}
