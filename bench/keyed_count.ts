/**
 * A running count for each of 1,000 keys, compared with a loop over a `Map`.
 *
 * A flow's loop is generated, and so compiled, again in every run. So the loop by hand is timed in
 * two ways. One is as it is after many rounds. The other is generated in each round, as in a
 * program that runs once. With more items, the difference disappears.
 */
import { Dataflow, type Keyed, run, TestingInputConfig } from "millrace";
import { batchOutput, compare } from "./support.ts";

const HAND = `
  const counts = new Map();
  let sum = 0;
  for (const i of integers) {
    const key = String(i % 1000);
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    sum += count;
  }
  return sum;`;

let made = 0;

/** The loop by hand, as new code. */
function makeHand(): (integers: readonly number[]) => number {
  const source = `${HAND} // ${made++}`; // V8 keeps the code of equal sources
  return new Function("integers", source) as (integers: readonly number[]) => number;
}

const warm = makeHand();

for (const length of [1_000_000, 8_000_000]) {
  const integers = Array.from({ length }, (_, i) => i);
  await compare("keyed running count, 1,000 keys", { what: "items", count: length }, [
    { name: "hand-written loop", run: () => warm(integers) },
    { name: "hand-written loop, compiled anew", run: () => makeHand()(integers) },
    {
      name: "millrace, compiled anew",
      run: async () => {
        let sum = 0;
        const flow = new Dataflow("count")
          .input("in", new TestingInputConfig(integers))
          .map((i) => [String(i % 1000), 1])
          .statefulMap("count", () => 0, (count, more) => [count + more, count + more])
          .capture(batchOutput((batch: readonly Keyed<number>[]) => {
            for (let i = 0; i < batch.length; i++) sum += batch[i][1];
          }));
        await run(flow);
        return sum;
      },
    },
  ]);
}
