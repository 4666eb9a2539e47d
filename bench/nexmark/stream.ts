/**
 * Shared by the flows of all queries: where events come from, how late they may be, where results
 * go.
 */
import type { InputConfig, OutputConfig } from "millrace";
import { timedInput, timedOutput } from "../flows/timed.ts";
import { Digest } from "./digest.ts";
import { eventAt, shuffled } from "./generator.ts";
import type { Event } from "./model.ts";

/** The flow's arguments: the number of events, and `check` if results are to be compared. */
const [count, mode] = [Number(Deno.args[0]), Deno.args[1]];

/** This many events in a row belong to one worker. */
const CHUNK = 1_000;
/** This many events in a row come out of order. */
export const GROUP = 500;
/** How long windows wait for events, in milliseconds: that is how far they come out of order. */
export const WAIT = 50;

/** This many keys share what has no key of its own, or none that always has values. */
export const SHARDS = 16;

/** The events. Chunks go round: the first is worker 0's, the second is worker 1's, and so on. */
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
