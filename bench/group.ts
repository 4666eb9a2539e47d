/**
 * What it costs to run a flow on several machines, and what happens when they come and go. A
 * machine is the command line on this one, with one worker.
 *
 * `... group.ts [PART...]`; all parts by default.
 */
import { kafkaBrokers } from "../tests/support/kafka/kafka.ts";
import { measureChanges } from "./group/changes.ts";
import { measureExchange, measureWordcount } from "./group/cpu.ts";
import { measureGuarantees } from "./group/guarantees.ts";
import { measureLatencies } from "./group/latencies.ts";
import { measureNodes } from "./group/nodes.ts";
import { measureRebalance } from "./group/rebalance.ts";
import { measureRestart } from "./group/restart.ts";
import { Topics } from "./group_support.ts";

const PARTS: Readonly<Record<string, (topics: Topics) => Promise<void>>> = {
  guarantees: measureGuarantees,
  nodes: measureNodes,
  wordcount: measureWordcount,
  exchange: measureExchange,
  latencies: measureLatencies,
  rebalance: measureRebalance,
  changes: measureChanges,
  restart: measureRestart,
};

const names = Deno.args.length > 0 ? Deno.args : Object.keys(PARTS);
const unknown = names.find((name) => !(name in PARTS));
if (unknown !== undefined) {
  throw new TypeError(`PART must be one of ${Object.keys(PARTS).join(", ")}; got ${unknown}`);
}
await using topics = await Topics.connect(await kafkaBrokers());
for (const name of names) await PARTS[name](topics);
