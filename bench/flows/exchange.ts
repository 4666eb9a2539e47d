/** Items that change workers, and nothing else: pairs, or objects with five fields. */
import { Dataflow } from "millrace";
import { timedInput, timedOutput } from "./timed.ts";

const [shape, count] = [Deno.args[0], Number(Deno.args[1])];
const BATCH = 1_000;
const KEYS = Array.from({ length: 1_000 }, (_, i) => `key-${String(i).padStart(6, "0")}`);

function make(i: number): unknown {
  const key = KEYS[i % KEYS.length];
  if (shape === "pairs") return [key, i];
  return [key, { id: i, user: key, amount: i / 4, paid: i % 2 === 0, note: "standard" }];
}

let taken = 0;
const flow = new Dataflow("exchange")
  .input(
    "in",
    timedInput((worker, workers) => {
      let next = worker * Math.ceil(count / workers);
      const end = Math.min(count, next + Math.ceil(count / workers));
      return () => {
        if (next >= end) return null;
        const from = next;
        next = Math.min(end, from + BATCH);
        return Array.from({ length: next - from }, (_, i) => make(from + i));
      };
    }),
  )
  .redistribute()
  .capture(timedOutput((batch) => void (taken += batch.length), () => ({ taken })));

export default flow;
