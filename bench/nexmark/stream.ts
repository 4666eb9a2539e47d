/** What the flows of all queries share: where events come from, how late they may be, where results go. */
import type { InputConfig, OutputConfig } from "millrace";
import { timedInput, timedOutput } from "../flows/timed.ts";
import { Digest } from "./digest.ts";
import { eventAt, EVENTS_PER_MS, shuffled } from "./generator.ts";
import type { Event } from "./model.ts";

/** What a flow is told as its arguments: how many events, and `check` where results are to be compared. */
const [count, mode] = [Number(Deno.args[0]), Deno.args[1]];

/** So many events in a row are one worker's. */
const CHUNK = 1_000;
/** So many events in a row come out of order. */
export const GROUP = 500;

/**
 * How long windows wait for events, in milliseconds. Events come 50 ms out of order, but nothing keeps
 * workers side by side: one that has less to do with its keys reads ahead, with two workers by up to a tenth
 * of all events in 1 M to 16 M, with four by up to a seventh.
 */
export const WAIT = Math.max(10_000, Math.ceil(0.3 * count / EVENTS_PER_MS));
/**
 * The same for windows of what came out of windows. What a key holds at the input's end it lets go at once,
 * and one key may hold twice as much as another.
 */
export const WAIT_FOR_WINDOWS = 2 * WAIT + 10_000;

/** So many keys share what has no key of its own, or none that always has values. */
export const SHARDS = 16;

/** The events. The chunks go round: the first is worker 0's, the second is worker 1's, and so on. */
export function events(): InputConfig<Event> {
  return timedInput((worker, workers) => {
    let next = worker * CHUNK;
    return () => {
      if (next >= count) return null;
      const batch: Event[] = new Array(Math.min(CHUNK, count - next));
      for (let i = 0; i < batch.length; i++) batch[i] = eventAt(shuffled(next + i, GROUP));
      next += workers * CHUNK;
      return batch;
    };
  });
}

/** Counts results, and where they are to be compared has a digest of them; both are printed. */
export function results<T>(): OutputConfig<T> {
  const digest = new Digest();
  let taken = 0;
  return timedOutput((batch) => {
    taken += batch.length;
    if (mode === "check") { for (const result of batch) digest.add(result); }
  }, () => ({ taken, digest }));
}

/** Fails the flow: no event is to come after its window has closed. */
export function noneLate<T>(): OutputConfig<T> {
  return {
    open: () =>
      Promise.resolve({
        write: (batch: readonly T[]) => {
          throw new Error(`an event came too late: ${JSON.stringify(batch[0])}`);
        },
        prepare: () => Promise.resolve(new Map()),
        close: () => Promise.resolve(),
      }),
  };
}
