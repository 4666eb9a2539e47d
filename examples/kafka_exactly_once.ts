/**
 * Totals of payments for each account, each exactly once, from one Kafka topic into another.
 *
 *     deno run -A cli.ts examples/kafka_exactly_once.ts --recovery state.db --epoch-interval 1s \
 *       -- localhost:9092 payments totals
 *
 * Kill it with `pkill -9`, and start it again: no payment counts twice, and none is lost. In the
 * topic `payments`, the key is the account, and the value is a number of cents. In `totals`, each
 * payment makes a record of its account's new total.
 *
 * Readers of `totals` must set `isolation.level` to `read_committed`:
 *
 *     kafka-console-consumer.sh --bootstrap-server localhost:9092 --topic totals \
 *       --isolation-level read_committed --property print.key=true
 */
import { Dataflow, KafkaInputConfig, KafkaOutputConfig, text } from "@millrace/millrace";

/** A flow from the topic `from` to the topic `to`. With `once`, it ends where `from` ends now. */
export default function totals(args: readonly string[]): Dataflow<unknown> {
  const [broker = "localhost:9092", from = "payments", to = "totals", once] = args;
  const brokers = [broker];
  const tail = once !== "once";
  return new Dataflow("kafka-exactly-once")
    .input("payments", new KafkaInputConfig({ brokers, topic: from, tail }))
    .filter(([key, value]) => key !== null && value !== null)
    .map(([key, value]) => [text.decode(key!), Number(text.decode(value!))])
    .filter(([_account, cents]) => Number.isSafeInteger(cents))
    .statefulMap("total", () => 0, (total, cents) => [total + cents, total + cents])
    .mapValue(String)
    .capture("totals", new KafkaOutputConfig({ brokers, topic: to, delivery: "exactly-once" }));
}
