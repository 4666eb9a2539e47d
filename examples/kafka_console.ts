/**
 * Two flows to try others with: one writes lines of standard input to a Kafka topic, one prints a
 * topic.
 *
 *     deno run -A cli.ts examples/kafka_console.ts:write -- localhost:9092 lines
 *     deno run -A cli.ts examples/kafka_console.ts:read -- localhost:9092 counts
 */
import { createInterface } from "node:readline";
import process from "node:process";
import {
  Dataflow,
  KafkaInputConfig,
  KafkaOutputConfig,
  ManualInputConfig,
  StdOutputConfig,
  text,
} from "@millrace/millrace";

/** A flow from standard input to a topic: each line is the value of a record without a key. */
export function write(args: readonly string[]): Dataflow<unknown> {
  const [broker = "localhost:9092", topic = "lines"] = args;
  return new Dataflow("write")
    .input("stdin", new ManualInputConfig(typedLines, { idleAfter: 0 }))
    .map((line) => [null, line])
    .capture(new KafkaOutputConfig({ brokers: [broker], topic }));
}

/** A flow from a topic to standard output. With `once`, it ends where the topic ends now. */
export function read(args: readonly string[]): Dataflow<unknown> {
  const [broker = "localhost:9092", topic = "counts", once] = args;
  return new Dataflow("read")
    .input("topic", new KafkaInputConfig({ brokers: [broker], topic, tail: once !== "once" }))
    .map(([key, value]) => `${show(key)}\t${show(value)}`)
    .capture(new StdOutputConfig());
}

/** Standard input cannot be read again, so there is nothing to resume: the state is `null`. */
async function* typedLines(): AsyncGenerator<[state: null, line: string]> {
  for await (const line of createInterface({ input: process.stdin })) yield [null, line];
}

function show(bytes: Uint8Array | null): string {
  return bytes === null ? "-" : text.decode(bytes);
}
