/** How long a record takes through an exchange, with commits of 100 ms. */
import { folderOf } from "../../tests/support/cli.ts";
import { startInGroup, type Topics } from "../group_support.ts";
import { measureLatency, percentile } from "../latency_support.ts";

const SECONDS = 15;
const WARM_UP = 8;

/** Prints latencies of a group of one machine, at 1,000 records a second. */
export async function measureLatencies(topics: Topics): Promise<void> {
  console.log(
    "\nan exchange between two topics, commits of 100 ms, for readers of committed records",
  );
  for (const guarantee of ["at-least-once", "exactly-once"]) {
    await using folder = await folderOf({});
    const options = ["--commit-interval=100ms", `--guarantee=${guarantee}`];
    const sorted = await measureLatency(
      topics.brokers,
      { seconds: SECONDS, warmUp: WARM_UP },
      (from, to) =>
        startInGroup({ app: `app-${to}`, topics, kind: "pass", from, to, options }, folder.path),
    );
    const at = (share: number) => percentile(sorted, share);
    console.log(
      `  ${guarantee.padEnd(16)}median ${at(0.5)} ms, p99 ${at(0.99)} ms, most ${at(1)} ms`,
    );
  }
}
