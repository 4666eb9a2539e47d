/** How much of a core a flow takes that waits on an empty topic. */
import { createTopic, kafkaBrokers } from "../tests/support/kafka/kafka.ts";
import { startFlow } from "./idle_support.ts";

const SECONDS = 20;

const brokers = await kafkaBrokers();
const topic = await createTopic(brokers, { partitions: 4 });
const counts = await createTopic(brokers, { partitions: 4 });
const example = new URL("../examples/kafka_wordcount.ts", import.meta.url);
const flow = await startFlow(example, [brokers[0], topic, counts]);
flow.lap();
await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
const used = flow.lap();
await flow.stop();

console.log(`\nidle: a flow that waits on an empty topic, over ${SECONDS} s`);
const names = ["coordinator", "worker"];
const line = (name: string, seconds: number) =>
  console.log(`  ${name.padEnd(34)}${(seconds / SECONDS * 100).toFixed(2)} % of a core`);
for (const [i, seconds] of used.entries()) line(names[i] ?? "other", seconds);
line("in all", used.reduce((sum, seconds) => sum + seconds, 0));
