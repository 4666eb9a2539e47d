/**
 * Kafka → upper case → Kafka, as a flow for worker processes. Each prints when its first record
 * came. The argument is the output's `delivery`.
 */
import { Dataflow, KafkaInputConfig, KafkaOutputConfig, text } from "millrace";

const env = (name: string): string => Deno.env.get(name)!;
const brokers = [env("PEERS_BROKER")];
const delivery = Deno.args[0] === "exactly-once" ? "exactly-once" : "at-least-once";
const tail = Deno.env.has("PEERS_TAIL");

let started = false;

export default new Dataflow("upper-case")
  .input("in", new KafkaInputConfig({ brokers, topic: env("PEERS_IN"), tail }))
  .map(([key, value]) => {
    if (!started) {
      started = true;
      console.log(Date.now());
    }
    return [key, text.encode(text.decode(value).toUpperCase())];
  })
  .capture("out", new KafkaOutputConfig({ brokers, topic: env("PEERS_OUT"), delivery }));
