/**
 * The keys of a stateful step.
 *
 * @module
 */
import { preview } from "../core/preview.ts";
import { isPromiseLike } from "../core/promises.ts";
import { HeldLogic, KeyedLogic } from "../graph/keyed_logic.ts";
import type { StatefulNode } from "../graph/nodes.ts";

/** The keys of a stateful step with their logic. */
export interface KeyTable {
  readonly keys: Map<string, KeyedLogic>;
  /** Makes the logic of a key that has none. */
  add(key: string): KeyedLogic;
  /** Forgets a key whose `isDone` did not give `false`; throws unless that was `true`. */
  leave(logic: KeyedLogic, done: unknown): void;
}

/** Makes the table of a step, without keys. */
export function createKeyTable(node: StatefulNode): KeyTable {
  const keys = new Map<string, KeyedLogic>();
  return {
    keys,
    add(key: string): KeyedLogic {
      const built: unknown = node.build(undefined, key);
      if (typeof (built as KeyedLogic | null)?.onItem !== "function") {
        throw new TypeError(
          `build must return an object with onItem and snapshot; got ${preview(built)}`,
        );
      }
      const logic = built instanceof KeyedLogic ? built : new HeldLogic(built as KeyedLogic);
      logic.key = key;
      keys.set(key, logic);
      return logic;
    },
    leave(logic: KeyedLogic, done: unknown): void {
      if (done !== true) refuseDone(done);
      keys.delete(logic.key);
      if (logic.timer !== null) logic.timer.due = Infinity; // the heap drops it when its time comes
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
