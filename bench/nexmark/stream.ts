/**
 * Shared by the flows of all queries: where events come from, how late they may be, where results
 * go.
 */
import type { InputConfig, OutputConfig } from "millrace";
import { timedInput, timedOutput } from "../flows/timed.ts";
import { Lockstep } from "./lockstep.ts";
import { Digest } from "./digest.ts";
import { eventAt, shuffled } from "./generator.ts";
import type { Event } from "./model.ts";

/**
 * The flow's arguments: the number of events, `check` if results are to be compared, and a file
 * through which workers keep in lockstep.
 */
const [count, mode, places] = [Number(Deno.args[0]), Deno.args[1], Deno.args[2]];

/** This many events in a row belong to one worker. */
const CHUNK = 1_000;
/** This many events in a row come out of order. */
export const GROUP = 500;
/**
 * How many events a worker may be ahead of the last one, and after how many events it checks this.
 */
const AHEAD = 100_000;
const LOOK_EVERY = 10_000;

/**
 * How long windows wait for events, in milliseconds. Events come 50 ms out of order. A worker is up
 * to 11 s ahead in what it reads, and some more events are on their way between workers.
 */
export const WAIT = 30_000;
/**
 * The same for windows over the results of windows. At the input's end, a key releases all that it
 * holds at once. One key may hold as much as it waits for when another holds nothing.
 */
export const WAIT_FOR_WINDOWS = 2 * WAIT;

/** This many keys share what has no key of its own, or none that always has values. */
export const SHARDS = 16;

/**
 * The events. The chunks go round: the first is worker 0's, the second is worker 1's, and so on.
 *
 * @param timely Whether workers read side by side, for queries with windows.
 */
export function events({ timely = false } = {}): InputConfig<Event> {
  return timedInput((worker, workers) => {
    const lockstep = timely && workers > 1 ? new Lockstep(places, worker, workers) : null;
    let next = worker * CHUNK;
    let look = next; // where to check the positions of the others
    return () => {
      if (next >= count) {
        lockstep?.tell(Infinity);
        lockstep?.close();
        return null;
      }
      if (lockstep !== null && next >= look) {
        lockstep.tell(next);
        if (next > lockstep.last() + AHEAD) return [];
        look = next + LOOK_EVERY;
      }
      const batch: Event[] = new Array(Math.min(CHUNK, count - next));
      for (let i = 0; i < batch.length; i++) batch[i] = eventAt(shuffled(next + i, GROUP));
      next += workers * CHUNK;
      return batch;
    };
  });
}

/** Counts results. If they are to be compared, it makes a digest of them. Both are printed. */
export function results<T>(): OutputConfig<T> {
  const digest = new Digest();
  let taken = 0;
  return timedOutput((batch) => {
    taken += batch.length;
    if (mode === "check") { for (const result of batch) digest.add(result); }
  }, () => ({ taken, digest }));
}

/** Fails the flow: no event may come after its window has closed. */
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
