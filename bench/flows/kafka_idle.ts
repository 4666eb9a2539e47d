/** Reads a topic, and prints what comes. */
import { Dataflow, KafkaInputConfig, StdOutputConfig } from "../../mod.ts";

/** The flow. */
export default function build([broker, topic]: readonly string[]): Dataflow<unknown> {
  return new Dataflow("idle")
    .input("in", new KafkaInputConfig({ brokers: [broker], topic }))
    .capture("out", new StdOutputConfig());
}
