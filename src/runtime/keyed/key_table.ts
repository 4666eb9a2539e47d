/**
 * The keys of a stateful step.
 *
 * @module
 */
import { type KeyedLogic, makeLogic, UserStep } from "../../graph/keyed_logic.ts";
import type { StatefulNode, StepScope } from "../../graph/nodes.ts";
import { badResult } from "../../graph/results.ts";
import type { KeyIds } from "./key_ids.ts";

/** What happened to the keys of a step since this was last taken. Take it in this order. */
export interface KeyChanges {
  /** The keys that there are now. */
  readonly keys: { readonly size: number };
  /** How many keys have changed; some may be forgotten by now. */
  readonly changed: number;
  /** Returns a key that has changed, if it is still there. */
  someChanged(): KeyedLogic | null;
  /** Returns the forgotten keys that a snapshot has. */
  takeForgotten(): readonly ForgottenKey[];
  /** Calls `each` with the keys that have changed: iterating would take a fifth longer. */
  takeChanged(each: (logic: KeyedLogic) => void): void;
}

/** A key that has been forgotten. Its number may belong to another key by now. */
export interface ForgottenKey {
  readonly id: number;
  readonly key: string;
}

/** The keys of a stateful step with their logic. */
export interface KeyTable extends KeyChanges {
  readonly keys: Map<string, KeyedLogic>;
  /** Makes the logic of a new key. */
  add(key: string): KeyedLogic;
  /** Makes the logic of a key from its state in a snapshot. */
  restore(key: string, id: number, state: unknown): KeyedLogic;
  /**
   * Marks a key as changed since the last snapshot. Callers test `dirty` first: while it is true,
   * the key is marked already.
   */
  markChanged(logic: KeyedLogic): void;
  /**
   * Forgets a key that is done. `done` is what its `isDone` returned, unless that was `false`.
   *
   * @throws {TypeError} If `done` is not `true`.
   */
  forget(logic: KeyedLogic, done: unknown): void;
}

/** Makes the table of a step, without keys. `ids` number them; `null` if no snapshots are taken. */
export function createKeyTable(
  node: StatefulNode,
  ids: KeyIds | null,
  scope: StepScope,
): KeyTable {
  const build = node.begin(scope);
  const userStep = new UserStep();
  const keys = new Map<string, KeyedLogic>();
  // Kept from epoch to epoch: growing an array to a million takes longer than filling it.
  let changed: (KeyedLogic | null)[] = [];
  let count = 0;
  let forgotten: ForgottenKey[] = [];

  function make(key: string, state: unknown, resumed: boolean): KeyedLogic {
    const logic: KeyedLogic = makeLogic(build(state, key, resumed), key, userStep);
    keys.set(key, logic);
    return logic;
  }

  function markChanged(logic: KeyedLogic): void {
    logic.dirty = true;
    if (count === changed.length) changed.push(logic);
    else changed[count] = logic;
    count++;
  }

  return {
    keys,
    get changed() {
      return count;
    },
    someChanged(): KeyedLogic | null {
      const logic = changed[count >> 1] ?? null;
      return logic === null || logic.id < 0 ? null : logic;
    },
    markChanged,
    add(key: string): KeyedLogic {
      const logic = make(key, undefined, false);
      if (ids !== null) {
        logic.id = ids.take();
        markChanged(logic);
      }
      return logic;
    },
    restore(key: string, id: number, state: unknown): KeyedLogic {
      const logic = make(key, state, true);
      logic.id = id;
      logic.isStored = true;
      logic.dirty = false;
      return logic;
    },
    forget(logic: KeyedLogic, done: unknown): void {
      if (done !== true) badResult("isDone", "true or false", done);
      keys.delete(logic.key);
      if (ids === null) return;
      if (logic.isStored) forgotten.push({ id: logic.id, key: logic.key });
      ids.release(logic.id);
      logic.id = -1;
    },
    takeForgotten(): readonly ForgottenKey[] {
      const taken = forgotten;
      forgotten = [];
      return taken;
    },
    takeChanged(each: (logic: KeyedLogic) => void): void {
      for (let i = 0; i < count; i++) {
        const logic = changed[i]!;
        changed[i] = null;
        if (logic.id < 0) continue; // forgotten since
        logic.dirty = false;
        each(logic);
        logic.isStored = true;
      }
      if (count * 4 < changed.length) changed = new Array(count).fill(null);
      count = 0;
    },
  };
}
