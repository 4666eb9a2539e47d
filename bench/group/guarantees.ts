/** What exactly once costs one machine, beside at least once in turns. */
import { folderOf } from "../../tests/support/cli.ts";
import { countedBy, ORDERS, orders, startInGroup, type Topics } from "../group_support.ts";
import { median, rateOf } from "../support.ts";

const COUNT = 2_000_000;
const ROUNDS = 3;
const GUARANTEES = ["at-least-once", "exactly-once"] as const;

/** Prints the ratio of their speeds with commits of a second, and of 100 ms. */
export async function measureGuarantees(topics: Topics): Promise<void> {
  const from = await topics.full(COUNT / ORDERS, orders);
  for (const interval of ["1s", "100ms"]) {
    console.log(
      `\none machine, running counts of ${COUNT} orders, commits of ${interval}, ` +
        `median of ${ROUNDS}, in turns`,
    );
    const speeds = GUARANTEES.map(() => [] as number[]);
    for (let round = 0; round < ROUNDS; round++) {
      for (const [n, guarantee] of GUARANTEES.entries()) {
        const options = [`--commit-interval=${interval}`, `--guarantee=${guarantee}`];
        speeds[n].push(await measure(topics, from, options));
      }
    }
    const [base] = speeds.map(median);
    for (const [n, guarantee] of GUARANTEES.entries()) {
      const ratio = (median(speeds[n]) / base).toFixed(2);
      const all = speeds[n].map(rateOf).join(", ");
      console.log(`  ${guarantee.padEnd(16)}ratio ${ratio}  (${all} orders/s)`);
    }
  }
}

/** Returns how many orders a machine counts in a second, from the first ones to the last. */
async function measure(topics: Topics, from: string, options: readonly string[]): Promise<number> {
  const to = await topics.make();
  const app = `app-${to}`;
  await using folder = await folderOf({});
  await using machine = startInGroup(
    { app, topics, kind: "count", from, to, options },
    folder.path,
  );
  await topics.untilWritten(to, COUNT);
  const counted = countedBy([machine]);
  const [first, last] = [counted[0], counted.at(-1)!];
  return (last.orders - first.orders) / (last.at - first.at) * 1_000;
}
