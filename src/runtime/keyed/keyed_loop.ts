/**
 * The keys of one stateful step, and the loop that hands values to their logic.
 *
 * @module
 */
import { preview } from "../../core/preview.ts";
import { chainChecks } from "../../graph/chain_checks.ts";
import type { KeyedLogic, KeyTimer } from "../../graph/keyed_logic.ts";
import type { StatefulNode, StepScope } from "../../graph/nodes.ts";
import type { KeyIds } from "./key_ids.ts";
import { createKeyTable, type KeyChanges, refusePromise } from "./key_table.ts";
import { Timers } from "./key_timers.ts";

/** How many keys are asked for their timers at once. */
const ASKED_AT_ONCE = 4096;

/** The keys of one stateful step. Each method works until it has `most` pairs to send on, or a few more. */
export interface KeyedState extends KeyChanges {
  /** When the next key may be due, in milliseconds since the Unix epoch; infinity for never. */
  readonly nextDue: number;
  /** The item, or else the key, that was being worked on, for an error to show. */
  readonly at: { readonly item: unknown } | { readonly key: string } | null;
  /** Hands items `from` up to `to` to their keys' logic, and gives the index to go on from. */
  items(batch: readonly unknown[], from: number, to: number, most: number): number;
  /** The same of the time that counts while the step is quiet, once `becomeQuiet` has nothing to do. */
  readonly nextQuiet: number;
  /** Notifies up to `most` keys that are due at `now`. Says how many there were. */
  notify(now: number, most: number): number;
  /** Notifies up to `most` keys that are due when it has been quiet for so long. Says how many. */
  notifyQuiet(quiet: number, most: number): number;
  /** Asks some keys of a `quiet` step when they are due. Says whether there were any to ask. */
  becomeQuiet(): boolean;
  /**
   * Gives up to `most` keys their `onEnd`, or at a stop their `onStop`. Returns whether those were the
   * last.
   */
  end(most: number, stopped?: boolean): boolean;
  /** Makes a key out of what a snapshot has of it, with its timer. */
  restore(key: string, id: number, state: unknown): void;
  /** What was emitted since it was last taken: `[key, value]` pairs. */
  take(): unknown[];
}

/**
 * Makes the state of a step (`ids` number its keys, where snapshots are taken), as closures over local variables and not as a class: `emit` is called
 * for every item, and writes to locals measurably faster than to fields.
 */
export function createKeyedState(
  node: StatefulNode,
  ids: KeyIds | null,
  scope: StepScope,
): KeyedState {
  const table = createKeyTable(node, ids, scope);
  const { keys, add, touch: change, leave: forget, takeForgotten, takeChanged } = table;
  const timers = new Timers<KeyTimer>();
  const quietTimers = new Timers<KeyTimer>();
  const touched: KeyedLogic[] = [];
  let ending: Iterator<KeyedLogic> | null = null;
  // Whose logic is at work: the key of item `at` of `current`, or, where `at` is -1, `key`. An index,
  // because storing a pointer to a fresh object into a closure's variable has the garbage collector
  // take note of it, for every item (measured: a quarter of the whole loop).
  let current: readonly unknown[] = [];
  let at = -1;
  let key: string | null = null;
  let out: unknown[] = [];
  let emitted = 0;
  const emit = (value: unknown): void => {
    const owner = at < 0 ? key : (current[at] as [string, unknown])[0];
    out[emitted++] = [owner, value];
  };

  function touch(logic: KeyedLogic): void {
    logic.touched = true;
    touched.push(logic);
  }

  function leave(logic: KeyedLogic, done: unknown): void {
    forget(logic, done);
    if (logic.timer !== null) timers.remove(logic.timer);
    if (logic.quietTimer !== null) quietTimers.remove(logic.quietTimer);
  }

  function timerOf(logic: KeyedLogic): KeyTimer {
    return { owner: logic, due: Infinity, queued: Infinity, index: -1 };
  }

  function askTimer(logic: KeyedLogic): void {
    if (node.quiet) {
      const at = logic.quietUntil();
      if (logic.quietTimer !== null) quietTimers.schedule(logic.quietTimer, at);
      else if (at < Infinity) quietTimers.schedule(logic.quietTimer = timerOf(logic), at);
    }
    const at: unknown = logic.notifyAt();
    if (at === null || at === undefined) {
      if (logic.timer !== null) timers.schedule(logic.timer, Infinity);
    } else if (at instanceof Date && !Number.isNaN(at.getTime())) {
      logic.timer ??= timerOf(logic);
      timers.schedule(logic.timer, at.getTime());
    } else {
      throw new TypeError(
        `notifyAt must return a valid Date or null; got ${preview(at)} for key ${
          preview(logic.key)
        }`,
      );
    }
  }

  /** Asks those whose values came when they want to be notified. Says whether that was any. */
  function askTimers(): boolean {
    if (touched.length === 0) return false;
    for (const logic of touched.splice(Math.max(0, touched.length - ASKED_AT_ONCE))) {
      logic.touched = false;
      if (keys.get(logic.key) === logic) askTimer(logic);
    }
    return true;
  }

  function notify(queue: Timers<KeyTimer>, now: number, most: number): number {
    let notified = 0; // bounded too: a key may want to be notified for ever
    while (emitted < most && notified < most) {
      const logic = queue.takeDue(now)?.owner;
      if (logic === undefined) break;
      notified++;
      key = logic.key;
      if (logic.dirty === false) change(logic);
      const result: unknown = logic.onNotify(emit);
      if (result !== undefined) refusePromise(result);
      const done: unknown = logic.isDone();
      if (done !== false) leave(logic, done);
      else askTimer(logic);
    }
    key = null;
    return notified;
  }

  return {
    get nextDue(): number {
      return timers.next;
    },

    get nextQuiet(): number {
      return quietTimers.next;
    },

    get at(): KeyedState["at"] {
      if (at >= 0) return { item: current[at] };
      return key === null ? null : { key };
    },

    items(batch: readonly unknown[], from: number, to: number, most: number): number {
      if (emitted === 0) out = new Array(to - from);
      current = batch;
      at = from;
      for (; at < to && emitted < most; at++) {
        const pair = batch[at];
        if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== "string") {
          throw chainChecks.notKeyed("a stateful step", pair);
        }
        let logic = keys.get(pair[0]);
        if (logic === undefined) logic = add(pair[0]);
        else if (logic.dirty === false) change(logic);
        const result: unknown = logic.onItem(pair[1], emit);
        if (result !== undefined) refusePromise(result);
        const done: unknown = logic.isDone();
        if (done !== false) leave(logic, done);
        else if (logic.timed && !logic.touched) touch(logic);
      }
      const next = at;
      at = -1;
      current = [];
      while (!node.quiet && touched.length > 0) askTimers();
      return next;
    },

    becomeQuiet: askTimers,

    notify(now: number, most: number): number {
      return notify(timers, now, most);
    },

    notifyQuiet(quiet: number, most: number): number {
      return notify(quietTimers, quiet, most);
    },

    end(most: number, stopped = false): boolean {
      ending ??= keys.values();
      let ended = 0;
      while (emitted < most && ended < most) {
        const next = ending.next();
        if (next.done) return true;
        const logic = next.value;
        if (!(stopped ? logic.mindsStop : logic.mindsEnd)) continue;
        ended++;
        key = logic.key;
        if (logic.dirty === false) change(logic);
        const result: unknown = stopped ? logic.onStop(emit) : logic.onEnd(emit);
        if (result !== undefined) refusePromise(result);
        const done: unknown = logic.isDone();
        if (done !== false) leave(logic, done);
      }
      return false;
    },

    restore(key: string, id: number, state: unknown): void {
      const logic = table.restore(key, id, state);
      if (!logic.timed) return;
      if (!node.quiet) askTimer(logic);
      else if (logic.isDone()) leave(logic, true); // its time came between two runs
      else touch(logic);
    },

    takeForgotten,

    takeChanged,

    take(): unknown[] {
      const pairs = out;
      pairs.length = emitted;
      out = [];
      emitted = 0;
      return pairs;
    },
  };
}
