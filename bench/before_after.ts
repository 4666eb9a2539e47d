/**
 * Compares this checkout with another one, alternating within one process: `deno run -A
 * bench/before_after.ts PATH [NAME...]`, where PATH is the other checkout's folder.
 *
 * For each flow, it prints the speed of this one as a multiple of the other. That is the median of
 * the ratios of the rounds, with their quartiles. The same of the process's CPU time follows, which
 * says more where other programs run. If the other checkout needs packages that this one lacks, add
 * its `--config`. The flow `kafka`, which starts a broker, runs only by its name.
 */
import process from "node:process";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type * as Millrace from "millrace";
import { createTopic, kafkaBrokers } from "../tests/support/kafka/kafka.ts";
import { fullTopic } from "./kafka_support.ts";
import { batchOutput } from "./support.ts";

type Module = typeof Millrace;

const ROUNDS = 15;

const [other, ...chosen] = Deno.args;
if (other === undefined) {
  console.error("usage: deno run -A bench/before_after.ts PATH_OF_OTHER_CHECKOUT [NAME...]");
  Deno.exit(2);
}
const [before, after]: Module[] = [
  await import(new URL("mod.ts", `${pathToFileURL(resolve(other)).href}/`).href),
  await import(new URL("../mod.ts", import.meta.url).href),
];

const integers = Array.from({ length: 20_000_000 }, (_, i) => i);
const million = integers.slice(0, 1_000_000);
const events = million.map((i): Millrace.Keyed<{ at: number; value: number }> => [
  `key-${i * 7919 % 2}`,
  { at: i * 1_000, value: i },
]);

/** Runs a flow of a checkout, and returns a checksum that both must agree on. */
type Work = (checkout: Module) => Promise<number>;

function keyedCount(items: readonly number[]): Work {
  return async ({ Dataflow, TestingInputConfig, run }) => {
    let sum = 0;
    await run(
      new Dataflow("count").input("in", new TestingInputConfig(items))
        .map((i): Millrace.Keyed<number> => [String(i % 1000), 1])
        .statefulMap("count", () => 0, (count, more) => [count + more, count + more])
        .capture(batchOutput((batch: readonly Millrace.Keyed<number>[]) => {
          for (const [, count] of batch) sum += count;
        })),
    );
    return sum;
  };
}

/** A purchase in the topic of JSON. */
interface Order {
  readonly user: string;
  readonly at: number;
  readonly amount: number;
  readonly item: string;
}

/** Topics of the flow on Kafka, once made: one of a million orders, and one for results. */
let topics: Promise<{ brokers: string[]; from: string; to: string }> | null = null;

async function makeTopics(): Promise<{ brokers: string[]; from: string; to: string }> {
  const brokers = await kafkaBrokers();
  const order = (i: number): Order => ({
    user: `user-${i * 7919 % 101}`,
    at: 1_700_000_000_000 + i * 10,
    amount: i % 100,
    item: `sku-${i}`,
  });
  const from = await fullTopic(brokers, {
    count: million.length,
    partitions: 4,
    record: (i) => ({ value: JSON.stringify(order(i)) }),
  });
  return { brokers, from, to: await createTopic(brokers, { partitions: 4 }) };
}

const works: Readonly<Record<string, Work>> = {
  chain: async ({ Dataflow, TestingInputConfig, run }) => {
    let items = 0;
    await run(
      new Dataflow("chain").input("in", new TestingInputConfig(integers))
        .map((x) => x * 3).map((x) => x + 1).filter((x) => (x & 1) === 0).map((x) => x >> 1)
        .capture(batchOutput((batch) => items += batch.length)),
    );
    return items;
  },
  "keyed count, 8 M": keyedCount(integers.slice(0, 8_000_000)),
  "keyed count, 1 M": keyedCount(million),
  "final count": async ({ Dataflow, TestingInputConfig, run }) => {
    let keys = 0;
    await run(
      new Dataflow("final").input("in", new TestingInputConfig(million))
        .map((i): Millrace.Keyed<number> => [String(i % 1000), 1]).countFinal("count")
        .capture(batchOutput((batch) => keys += batch.length)),
    );
    return keys;
  },
  "windows of lists": async (checkout) => {
    const { Dataflow, EventClockConfig, TestingInputConfig, TumblingWindowConfig, run } = checkout;
    let values = 0;
    const clock = new EventClockConfig<{ at: number; value: number }>({
      getTime: ({ at }) => at,
      wait: 0,
    });
    await run(
      new Dataflow("lists").input("in", new TestingInputConfig(events))
        .foldWindow(
          "lists",
          clock,
          new TumblingWindowConfig({ length: 60_000 }),
          () => [] as number[],
          (list, { value }) => {
            list.push(value);
            return list;
          },
        )
        .capture(batchOutput((batch: readonly Millrace.Keyed<number[]>[]) => {
          for (const [, list] of batch) values += list.length;
        })),
    );
    return values;
  },
  "sliding windows, counted": async (checkout) => {
    const { Dataflow, EventClockConfig, SlidingWindowConfig, TestingInputConfig, run } = checkout;
    let counted = 0;
    const clock = new EventClockConfig<{ at: number }>({ getTime: ({ at }) => at, wait: 0 });
    await run(
      new Dataflow("sliding").input("in", new TestingInputConfig(events))
        .countWindow("count", clock, new SlidingWindowConfig({ length: 60_000, offset: 6_000 }))
        .capture(batchOutput((batch: readonly Millrace.Keyed<number>[]) => {
          for (const [, count] of batch) counted += count;
        })),
    );
    return counted;
  },
  kafka: async (checkout) => {
    const { Dataflow, EventClockConfig, KafkaInputConfig, KafkaOutputConfig, run } = checkout;
    const { brokers, from, to } = await (topics ??= makeTopics());
    let counted = 0;
    // Each user is in all partitions. With a short `wait`, older checkouts lose most as late.
    const clock = new EventClockConfig<Order>({ getTime: ({ at }) => at, wait: { hours: 24 } });
    await run(
      new Dataflow("kafka").input("in", new KafkaInputConfig({ brokers, topic: from, tail: false }))
        .map(([, value]) => checkout.json.decode<Order>(value))
        .map((order): Millrace.Keyed<Order> => [order.user, order])
        .countWindow("count", clock, new checkout.TumblingWindowConfig({ length: { minutes: 1 } }))
        .map(([user, count]): Millrace.Keyed<Uint8Array> => {
          counted += count;
          return [user, checkout.json.encode({ user, count })];
        })
        .capture(new KafkaOutputConfig({ brokers, topic: to })),
    );
    return counted;
  },
  mapAsync: async ({ Dataflow, TestingInputConfig, run }) => {
    let items = 0;
    await run(
      new Dataflow("async").input("in", new TestingInputConfig(million))
        .mapAsync((x) => Promise.resolve(x + 1))
        .capture(batchOutput((batch) => items += batch.length)),
    );
    return items;
  },
};

const names = chosen.length > 0 ? chosen : Object.keys(works).filter((name) => name !== "kafka");
console.log(`this checkout's speed as a multiple of the other's, ${ROUNDS} rounds in turns`);
for (const name of names) {
  const work = works[name];
  if (work === undefined) throw new Error(`no flow "${name}"; there are ${Object.keys(works)}`);
  const ratios: number[] = [];
  const ofCpu: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const took = new Map<Module, { ms: number; cpu: number }>();
    const checks = new Set<number>();
    for (const checkout of round % 2 === 0 ? [before, after] : [after, before]) {
      const started = performance.now();
      const cpu = process.cpuUsage();
      checks.add(await work(checkout));
      const { user, system } = process.cpuUsage(cpu);
      took.set(checkout, { ms: performance.now() - started, cpu: user + system });
    }
    if (checks.size > 1) throw new Error(`${name}: results differ: ${[...checks]}`);
    if (round === 0) continue; // it warms up
    const [old, now] = [took.get(before)!, took.get(after)!];
    ratios.push(old.ms / now.ms);
    ofCpu.push(old.cpu / now.cpu);
  }
  console.log(`  ${name.padEnd(28)}${quartiles(ratios)}; of CPU time ${quartiles(ofCpu)}`);
}

function quartiles(ratios: number[]): string {
  const sorted = ratios.toSorted((a, b) => a - b);
  const at = (part: number) => sorted[Math.floor(sorted.length * part)].toFixed(2);
  return `${at(0.5)}  (${at(0.25)} to ${at(0.75)})`;
}
