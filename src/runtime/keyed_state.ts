/**
 * The keys of one stateful step, and the loop that hands values to their logic.
 *
 * @module
 */
import { preview } from "../core/preview.ts";
import { isPromiseLike } from "../core/promises.ts";
import { chainChecks } from "../graph/chain_checks.ts";
import type { StatefulLogic } from "../graph/contracts.ts";
import type { StatefulNode } from "../graph/nodes.ts";
import { PAUSE_AT } from "./chain.ts";
import { type Timed, Timers } from "./timers.ts";

type Logic = StatefulLogic<unknown, unknown, unknown>;

/** The state of one key. */
interface KeyEntry extends Timed {
  readonly key: string;
  readonly logic: Logic;
  /** Whether its timer must be asked after: values came, and it has `notifyAt`. */
  touched: boolean;
}

/** The keys of one stateful step. Each method works until it has enough to send on first. */
export interface KeyedState {
  /** When the next key may be due, in milliseconds since the Unix epoch; infinity for never. */
  readonly nextDue: number;
  /** The item that was being worked on, for an error to show. */
  readonly item: unknown;
  /** Hands items `from` up to `to` to their keys' logic, and gives the index to go on from. */
  items(batch: readonly unknown[], from: number, to: number): number;
  /** Notifies keys that are due at `now`. Says whether there were any. */
  notify(now: number): boolean;
  /** Gives keys their `onEnd`. Says whether that was all of them. */
  end(): boolean;
  /** What was emitted since it was last taken: `[key, value]` pairs. */
  take(): unknown[];
}

/**
 * Makes the state of a step, as closures over local variables and not as a class: `emit` is called
 * for every item, and writes to locals measurably faster than to fields.
 */
export function createKeyedState(node: StatefulNode): KeyedState {
  const keys = new Map<string, KeyEntry>();
  const timers = new Timers<KeyEntry>();
  const touched: KeyEntry[] = [];
  let ending: Iterator<KeyEntry> | null = null;
  let key = ""; // whose logic is at work
  let item: unknown; // what it was given
  let out: unknown[] = [];
  let emitted = 0;
  const emit = (value: unknown): void => {
    out[emitted++] = [key, value];
  };

  function add(key: string): KeyEntry {
    const logic = node.build(undefined, key) as Logic;
    if (typeof logic?.onItem !== "function") {
      throw new TypeError(
        `build must return an object with onItem and snapshot; got ${preview(logic)}`,
      );
    }
    const entry = { key, logic, touched: false, due: Infinity, queued: Infinity };
    keys.set(key, entry);
    return entry;
  }

  function forget(entry: KeyEntry): void {
    keys.delete(entry.key);
    entry.due = Infinity; // the heap drops it when its time comes
  }

  function askTimer(entry: KeyEntry): void {
    const at: unknown = entry.logic.notifyAt?.();
    if (at === null || at === undefined) timers.schedule(entry, Infinity);
    else if (at instanceof Date && !Number.isNaN(at.getTime())) {
      timers.schedule(entry, at.getTime());
    } else {
      throw new TypeError(
        `notifyAt must return a valid Date or null; got ${preview(at)} for key ${
          preview(entry.key)
        }`,
      );
    }
  }

  function askTimers(): void {
    for (const entry of touched) {
      entry.touched = false;
      if (keys.get(entry.key) === entry) askTimer(entry);
    }
    touched.length = 0;
  }

  return {
    get nextDue(): number {
      return timers.next;
    },

    get item(): unknown {
      return item;
    },

    items(batch: readonly unknown[], from: number, to: number): number {
      if (emitted === 0) out = new Array(to - from);
      let at = from;
      for (; at < to && emitted <= PAUSE_AT; at++) {
        const pair = item = batch[at];
        if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== "string") {
          throw chainChecks.notKeyed("a stateful step", pair);
        }
        key = pair[0];
        const entry = keys.get(key) ?? add(key);
        const { logic } = entry;
        const result: unknown = logic.onItem(pair[1], emit);
        if (result !== undefined) refusePromise(result);
        if (logic.isDone !== undefined && logic.isDone()) forget(entry);
        else if (logic.notifyAt !== undefined && !entry.touched) {
          entry.touched = true;
          touched.push(entry);
        }
      }
      item = undefined;
      if (touched.length > 0) askTimers();
      return at;
    },

    notify(now: number): boolean {
      let notified = false;
      while (emitted <= PAUSE_AT) {
        const entry = timers.takeDue(now);
        if (entry === undefined) break;
        notified = true;
        key = entry.key;
        const result: unknown = entry.logic.onNotify?.(emit);
        if (result !== undefined) refusePromise(result);
        if (entry.logic.isDone?.()) forget(entry);
        else askTimer(entry);
      }
      return notified;
    },

    end(): boolean {
      ending ??= keys.values();
      while (emitted <= PAUSE_AT) {
        const next = ending.next();
        if (next.done) {
          keys.clear();
          return true;
        }
        key = next.value.key;
        const result: unknown = next.value.logic.onEnd?.(emit);
        if (result !== undefined) refusePromise(result);
      }
      return false;
    },

    take(): unknown[] {
      const pairs = out;
      pairs.length = emitted;
      out = [];
      emitted = 0;
      return pairs;
    },
  };
}

/** Methods may return what they like (`onItem: (v) => list.push(v)`), but not a promise. */
function refusePromise(result: unknown): void {
  if (isPromiseLike(result)) {
    throw new TypeError(
      "a stateful step's method returned a promise, but stateful steps are synchronous: " +
        "await in a mapAsync before this step",
    );
  }
}
