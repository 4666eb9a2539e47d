/** Flows for the benches of groups, from Kafka to Kafka: `KIND BROKER FROM TO [MICROSECONDS]`. */
import { Dataflow, KafkaInputConfig, KafkaOutputConfig, type Keyed, text } from "millrace";

/** An order; records have several, as a JSON array. */
export interface Order {
  readonly id: number;
  readonly user: string;
  readonly amount: number;
}

/** A line is printed each time that a process has counted this many orders, with the time. */
const PRINT_EVERY = 1_000;

/**
 * - `pass` writes records as they are, after an exchange.
 * - `count` counts the orders of each user. It computes for some microseconds at each.
 * - `stay` and `hop` write one order of each record. In `hop`, all orders go through an exchange
 *   before.
 */
export default function flow([kind, broker, from, to, us = "0"]: readonly string[]) {
  const brokers = [broker];
  const output = new KafkaOutputConfig({ brokers, topic: to });
  const records = new Dataflow(kind).input("in", new KafkaInputConfig({ brokers, topic: from }));
  if (kind === "pass") return records.redistribute().capture("out", output);
  const orders = records.flatMap(([, value]) => JSON.parse(text.decode(value)) as Order[]);
  if (kind === "stay" || kind === "hop") {
    return (kind === "hop" ? orders.redistribute() : orders)
      .filter(({ amount }) => amount === 0)
      .map(({ id, user }): Keyed<string> => [user, `${id}`])
      .capture("out", output);
  }
  if (kind !== "count") throw new TypeError(`kind must be pass, count, stay or hop; got ${kind}`);
  const microseconds = Number(us);
  let counted = 0;
  return orders.keyOn(({ user }) => user)
    .statefulMap("count", () => ({ count: 0, sum: 0 }), ({ count, sum }, { amount }) => {
      if (microseconds > 0) compute(microseconds);
      if (++counted % PRINT_EVERY === 0) console.log(`counted ${counted} ${Date.now()}`);
      const next = { count: count + 1, sum: sum + amount };
      return [next, next];
    })
    .mapValue(({ count, sum }) => `${count} ${sum}`)
    .capture("out", output);
}

/** Keeps the processor busy, as a step does that computes. */
function compute(us: number): void {
  for (const until = performance.now() + us / 1_000; performance.now() < until;);
}
