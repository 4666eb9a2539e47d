/**
 * Writes numbered records for `kafka_memory.ts`, in a process of its own: `kafka_memory_producer.ts
 * BROKER TOPIC PARTITIONS SECONDS`. Prints how many records there were.
 *
 * Record `n` goes to partition `n mod PARTITIONS`. While the broker is away, records wait, at most
 * 16 MiB of them. Those that would have been written meanwhile are made up for.
 */
import {
  Dataflow,
  KafkaOutputConfig,
  type KafkaOutputItem,
  ManualInputConfig,
  run,
} from "millrace";

const A_SECOND = 2_000;
const EVERY_MS = 10;
const BYTES = 100;

const [broker, topic, partitions, seconds] = Deno.args;
let count = 0;

async function* records(): AsyncGenerator<[number, KafkaOutputItem]> {
  const began = performance.now();
  for (let passed = 0; passed < Number(seconds);) {
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    passed = (performance.now() - began) / 1000;
    for (const due = Math.min(passed, Number(seconds)) * A_SECOND; count < due; count++) {
      const partition = count % Number(partitions);
      yield [count, { partition, value: String(count).padEnd(BYTES) }];
    }
  }
}

const flow = new Dataflow("producer")
  .input("in", new ManualInputConfig(records))
  .capture(new KafkaOutputConfig({ brokers: [broker], topic }));
await run(flow);
console.log(count);
