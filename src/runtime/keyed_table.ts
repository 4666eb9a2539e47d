/**
 * The keys of a stateful step.
 *
 * @module
 */
import { preview } from "../core/preview.ts";
import { isPromiseLike } from "../core/promises.ts";
import { HeldLogic, KeyedLogic } from "../graph/keyed_logic.ts";
import type { StatefulNode, StepScope } from "../graph/nodes.ts";

/**
 * Takes a key that has changed, with its logic, or `null` where it has been forgotten. A function, as
 * iterating took a fifth longer, with a million keys.
 */
export type TakeChange = (key: string, logic: KeyedLogic | null) => void;

/** The keys of a stateful step with their logic. */
export interface KeyTable {
  readonly keys: Map<string, KeyedLogic>;
  /** Makes the logic of a key that has none. */
  add(key: string): KeyedLogic;
  /** Makes the logic of a key out of what a snapshot has of it. */
  restore(key: string, state: unknown): KeyedLogic;
  /** Notes that a key is not what the last snapshot has of it. Where `dirty` says so, it is noted. */
  touch(logic: KeyedLogic): void;
  /** Forgets a key whose `isDone` did not give `false`; throws unless that was `true`. */
  leave(logic: KeyedLogic, done: unknown): void;
  /** Gives the keys that have changed since this was last called. */
  takeChanges(each: TakeChange): void;
}

/** Makes the table of a step, without keys. `tracked`: whether anybody will ask what has changed. */
export function createKeyTable(node: StatefulNode, tracked: boolean, scope: StepScope): KeyTable {
  const make = node.begin(scope);
  const keys = new Map<string, KeyedLogic>();
  let touched: KeyedLogic[] = [];
  let forgotten = new Set<string>();

  function build(key: string, state: unknown): KeyedLogic {
    const built: unknown = make(state, key);
    if (typeof (built as KeyedLogic | null)?.onItem !== "function") {
      throw new TypeError(
        `build must return an object with onItem and snapshot; got ${preview(built)}`,
      );
    }
    const logic = built instanceof KeyedLogic ? built : new HeldLogic(built as KeyedLogic);
    logic.key = key;
    keys.set(key, logic);
    return logic;
  }

  function touch(logic: KeyedLogic): void {
    logic.dirty = true;
    touched.push(logic);
  }

  return {
    keys,
    touch,
    add(key: string): KeyedLogic {
      const logic = build(key, undefined);
      if (tracked) touch(logic);
      return logic;
    },
    restore(key: string, state: unknown): KeyedLogic {
      const logic = build(key, state);
      logic.dirty = !tracked;
      return logic;
    },
    leave(logic: KeyedLogic, done: unknown): void {
      if (done !== true) refuseDone(done);
      keys.delete(logic.key);
      if (tracked) forgotten.add(logic.key);
    },
    takeChanges(each: TakeChange): void {
      const changed = touched;
      const gone = forgotten;
      touched = [];
      forgotten = new Set();
      for (const logic of changed) {
        // Forgotten since? To look up each key would take longer than to encode its state.
        if (gone.size > 0 && gone.has(logic.key) && keys.get(logic.key) !== logic) continue;
        logic.dirty = false;
        each(logic.key, logic);
      }
      for (const key of gone) if (!keys.has(key)) each(key, null); // else it has come again
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
