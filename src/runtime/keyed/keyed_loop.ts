/**
 * The keys of one stateful step, and the loop that hands values to their logic. A step without
 * timers and ends may run in another way: `fused.ts` says when and why.
 *
 * @module
 */
import { preview } from "../../core/preview.ts";
import { chainChecks } from "../../graph/chain_checks.ts";
import type { KeyedLogic, KeyTimer } from "../../graph/keyed_logic.ts";
import type { StatefulNode, StepScope } from "../../graph/nodes.ts";
import { refusePromise } from "../../graph/results.ts";
import type { KeyIds } from "./key_ids.ts";
import { createKeyTable, type KeyChanges } from "./key_table.ts";
import { KeyTimers } from "./key_timers.ts";

/** How many keys are asked for their timers at once. */
const ASKED_AT_ONCE = 4096;

/**
 * The loop of one stateful step. Each method stops when it has `most` pairs to send on, or slightly
 * more.
 */
export interface KeyedLoop extends KeyChanges {
  /** The keys that the step has. */
  readonly keys: ReadonlyMap<string, KeyedLogic>;
  /** When the next key may be due, in milliseconds since the Unix epoch; infinity for never. */
  readonly nextDue: number;
  /** The item, or else the key, that is being worked on, for an error to show. */
  readonly current: { readonly item: unknown } | { readonly key: string } | null;
  /**
   * Hands items `from` up to `to` to the logic of their keys. Returns the index to continue at.
   * `isCombined`: whether they are partial results.
   */
  items(
    batch: readonly unknown[],
    from: number,
    to: number,
    most: number,
    isCombined?: boolean,
  ): number;
  /** When the next key may be due in quiet time. Valid once `becomeQuiet` returns `false`. */
  readonly nextQuiet: number;
  /** Notifies up to `most` keys that are due at `now`. Returns their number. */
  notify(now: number, most: number): number;
  /** Notifies up to `most` keys that are due after `quiet` ms of quiet. Returns their number. */
  notifyQuiet(quiet: number, most: number): number;
  /** When the next key may be due in the sources' time. Valid once `askSources` was called. */
  readonly nextSource: number;
  /** Notifies up to `most` keys that are due at a time of the sources. Returns their number. */
  notifySources(time: number, most: number): number;
  /** The least time that results can have. Valid once `askSources` was called. */
  readonly holdsFrom: number;
  /** Asks keys of a `quiet` step that have had values what they wait for in the sources' time. */
  askSources(): void;
  /** Asks some keys of a `quiet` step when they are due. Returns whether there were any. */
  becomeQuiet(): boolean;
  /**
   * Calls `onEnd` of up to `most` keys, or `onStop` at a stop. Returns whether those were the last.
   */
  end(most: number, stopped?: boolean): boolean;
  /** Makes a key from its state in a snapshot, with its timer. */
  restore(key: string, id: number, state: unknown): void;
  /** Returns the `[key, value]` pairs that were emitted since the last call. */
  take(): unknown[];
}

/**
 * Makes the loop of a step. `ids` number its keys; `null` if no snapshots are taken. The loop is
 * made of closures over local variables, not a class. `emit` is called for every item, and writes
 * to locals are measurably faster than writes to fields.
 */
export function createKeyedLoop(
  node: StatefulNode,
  ids: KeyIds | null,
  scope: StepScope,
): KeyedLoop {
  const { event } = scope;
  const table = createKeyTable(node, ids, scope);
  const { keys, add, markChanged, takeForgotten, takeChanged } = table;
  const timers = new KeyTimers<KeyTimer>();
  const quietTimers = new KeyTimers<KeyTimer>();
  const sourceTimers = new KeyTimers<KeyTimer>();
  const holdTimers = new KeyTimers<KeyTimer>();
  const marked: KeyedLogic[] = []; // to be asked for their timers
  let ending: Iterator<KeyedLogic> | null = null;
  // The logic at work belongs to the key of `working[index]`; if `index` is -1, to `key`. It is an
  // index because the garbage collector must note each pointer to a fresh object in a closure's
  // variable. Measured, that was a quarter of the whole loop.
  let working: readonly unknown[] = [];
  let index = -1;
  let isPartial = false; // whether `working` has partial results
  let key: string | null = null;
  let out: unknown[] = [];
  let emitted = 0;
  const emit = (value: unknown): void => {
    const owner = index < 0 ? key : (working[index] as [string, unknown])[0];
    out[emitted++] = [owner, value];
  };

  function markForTimer(logic: KeyedLogic): void {
    logic.markedForTimer = true;
    marked.push(logic);
  }

  function forget(logic: KeyedLogic, done: unknown): void {
    table.forget(logic, done);
    if (logic.timer !== null) timers.remove(logic.timer);
    if (logic.quietTimer !== null) quietTimers.remove(logic.quietTimer);
    if (logic.sourceTimers === null) return;
    sourceTimers.remove(logic.sourceTimers.close);
    if (logic.sourceTimers.hold !== null) holdTimers.remove(logic.sourceTimers.hold);
  }

  function timerOf(logic: KeyedLogic): KeyTimer {
    return { owner: logic, due: Infinity, queued: Infinity, index: -1 };
  }

  function askSource(logic: KeyedLogic): void {
    const due = logic.sourcesUntil();
    const from = event.isHolding ? logic.holdsFrom() : Infinity;
    if (logic.sourceTimers === null) {
      if (due === Infinity && from === Infinity) return;
      logic.sourceTimers = { close: timerOf(logic), hold: event.isHolding ? timerOf(logic) : null };
    }
    sourceTimers.schedule(logic.sourceTimers.close, due);
    // Its own watermark may have passed by quiet time, before anybody has asked it.
    if (due < event.nextClose) event.nextClose = due;
    if (logic.sourceTimers.hold !== null) holdTimers.schedule(logic.sourceTimers.hold, from);
  }

  function askTimer(logic: KeyedLogic): void {
    if (node.quiet) {
      askSource(logic);
      const due = logic.quietUntil();
      if (logic.quietTimer !== null) quietTimers.schedule(logic.quietTimer, due);
      else if (due < Infinity) quietTimers.schedule(logic.quietTimer = timerOf(logic), due);
    }
    const due: unknown = logic.notifyAt();
    if (due === null || due === undefined) {
      if (logic.timer !== null) timers.schedule(logic.timer, Infinity);
    } else if (due instanceof Date && !Number.isNaN(due.getTime())) {
      logic.timer ??= timerOf(logic);
      timers.schedule(logic.timer, due.getTime());
    } else {
      throw new TypeError(
        `notifyAt must return a valid Date or null; got ${preview(due)} for key ${
          preview(logic.key)
        }`,
      );
    }
  }

  /** Asks some of the marked keys when they are due. Returns whether there were any. */
  function askTimers(): boolean {
    if (marked.length === 0) return false;
    for (const logic of marked.splice(Math.max(0, marked.length - ASKED_AT_ONCE))) {
      logic.markedForTimer = false;
      if (keys.get(logic.key) === logic) askTimer(logic);
    }
    return true;
  }

  function notify(queue: KeyTimers<KeyTimer>, now: number, most: number): number {
    let notified = 0; // has a limit too: a key may want to be notified for ever
    while (emitted < most && notified < most) {
      const logic = queue.takeDue(now)?.owner;
      if (logic === undefined) break;
      notified++;
      key = logic.key;
      if (logic.dirty === false) markChanged(logic);
      const result: unknown = logic.onNotify(emit);
      if (result !== undefined) refusePromise("onNotify", result);
      const done: unknown = logic.isDone();
      if (done !== false) forget(logic, done);
      else askTimer(logic);
    }
    key = null;
    return notified;
  }

  return {
    keys,

    get nextDue(): number {
      return timers.next;
    },

    get nextQuiet(): number {
      return quietTimers.next;
    },

    get current(): KeyedLoop["current"] {
      // Nobody has sent a partial result, so nobody would know it.
      if (index >= 0 && isPartial) return { key: (working[index] as [string, unknown])[0] };
      if (index >= 0) return { item: working[index] };
      return key === null ? null : { key };
    },

    items(
      batch: readonly unknown[],
      from: number,
      to: number,
      most: number,
      isCombined = false,
    ): number {
      if (emitted === 0) out = new Array(to - from);
      working = batch;
      isPartial = isCombined;
      index = from;
      for (; index < to && emitted < most; index++) {
        const pair = batch[index];
        // Inline: with a call of isKeyed(), which other loops share, an item takes 3 % longer.
        if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== "string") {
          throw chainChecks.notKeyed("a stateful step", pair);
        }
        let logic = keys.get(pair[0]);
        if (logic === undefined) logic = add(pair[0]);
        else if (logic.dirty === false) markChanged(logic);
        const result: unknown = isCombined
          ? logic.onPartial(pair[1], emit)
          : logic.onItem(pair[1], emit);
        if (result !== undefined) refusePromise("onItem", result);
        const done: unknown = logic.isDone();
        if (done !== false) forget(logic, done);
        else if (logic.timed && !logic.markedForTimer) markForTimer(logic);
      }
      const next = index;
      index = -1;
      working = [];
      while (!node.quiet && marked.length > 0) askTimers();
      return next;
    },

    becomeQuiet: askTimers,

    get nextSource(): number {
      return sourceTimers.next;
    },

    get holdsFrom(): number {
      return holdTimers.settle();
    },

    askSources(): void {
      const asked = event.changed;
      if (asked.length === 0) return;
      event.changed = [];
      for (const logic of asked) {
        logic.markedForSources = false;
        if (keys.get(logic.key) === logic) askSource(logic);
      }
    },

    notifySources(time: number, most: number): number {
      return notify(sourceTimers, time, most);
    },

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
        if (!(stopped ? logic.handlesStop : logic.handlesEnd)) continue;
        ended++;
        key = logic.key;
        if (logic.dirty === false) markChanged(logic);
        const result: unknown = stopped ? logic.onStop(emit) : logic.onEnd(emit);
        if (result !== undefined) refusePromise(stopped ? "onStop" : "onEnd", result);
        const done: unknown = logic.isDone();
        if (done !== false) forget(logic, done);
      }
      return false;
    },

    restore(key: string, id: number, state: unknown): void {
      const logic = table.restore(key, id, state);
      if (!logic.timed) return;
      if (!node.quiet) askTimer(logic);
      else if (logic.isDone()) forget(logic, true); // it became due between two runs
      else markForTimer(logic);
    },

    takeForgotten,

    takeChanged,
    get changed() {
      return table.changed;
    },
    someChanged: table.someChanged,

    take(): unknown[] {
      const pairs = out;
      pairs.length = emitted;
      out = [];
      emitted = 0;
      return pairs;
    },
  };
}
