import { assert, assertEquals } from "@std/assert";
import { Dataflow, KafkaInputConfig, ManualOutputConfig, run } from "millrace";
import { produce } from "../support/kafka/kafka.ts";
import type { KafkaCluster } from "../support/kafka/cluster.ts";
import { within } from "../support/kafka/reading.ts";

const MEGABYTES = 120;

/** At most 16 MiB may wait for the flow. The rest is room for a late garbage collection. */
const MOST_GROWTH = 100 << 20;

/** Runs a flow whose output accepts nothing for `ms`, on a topic with much more than may wait. */
export async function blockOutput(cluster: KafkaCluster, ms: number): Promise<void> {
  const topic = await cluster.createTopic({ partitions: 4 }); // of which the last stays empty
  for (let part = 0; part < MEGABYTES / 10; part++) {
    const records = Array.from({ length: 100 }, (_, n) => ({
      value: `${part * 100 + n}`.padEnd(100_000),
      partition: n % 3,
    }));
    await produce(cluster.brokers, topic, records);
  }
  const input = new KafkaInputConfig({ brokers: cluster.brokers, topic, tail: false });
  const opened = Promise.withResolvers<void>();
  const unblocked = Promise.withResolvers<void>();
  const seen = new Set<number>();
  let items = 0;
  const output = new ManualOutputConfig<number>(() => async (item) => {
    opened.resolve();
    await unblocked.promise;
    seen.add(item);
    items++;
  });
  const flow = new Dataflow("blocked").input("in", input)
    .map(([, value]) => parseInt(new TextDecoder().decode(value!)))
    .capture(output);
  const running = run(flow);
  await within(opened.promise, "the output had something");
  const before = Deno.memoryUsage().rss;
  let most = before;
  for (const end = performance.now() + ms; performance.now() < end;) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    most = Math.max(most, Deno.memoryUsage().rss);
    assertEquals(items, 0);
  }
  unblocked.resolve();
  await within(running, "the run ended");
  assertEquals([items, seen.size], [MEGABYTES * 10, MEGABYTES * 10]);
  assert(most - before < MOST_GROWTH, `it grew by ${(most - before) >> 20} MiB`);
}
