/**
 * A running count by key, with how long the input was not asked for more: `all KEYS ITEMS` over all keys
 * in no order, `some KEYS SECONDS` over a thousand others of many keys in each epoch.
 */
import { Dataflow, type InputReader } from "millrace";
import { begin, timedOutput } from "./timed.ts";

const [mode, keyCount, amount] = [Deno.args[0], Number(Deno.args[1]), Number(Deno.args[2])];
const BATCH = 1_000;
const CHANGING = 1_000;

/** The longest times from one batch to the next, in milliseconds. */
const gaps = { any: 0, atBarrier: [] as number[] };
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

/** First each key once; once that has been committed, or at once where nothing is, what is measured. */
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
    // The epoch that was committed when all keys had come may have been closed before.
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
      return feed.next();
    },
    ready: () => new Promise((resolve) => setTimeout(resolve, 1)),
    positions: () => {
      barrier = last > 0 ? performance.now() : 0;
      return new Map();
    },
    committed: () => {
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
  }, () => ({ taken, first, gaps })));

export default flow;
