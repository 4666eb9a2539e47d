/**
 * Running totals by user, for several machines: Kafka → by user → total → Kafka. Prints when its
 * first record came.
 */
import { Dataflow, KafkaInputConfig, KafkaOutputConfig, text } from "millrace";

const env = (name: string): string => Deno.env.get(name)!;
const brokers = [env("PEERS_BROKER")];

interface Order {
  readonly id: number;
  readonly user: string;
  readonly amount: number;
}

let started = false;

export default new Dataflow("totals")
  .input("in", new KafkaInputConfig({ brokers, topic: env("PEERS_IN") }))
  .map(([, value]): Order => {
    if (!started) {
      started = true;
      console.log(`first ${Date.now()}`);
    }
    return JSON.parse(text.decode(value));
  })
  .keyOn(({ user }) => user)
  .statefulMap("totals", () => ({ count: 0, sum: 0 }), (state, { amount }) => {
    const next = { count: state.count + 1, sum: state.sum + amount };
    return [next, next];
  })
  .map(([user, { count, sum }]): [string, string] => [user, JSON.stringify({ user, count, sum })])
  .capture("out", new KafkaOutputConfig({ brokers, topic: env("PEERS_OUT") }));
