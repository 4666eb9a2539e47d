/**
 * How many items one call of an output gets.
 *
 * What waits for a call waits as long as it takes, so a call should take a tenth of a second at
 * most. But some calls take their time whatever they are given (a request, a transaction), and are
 * of use only with many items. Which it is shows a call with a single item beside one with many.
 *
 * @module
 */
import { QUEUE_MS } from "./queue_bound.ts";

const LARGEST = 8192;

/**
 * Calls last up to this many times what a call takes for itself: then 8/9 of the time go into
 * items.
 */
const FIXED_TIMES = 8;

/** After this many calls, what a call with one item takes is measured again. */
const KNOWN_FOR = 32;

/** After this many calls with one item, which take long, two are tried. */
const TRY_TWO_AFTER = 8;

/** Finds how many items a call is to get: a power of two. */
export class CallSize {
  #size = 1;
  #callMs: number | null = null; // of a call of this size, smoothed
  #singleMs: number | null = null; // of a call with one item, smoothed
  #calls = 0; // since that was measured
  #measuresSingle = false;
  #isGrowing = true;

  /** The most items for the next call. */
  get items(): number {
    return this.#measuresSingle ? 1 : this.#size;
  }

  /** The items that should wait meanwhile: as many as the call after the next may get. */
  get ahead(): number {
    return this.#isGrowing ? Math.min(this.#size * 2, LARGEST) : this.#size;
  }

  /** A call with a number of items took `ms`. */
  took(items: number, ms: number): void {
    if (items === 1) this.#noteSingle(ms);
    if (this.#measuresSingle) this.#measuresSingle = false;
    else if (items > this.#size / 2) this.#noteCall(ms); // one with fewer says nothing of the size
  }

  #noteSingle(ms: number): void {
    const before = this.#singleMs;
    // Rather too little: what is taken for the cost of a call makes calls longer.
    this.#singleMs = before !== null && ms < before ? (before + 3 * ms) / 4 : smoothed(before, ms);
    if (this.#size > 1) this.#calls = 0;
  }

  #noteCall(ms: number): void {
    const size = this.#size;
    this.#calls++;
    this.#isGrowing = false;
    const callMs = this.#callMs = smoothed(this.#callMs, ms);
    if (callMs <= QUEUE_MS / 2) this.#set(size * 2);
    else if (callMs <= QUEUE_MS) return;
    else if (size === 1) {
      if (this.#calls === 1 || this.#calls >= TRY_TWO_AFTER) this.#set(2);
    } else if (this.#singleMs === null || this.#calls >= KNOWN_FOR) this.#measuresSingle = true;
    else {
      const best = bestSize(this.#singleMs, callMs, size);
      if (best < size) this.#set(best);
      else if (best >= size * 2) this.#set(size * 2);
    }
  }

  #set(size: number): void {
    if (size === 1) this.#calls = 1;
    this.#isGrowing = size > this.#size;
    this.#size = Math.min(size, LARGEST);
    this.#callMs = null;
  }
}

/** A power of two, out of what a call with one item takes, and one with `size`. */
function bestSize(singleMs: number, callMs: number, size: number): number {
  const itemMs = Math.max(0, callMs - singleMs) / (size - 1);
  const fixedMs = Math.max(0, singleMs - itemMs);
  const best = Math.max(QUEUE_MS, FIXED_TIMES * fixedMs) / itemMs;
  return 2 ** Math.floor(Math.log2(Math.min(LARGEST, Math.max(1, best))));
}

function smoothed(before: number | null, now: number): number {
  return before === null ? now : (before + now) / 2;
}
