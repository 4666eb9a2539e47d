/**
 * Reads JSON orders from Kafka, writes a running total for each user to Kafka, and prints what
 * cannot be read.
 *
 *     deno run -A cli.ts examples/orders.ts -- localhost:9092 orders totals
 *
 * An order is `{ "user": "ada", "amount": 12.5 }`. A total is keyed by the user:
 * `{ "orders": 3, "amount": 40 }`.
 */
import {
  Dataflow,
  json,
  KafkaInputConfig,
  KafkaOutputConfig,
  StdOutputConfig,
} from "@millrace/millrace";

interface Order {
  readonly user: string;
  readonly amount: number;
}

interface Total {
  readonly orders: number;
  readonly amount: number;
}

/** A flow from the topic `from` to the topic `to`. With `once`, it ends where `from` ends now. */
export default function orders(args: readonly string[]): Dataflow<unknown> {
  const [broker = "localhost:9092", from = "orders", to = "totals", once] = args;
  const brokers = [broker];
  const tail = once !== "once";

  const [good, bad] = new Dataflow("orders")
    .input("orders", new KafkaInputConfig({ brokers, topic: from, tail }))
    .map(([, value]) => parse(value))
    .branch((parsed): parsed is Order => !(parsed instanceof Error));

  bad.map((error) => `skipped: ${error.message}`).capture("skipped", new StdOutputConfig());

  return good
    .keyOn((order) => order.user)
    .statefulMap("total", (): Total => ({ orders: 0, amount: 0 }), (total, { amount }) => {
      const next = { orders: total.orders + 1, amount: total.amount + amount };
      return [next, next];
    })
    .mapValue((total) => json.encode(total))
    .capture("totals", new KafkaOutputConfig({ brokers, topic: to }));
}

/** Returns an order, or an error for a bad record, which must not stop the others. */
function parse(value: Uint8Array | null): Order | Error {
  try {
    const order = json.decode<Partial<Order>>(value);
    if (typeof order?.user === "string" && Number.isFinite(order.amount)) return order as Order;
    return new Error(`no order: ${JSON.stringify(order)}`);
  } catch (error) {
    return error as Error;
  }
}
