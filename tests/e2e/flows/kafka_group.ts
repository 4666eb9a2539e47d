/** Copies from Kafka to Kafka exactly once, and commits its positions to a consumer group. */
import { Dataflow, KafkaInputConfig, KafkaOutputConfig, text } from "millrace";

/** Leaves out `quiet` values. `once`: ends at the end that `from` has at the start. */
export default function copies(args: readonly string[]): Dataflow<unknown> {
  const [broker, from, to, group, once] = args;
  const brokers = [broker];
  return new Dataflow("kafka-copies")
    .input(
      "in",
      new KafkaInputConfig({
        brokers,
        topic: from,
        tail: once !== "once",
        additionalProperties: { "group.id": group },
      }),
    )
    .filter(([, value]) => value === null || text.decode(value) !== "quiet")
    .capture(
      "out",
      new KafkaOutputConfig({
        brokers,
        topic: to,
        delivery: "exactly-once",
        additionalProperties: { "transactional.id": to },
      }),
    );
}
