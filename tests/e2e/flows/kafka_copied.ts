/** Copies messages through other workers, and through a state that holds them for a store. */
import {
  Dataflow,
  type KafkaMessage,
  KafkaMessageInputConfig,
  KafkaOutputConfig,
  text,
} from "millrace";

export default function copied([broker, from, to]: readonly string[]): Dataflow<unknown> {
  const brokers = [broker];
  return new Dataflow("kafka-copied")
    .input("in", new KafkaMessageInputConfig({ brokers, topic: from, tail: false }))
    .keyOn(({ key }) => text.decode(key))
    .statefulMap("kept", () => [], (kept: KafkaMessage[], message) => [kept, message])
    .map(([, message]) => message)
    .capture("out", new KafkaOutputConfig({ brokers, topic: to }));
}
