/**
 * Writes what an epoch has changed in the state of keys, within a transaction that is open.
 *
 * Three things make it more than four times as fast as one statement a row as it comes
 * (`bench/recovery_store.ts`): rows sorted by key group, so that they go into the table from one end to
 * the other; many rows a statement, as much of the time goes into calling SQLite; keys as text.
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { eventLoopTurn } from "../../core/event_loop.ts";
import { KEY_GROUPS, keyGroupOf } from "../../core/key_groups.ts";
import type { StepId } from "../../core/ids.ts";
import type { StateChange } from "../store.ts";
import { toStored } from "./stored_text.ts";

/** Rows of one statement: with more it is hardly faster. */
const ROWS = 128;

/** A state of more bytes is written by itself, so that no statement holds too many of them. */
const LARGE_STATE = 4096;

/** How many changes are sorted at once, and bytes of state: each time goes over the whole table. */
const CHUNK = 1 << 18;
const CHUNK_BYTES = 16 << 20;

/** How long the event loop waits. */
const TURN_MS = 8;

/** Lets the event loop have its turn when it has waited long enough. */
export class Turns {
  #since = performance.now();

  /** Whether it is time for one. */
  get due(): boolean {
    return performance.now() - this.#since > TURN_MS;
  }

  /** Lets the event loop have its turn. */
  async take(): Promise<void> {
    await eventLoopTurn();
    this.#since = performance.now();
  }
}

/** Writes changes of state. */
export class StateWriter {
  readonly #numberOf: (step: StepId) => number;
  readonly #putMany: StatementSync;
  readonly #putOne: StatementSync;
  readonly #delete: StatementSync;
  readonly #row: (number | string | Uint8Array)[] = [];

  constructor(db: DatabaseSync, numberOf: (step: StepId) => number) {
    this.#numberOf = numberOf;
    // REPLACE has nothing to delete elsewhere in a table without other indices, and is faster than
    // ON CONFLICT.
    const put = "REPLACE INTO state (step, key_group, key, state) VALUES (?, ?, ?, ?)";
    this.#putOne = db.prepare(put);
    this.#putMany = db.prepare(put + ", (?, ?, ?, ?)".repeat(ROWS - 1));
    this.#delete = db.prepare("DELETE FROM state WHERE step = ? AND key_group = ? AND key = ?");
  }

  /** Writes all; the event loop has its turn again and again meanwhile. */
  async write(changes: Iterable<StateChange>): Promise<void> {
    this.#row.length = 0;
    const turns = new Turns();
    let chunk: StateChange[] = [];
    let bytes = 0;
    for (const change of changes) {
      chunk.push(change);
      bytes += change.state?.length ?? 0;
      if (chunk.length === CHUNK || bytes > CHUNK_BYTES) {
        await this.#writeChunk(chunk, turns);
        chunk = [];
        bytes = 0;
      }
      // The clock costs more than most changes.
      if (chunk.length % 256 === 0 && turns.due) await turns.take();
    }
    await this.#writeChunk(chunk, turns);
  }

  async #writeChunk(chunk: readonly StateChange[], turns: Turns): Promise<void> {
    const groups = Uint16Array.from(chunk, ({ key }) => keyGroupOf(key));
    const order = orderOf(groups);
    for (let i = 0; i < order.length; i++) {
      const { step, key, state } = chunk[order[i]];
      this.#change(this.#numberOf(step), groups[order[i]], key, state);
      if (i % ROWS === 0 && turns.due) await turns.take();
    }
    const rest = this.#row;
    for (let at = 0; at < rest.length; at += 4) {
      this.#putOne.run(rest[at], rest[at + 1], rest[at + 2], rest[at + 3]);
    }
    rest.length = 0;
  }

  #change(step: number, group: number, key: string, state: Uint8Array | null): void {
    if (state === null) {
      this.#delete.run(step, group, toStored(key));
    } else if (state.length > LARGE_STATE) {
      this.#putOne.run(step, group, toStored(key), state);
    } else {
      this.#row.push(step, group, toStored(key), state);
      if (this.#row.length < 4 * ROWS) return;
      this.#putMany.run(...this.#row);
      this.#row.length = 0;
    }
  }
}

/** The indices in the order of their groups, by counting. */
function orderOf(groups: Uint16Array): Uint32Array {
  const starts = new Uint32Array(KEY_GROUPS + 1);
  for (const group of groups) starts[group + 1]++;
  for (let group = 0; group < KEY_GROUPS; group++) starts[group + 1] += starts[group];
  const order = new Uint32Array(groups.length);
  for (let i = 0; i < groups.length; i++) order[starts[groups[i]]++] = i;
  return order;
}
