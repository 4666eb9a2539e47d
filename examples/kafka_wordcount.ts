/**
 * Counts words from one Kafka topic into another, as they come.
 *
 *     deno run -A cli.ts examples/kafka_wordcount.ts -- localhost:9092 lines counts
 *
 * Write lines to the topic `lines` and read `counts`. It has a record for each word: the word is
 * the key, and how often it has been seen is the value.
 */
import { Dataflow, KafkaInputConfig, KafkaOutputConfig, text } from "@millrace/millrace";

/** A flow from the topic `from` to the topic `to`. With `once`, it ends where `from` ends now. */
export default function wordcount(args: readonly string[]): Dataflow<unknown> {
  const [broker = "localhost:9092", from = "lines", to = "counts", once] = args;
  const brokers = [broker];
  const tail = once !== "once";
  return new Dataflow("kafka-wordcount")
    .input("lines", new KafkaInputConfig({ brokers, topic: from, tail }))
    .filter(([, value]) => value !== null) // a tombstone has no text
    .map(([, value]) => text.decode(value))
    .flatMap((line) => line.toLowerCase().match(/\p{L}+/gu) ?? [])
    .map((word) => [word, 1])
    .statefulMap("count", () => 0, (seen, more) => [seen + more, seen + more])
    .mapValue(String)
    .capture("counts", new KafkaOutputConfig({ brokers, topic: to }));
}
