import { assertEquals } from "@std/assert";
import {
  Dataflow,
  KafkaMessageInputConfig,
  KafkaOutputConfig,
  type KafkaRecord,
  run,
  TestingInputConfig,
} from "millrace";
import { flowFile, runCli } from "../support/cli.ts";
import { createTopic, kafkaBrokers } from "../support/kafka/kafka.ts";
import { asText, collect } from "../support/kafka/reading.ts";

const NOW = 1_760_000_000_000;

type Headers = NonNullable<KafkaRecord["rawHeaders"]>;

const KINDS: readonly (readonly [timestamp: number, rawHeaders: Headers])[] = [
  [NOW, [["first", "1"], ["nothing", null], ["second", "2"], ["10", "x"], ["first", "3"]]],
  [-1, []],
  [-62_135_596_800_000, [["b", ""], ["a", null], ["b", "2"]]],
  [0, [["__proto__", "p"]]],
  [NOW, [["empty", ""]]],
  [-1, [["9", null], ["8", null]]],
];

/** One key for each message, so that both workers have some. */
const RECORDS: readonly KafkaRecord[] = KINDS.map(([timestamp, rawHeaders], i) => ({
  key: `k${i}`,
  value: i === 3 ? null : `v${i}`,
  timestamp,
  rawHeaders,
}));

async function recordsOf(brokers: string[], topic: string): Promise<KafkaRecord[]> {
  const input = new KafkaMessageInputConfig({ brokers, topic, tail: false });
  const records = (await collect(input)).map(({ key, value, timestamp, rawHeaders }) => ({
    key: asText(key),
    value: asText(value),
    timestamp,
    rawHeaders: rawHeaders.map(([name, data]) => [name, asText(data)] as const),
  }));
  return records.sort((a, b) => a.key! < b.key! ? -1 : 1);
}

Deno.test("messages are copied as they were read, even through other workers", async () => {
  const brokers = await kafkaBrokers();
  const [from, to] = [
    await createTopic(brokers, { partitions: 2 }),
    await createTopic(brokers, { partitions: 2 }),
  ];
  await run(
    new Dataflow("make")
      .input("in", new TestingInputConfig([...RECORDS]))
      .capture(new KafkaOutputConfig({ brokers, topic: from })),
  );
  assertEquals(await recordsOf(brokers, from), RECORDS);
  const result = await runCli([flowFile("kafka_copied.ts"), "-w2", "--", brokers[0], from, to]);
  assertEquals({ code: result.code, stderr: result.stderr }, { code: 0, stderr: "" });
  assertEquals(await recordsOf(brokers, to), RECORDS);
});
