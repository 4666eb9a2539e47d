/** A running count for each of 1,000 keys, beside a loop over a `Map`. */
import { Dataflow, type Keyed, run, TestingInputConfig } from "millrace";
import { batchOutput, compare } from "./support.ts";

const integers = Array.from({ length: 1_000_000 }, (_, i) => i);

await compare("keyed running count, 1,000 keys", { what: "items", count: integers.length }, [
  {
    name: "hand-written loop",
    run: () => {
      const counts = new Map<string, number>();
      let sum = 0;
      for (const i of integers) {
        const key = String(i % 1000);
        const count = (counts.get(key) ?? 0) + 1;
        counts.set(key, count);
        sum += count;
      }
      return sum;
    },
  },
  {
    name: "millrace",
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
