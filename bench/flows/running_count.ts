/**
 * A running count by key. It measures how long the input was not asked for more. `all KEYS ITEMS`
 * counts over all keys in random order. `some KEYS SECONDS` counts over another thousand of many
 * keys in each epoch.
 */
import { Dataflow, type InputReader } from "millrace";
import { begin, timedOutput } from "./timed.ts";

const [mode, keyCount, amount] = [Deno.args[0], Number(Deno.args[1]), Number(Deno.args[2])];
const BATCH = 1_000;
const CHANGING = 1_000;

/** The longest times from one batch to the next, in milliseconds. */
const gaps = { any: 0, atBarrier: [] as number[] };
/** Milliseconds, and items handed out in them. */
class Stretch {
  ms = 0;
  items = 0;
}

/** From the first committed epoch on: from an epoch's end until it was committed, and else. */
const written = new Stretch();
const between = new Stretch();
let stretch: Stretch | null = null; // the current stretch
let since = { at: 0, given: 0 }; // its beginning
let given = 0;

/** Ends a stretch, and begins another. */
function begins(next: Stretch): void {
  const now = performance.now();
  if (stretch !== null) {
    stretch.ms += now - since.at;
    stretch.items += given - since.given;
  }
  if (stretch !== null || next === between) stretch = next;
  since = { at: now, given };
}

let first = 0; // when the first item came out
let taken = 0;

/** What the input hands out next. */
interface Feed {
  next(): [string, number][] | null;
  committed?(): void;
}

function keyNames(): string[] {
  return Array.from({ length: keyCount }, (_, i) => `key-${String(i).padStart(7, "0")}`);
}

function all(): Feed {
  const keys = keyNames();
  let i = 0;
  let at = 0;
  return {
    next: () => {
      if (i >= amount) return null;
      const size = Math.min(BATCH, amount - i);
      const batch: [string, number][] = new Array(size);
      for (let j = 0; j < size; j++) {
        batch[j] = [keys[at], 1];
        at += 7919;
        if (at >= keyCount) at -= keyCount;
      }
      i += size;
      return batch;
    },
  };
}

/**
 * First each key once. What is measured begins when that has been committed, or at once without a
 * store.
 */
function some(): Feed {
  const keys = keyNames();
  let filled = 0;
  let epoch = 0;
  let since = 0;
  let wasFilled = false; // when an epoch was committed last
  let isCommitted = false;
  return {
    next: () => {
      if (filled < keyCount) {
        const batch = keys.slice(filled, filled += BATCH);
        return batch.map((key) => [key, 1]);
      }
      if (since === 0) {
        if (Deno.args[3] === "recovery" && !isCommitted) return [];
        since = performance.now();
        gaps.any = 0;
        gaps.atBarrier = [];
      }
      if (performance.now() - since > amount * 1_000) return null;
      const from = epoch * CHANGING % keyCount;
      return Array.from({ length: BATCH }, (_, j) => [keys[from + j % CHANGING], 1]);
    },
    // The epoch that was committed once all keys had come may have been closed before that.
    committed: () => {
      epoch++;
      isCommitted = wasFilled;
      wasFilled = filled >= keyCount;
    },
  };
}
function reader(): InputReader<[string, number]> {
  const feed = mode === "all" ? all() : some();
  let last = 0; // when the last batch was asked for
  let barrier = 0; // when an epoch was ended, if no batch has been asked for since
  return {
    next: () => {
      begin();
      const now = performance.now();
      if (last > 0) gaps.any = Math.max(gaps.any, now - last);
      if (barrier > 0) gaps.atBarrier.push(now - barrier);
      barrier = 0;
      last = now;
      const batch = feed.next();
      given += batch?.length ?? 0;
      return batch;
    },
    ready: () => new Promise((resolve) => setTimeout(resolve, 1)),
    positions: () => {
      barrier = last > 0 ? performance.now() : 0;
      begins(written);
      return new Map();
    },
    committed: () => {
      if (last > 0) begins(between);
      feed.committed?.();
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
}

const flow = new Dataflow("running-count")
  .input("in", { open: () => Promise.resolve(reader()) })
  .statefulMap("count", () => 0, (seen: number, more: number) => [seen + more, seen + more])
  .capture(timedOutput((batch) => {
    if (first === 0) first = Date.now();
    taken += batch.length;
  }, () => ({ taken, first, gaps, written, between })));

export default flow;
