/**
 * The keys of a stateful step.
 *
 * @module
 */
import { preview } from "../../core/preview.ts";
import { isPromiseLike } from "../../core/promises.ts";
import type { KeyIds } from "./key_ids.ts";
import { HeldLogic, HeldStep, KeyedLogic } from "../../graph/keyed_logic.ts";
import type { StatefulNode, StepScope } from "../../graph/nodes.ts";

/** What has become of the keys of a step since this was last asked: to be taken in this order. */
export interface KeyChanges {
  /** Gives the keys that a snapshot has and that have been forgotten. */
  takeForgotten(): readonly ForgottenKey[];
  /** Gives the keys that have changed. With a function, as iterating took a fifth longer. */
  takeChanged(each: (logic: KeyedLogic) => void): void;
}

/** A key that has been forgotten, whose number may be another's already. */
export interface ForgottenKey {
  readonly id: number;
  readonly key: string;
}

/** The keys of a stateful step with their logic. */
export interface KeyTable extends KeyChanges {
  readonly keys: Map<string, KeyedLogic>;
  /** Makes the logic of a key that has none. */
  add(key: string): KeyedLogic;
  /** Makes the logic of a key out of what a snapshot has of it. */
  restore(key: string, id: number, state: unknown): KeyedLogic;
  /** Notes that a key is not what the last snapshot has of it. Where `dirty` says so, it is noted. */
  touch(logic: KeyedLogic): void;
  /** Forgets a key whose `isDone` did not give `false`; throws unless that was `true`. */
  leave(logic: KeyedLogic, done: unknown): void;
}

/** Makes the table of a step, without keys. `ids` number them; `null` where no snapshots are taken. */
export function createKeyTable(
  node: StatefulNode,
  ids: KeyIds | null,
  scope: StepScope,
): KeyTable {
  const make = node.begin(scope);
  const held = new HeldStep();
  const keys = new Map<string, KeyedLogic>();
  // Filled anew in each epoch: to let an array of a million grow takes longer than to fill it.
  let touched: (KeyedLogic | null)[] = [];
  let count = 0;
  let forgotten: ForgottenKey[] = [];

  function build(key: string, state: unknown, resumed: boolean): KeyedLogic {
    const built: unknown = make(state, key, resumed);
    if (typeof (built as KeyedLogic | null)?.onItem !== "function") {
      throw new TypeError(
        `build must return an object with onItem and snapshot; got ${preview(built)}`,
      );
    }
    const logic = built instanceof KeyedLogic ? built : new HeldLogic(built as KeyedLogic, held);
    logic.key = key;
    keys.set(key, logic);
    return logic;
  }

  function touch(logic: KeyedLogic): void {
    logic.dirty = true;
    if (count === touched.length) touched.push(logic);
    else touched[count] = logic;
    count++;
  }

  return {
    keys,
    touch,
    add(key: string): KeyedLogic {
      const logic = build(key, undefined, false);
      if (ids !== null) {
        logic.id = ids.take();
        touch(logic);
      }
      return logic;
    },
    restore(key: string, id: number, state: unknown): KeyedLogic {
      const logic = build(key, state, true);
      logic.id = id;
      logic.isStored = true;
      logic.dirty = false;
      return logic;
    },
    leave(logic: KeyedLogic, done: unknown): void {
      if (done !== true) refuseDone(done);
      keys.delete(logic.key);
      if (ids === null) return;
      if (logic.isStored) forgotten.push({ id: logic.id, key: logic.key });
      ids.release(logic.id);
      logic.id = -1;
    },
    takeForgotten(): readonly ForgottenKey[] {
      const gone = forgotten;
      forgotten = [];
      return gone;
    },
    takeChanged(each: (logic: KeyedLogic) => void): void {
      for (let i = 0; i < count; i++) {
        const logic = touched[i]!;
        touched[i] = null;
        if (logic.id < 0) continue; // forgotten since
        logic.dirty = false;
        each(logic);
        logic.isStored = true;
      }
      if (count * 4 < touched.length) touched = new Array(count).fill(null);
      count = 0;
    },
  };
}

function refuseDone(done: unknown): never {
  refusePromise(done);
  throw new TypeError(`isDone must return true or false; got ${preview(done)}`);
}

/** Methods may return what they like (`onItem: (v) => list.push(v)`), but not a promise. */
export function refusePromise(result: unknown): void {
  if (isPromiseLike(result)) {
    throw new TypeError(
      "a stateful step's method returned a promise, but stateful steps are synchronous: " +
        "await in a mapAsync before this step",
    );
  }
}
