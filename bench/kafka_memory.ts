/**
 * Resident memory of a flow from Kafka to Kafka. Once a minute its broker is killed or stopped, by
 * turns, and started again: `deno run -A bench/kafka_memory.ts [MINUTES]`, 20 by default.
 *
 * The memory is that of this process: the flow, and the little that restarts the broker. Records
 * come from another process. At the end, KafkaJS reads both topics: each must hold every record,
 * once, in order.
 */
import {
  createLog,
  Dataflow,
  KafkaMessageInputConfig,
  KafkaOutputConfig,
  type KafkaOutputItem,
  run,
  text,
} from "millrace";
import { KafkaCluster } from "../tests/support/kafka/cluster.ts";
import { consumeBare } from "./kafka_support.ts";
import { residentMiB } from "./support.ts";

const PARTITIONS = 4;
const WARM_UP_MS = 10_000;
const MINUTE_MS = 60_000;

/** How long the broker is away, besides the time that it takes to start. */
const AWAY_MS = 5_000;

/** How long the flow may take for the rest, once nothing more is written. */
const PATIENCE_MS = 60_000;

const minutes = Number(Deno.args[0] ?? 20);
if (!(minutes > 0)) throw new TypeError(`minutes must be a positive number; got ${Deno.args[0]}`);

await using cluster = await KafkaCluster.start({ brokers: 1 });
const { brokers } = cluster;
const from = await cluster.createTopic({ partitions: PARTITIONS });
const to = await cluster.createTopic({ partitions: PARTITIONS });

const pass = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

let seen = 0;
const said = new Map<string, number>(); // log lines about the input's broker, with their number
const stopping = new AbortController();
const flow = new Dataflow("memory")
  .input("in", new KafkaMessageInputConfig({ brokers, topic: from }))
  .map(({ partition, value }): KafkaOutputItem => {
    seen++;
    return { partition, value: `seen ${text.decode(value)}` };
  })
  .capture(new KafkaOutputConfig({ brokers, topic: to }));
const running = run(flow, {
  signal: stopping.signal,
  epoch: { interval: { seconds: 1 } },
  log: createLog((_, message, fields) => {
    if (fields.topics === from) said.set(message, (said.get(message) ?? 0) + 1);
  }),
});

const ended = running.then(() => Promise.reject(new Error("the flow has ended")));
ended.catch(() => {}); // it does reject at the end

/** Returns the promise's value; rejects with the flow's error if it fails first. */
const whileRunning = <R>(promise: Promise<R>): Promise<R> => Promise.race([promise, ended]);

const producer = new Deno.Command(Deno.execPath(), {
  args: [
    ...["run", "-A", new URL("./kafka_memory_producer.ts", import.meta.url).href],
    ...[brokers[0], from, PARTITIONS, minutes * 60 + WARM_UP_MS / 1000].map(String),
  ],
  stdout: "piped",
}).spawn();
const produced = producer.output().then(({ success, stdout }) => {
  if (!success) throw new Error("the producer has failed");
  return Number(new TextDecoder().decode(stdout));
});

let restarts = 0;
async function restart(): Promise<void> {
  await cluster[restarts % 2 === 0 ? "kill" : "stop"](0);
  await pass(AWAY_MS);
  await cluster.start(0);
  restarts++;
}

const HEADS = ["minute", "restarts", "records", "resident MiB", "most since", "heap used MiB"];
const print = (cells: readonly unknown[]) =>
  console.log(cells.map((cell, n) => String(cell).padStart(HEADS[n].length + 2)).join(""));
let most = 0;
function row(minute: number): void {
  const heap = (Deno.memoryUsage().heapUsed / (1 << 20)).toFixed(1);
  print([minute, restarts, seen, residentMiB(), Math.max(most, residentMiB()), heap]);
  most = 0;
}

await whileRunning(pass(WARM_UP_MS));
console.log(`\nmemory: Kafka to Kafka, 2,000 records/s of 100 bytes, a broker that restarts`);
print(HEADS);
const sampling = setInterval(() => most = Math.max(most, residentMiB()), 500);
row(0);
const began = performance.now();
for (let minute = 1; minute <= minutes; minute++) {
  const until = (part: number) => pass(began + (minute - 1 + part) * MINUTE_MS - performance.now());
  await whileRunning(until(0.5));
  await whileRunning(restart());
  await whileRunning(until(1));
  row(minute);
}
const count = await whileRunning(produced);
for (const deadline = performance.now() + PATIENCE_MS; seen < count;) {
  if (performance.now() > deadline) throw new Error(`of ${count} records, ${seen} have come`);
  await whileRunning(pass(100));
}
clearInterval(sampling);
stopping.abort();
await running;

/** Each partition must hold its numbers in order, from the first to the last, and no more. */
async function check(topic: string, prefix: string): Promise<void> {
  const offsets = await cluster.admin((admin) => admin.fetchTopicOffsets(topic));
  const next = Array.from({ length: PARTITIONS }, (_, partition) => partition);
  for (const { partition, low, high } of offsets) {
    const expected = Math.ceil((count - partition) / PARTITIONS);
    if (Number(low) !== 0 || Number(high) !== expected) {
      throw new Error(`${prefix}partition ${partition}: ${low} to ${high} and not to ${expected}`);
    }
  }
  let wrong: string | null = null; // KafkaJS would try a batch again and again after an error
  await consumeBare(brokers, { topic, count }, ({ batch: { partition, messages } }) => {
    for (const { offset, value } of messages) {
      const expected = `${prefix}${next[partition]}`;
      next[partition] += PARTITIONS;
      const found = value!.toString().trimEnd();
      if (found !== expected) {
        wrong ??= `partition ${partition}, offset ${offset}: "${found}" and not "${expected}"`;
      }
    }
    return messages.length;
  });
  if (wrong !== null) throw new Error(wrong);
}

await check(from, "");
await check(to, "seen ");
const lines = [...said].map(([message, times]) => `"${message}" ${times} times`).join(", ");
console.log(`  ${restarts} restarts; the input's log: ${lines}`);
console.log(`  ${count} records produced, all of them in the output once, in order`);
