/** The code that `reload.ts` saves again and again: a count for each of many keys. */
import { Dataflow, PartitionedInputConfig, StdOutputConfig } from "millrace";

/** What replaces this text is new code. */
const MARK = "v0";

/** Numbers, quickly as often as there are keys, and then one every few milliseconds. */
export default function reloaded([count]: readonly string[]): Dataflow<unknown> {
  const keys = Number(count);
  const input = new PartitionedInputConfig<number, number>({
    partitions: () => ["all"],
    build: async function* (_partition, resume) {
      for (let n = (resume ?? -1) + 1;; n++) {
        if (n >= keys) await new Promise((resolve) => setTimeout(resolve, 5));
        yield [n, n];
      }
    },
  });
  return new Dataflow("reloaded").input("in", input)
    .keyOn((n) => `key ${n % keys}`)
    .statefulMap("count", () => 0, (seen: number, n) => [seen + 1, { n, count: seen + 1 }])
    .filter(([_key, { n }]) => n >= keys)
    .map(([_key, { n, count }]) => `${MARK} ${n} ${count}`)
    .capture("out", new StdOutputConfig());
}
