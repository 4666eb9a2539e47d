/** Kafka → upper case → Kafka, for a comparison with other systems; prints one line of JSON. */
import { Dataflow, KafkaInputConfig, KafkaOutputConfig, run, text } from "millrace";

const env = (name: string): string => Deno.env.get(name)!;
const records = Number(env("PEERS_N"));
const brokers = [env("PEERS_BROKER")];

let startMs = 0; // the clock at the first record; the stop is the broker's time of the last one
const flow = new Dataflow("upper-case")
  .input("in", new KafkaInputConfig({ brokers, topic: env("PEERS_IN"), tail: false }))
  .map(([key, value]) => {
    startMs ||= Date.now();
    return [key, text.encode(text.decode(value).toUpperCase())];
  })
  .capture(new KafkaOutputConfig({ brokers, topic: env("PEERS_OUT") }));
await run(flow);
console.log(JSON.stringify({
  workload: "W6",
  system: "millrace",
  version: "0.1.0",
  workers: 1,
  records,
  seconds: null,
  per_second: null,
  check: null,
  start_ms: startMs,
}));
