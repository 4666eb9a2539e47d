/** Each codec against Java's client, in both directions. */
import { assertEquals } from "@std/assert";
import {
  Dataflow,
  KafkaInputConfig,
  KafkaOutputConfig,
  type KafkaOutputItem,
  type KafkaProperties,
  run,
  TestingInputConfig,
} from "millrace";
import { createTopic, kafkaBrokers } from "../support/kafka/kafka.ts";
import { asText, collect, within } from "../support/kafka/reading.ts";
import { consoleConsume, consoleProduce } from "../support/kafka/tools.ts";
import { Random } from "../support/values/random.ts";

const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"];
const COUNT = 20_000;

/** Lines that differ in length and in how well they compress. */
function lines(seed: number): string[] {
  const random = new Random(seed);
  return Array.from({ length: COUNT }, (_, n) => {
    const noise = Array.from({ length: random.below(8) }, () => random.below(2 ** 31).toString(36));
    return JSON.stringify({ n, user: random.pick(["ada", "grüße", "edsger"]), noise });
  });
}

/** A topic that accepts the record below only if it is compressed, with any codec. */
const SMALL_BATCHES = { "max.message.bytes": "50000" };
const LARGE = `{"large":"${"abcdefgh".repeat(25_000)}"}`;

async function write(
  brokers: string[],
  topic: string,
  values: readonly string[],
  additionalProperties: KafkaProperties,
): Promise<void> {
  const items = values.map((value): KafkaOutputItem => [null, value]);
  const flow = new Dataflow("write")
    .input("in", new TestingInputConfig(items))
    .capture("to-kafka", new KafkaOutputConfig({ brokers, topic, additionalProperties }));
  await within(run(flow), "the run ended");
}

async function read(brokers: string[], topic: string): Promise<(string | null)[]> {
  const items = await within(
    collect(new KafkaInputConfig({ brokers, topic, tail: false })),
    "all was read",
  );
  return items.map(([, value]) => asText(value));
}

/** `assertEquals` would take minutes to show how thousands of lines differ. */
function assertSameLines(actual: readonly (string | null)[], expected: readonly string[]): void {
  const first = expected.findIndex((line, n) => actual[n] !== line);
  assertEquals(
    { count: actual.length, first, line: actual[first] },
    { count: expected.length, first: -1, line: undefined },
  );
}

for (const codec of CODECS) {
  Deno.test(`Java's consumer reads what KafkaOutputConfig writes with compression.type ${codec}`, async () => {
    const brokers = await kafkaBrokers();
    const topic = await createTopic(brokers);
    const written = lines(1);
    await write(brokers, topic, written, { "compression.type": codec, "linger.ms": 5 });
    assertSameLines(await consoleConsume(brokers, topic, COUNT), written);
  });

  Deno.test(`KafkaInputConfig reads what Java's producer writes with compression.type ${codec}`, async () => {
    const brokers = await kafkaBrokers();
    const topic = await createTopic(brokers);
    const written = lines(2);
    // Over a quarter of the records in one batch, which is more than one block of every codec.
    const properties = { "compression.type": codec, "batch.size": 500_000, "linger.ms": 200 };
    await consoleProduce(brokers, topic, written, properties);
    assertSameLines(await read(brokers, topic), written);
  });
}

for (const codec of CODECS.filter((codec) => codec !== "none")) {
  Deno.test(`records are compressed, and not only marked so, with compression.type ${codec}`, async () => {
    const brokers = await kafkaBrokers();
    const ours = await createTopic(brokers, { config: SMALL_BATCHES });
    await write(brokers, ours, [LARGE], { "compression.type": codec });
    assertEquals(await consoleConsume(brokers, ours, 1), [LARGE]);
    const theirs = await createTopic(brokers, { config: SMALL_BATCHES });
    await consoleProduce(brokers, theirs, [LARGE], { "compression.type": codec });
    assertEquals(await read(brokers, theirs), [LARGE]);
  });
}
