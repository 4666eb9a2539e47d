/**
 * A running count for each of 1,000 keys, beside a loop over a `Map`.
 *
 * A flow's loop is generated, and so compiled, anew in every run. The loop by hand is timed both ways: as
 * it is after many rounds, and made anew in each round, as a program that runs once has it. With more
 * items the difference goes away.
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
