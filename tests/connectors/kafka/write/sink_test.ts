import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  Dataflow,
  KafkaOutputConfig,
  type KafkaOutputItem,
  run,
  StepError,
  TestingInputConfig,
} from "millrace";
import type { Buffer } from "node:buffer";
import { readBatches } from "../../../../src/connectors/kafka/wire/read_batch.ts";
import { RecordCursor } from "../../../../src/connectors/kafka/wire/record_cursor.ts";
import { WireReader } from "../../../../src/connectors/kafka/wire/wire.ts";
import { FAKE_TOPIC, FakeBroker, producedAnswer } from "../../../support/kafka/fake_broker.ts";

const INVALID_RECORD = 87;

/** The values of the batch in a Produce request with one partition. */
function valuesIn(body: Buffer): string[] {
  const from = new WireReader(body, false);
  from.string(); // the transactional id
  from.int16(); // acks
  from.int32(); // the time-out
  const [batches] = from.array(() => {
    from.string(); // the topic
    return from.array(() => {
      from.int32(); // the partition
      return from.bytes();
    });
  });
  const [batch] = readBatches(batches[0], true);
  const cursor = new RecordCursor(batch, batch.records, false);
  const values: string[] = [];
  while (!cursor.done) values.push(new TextDecoder().decode(cursor.read().value!));
  return values;
}

Deno.test("a broker that does not name the record that it refuses gets the halves of the batch", async () => {
  const written: string[] = [];
  await using broker = new FakeBroker({
    versions: { Produce: [3, 7] },
    answers: {
      Produce: (request) => {
        const values = valuesIn(request.body);
        if (values.includes("bad")) return producedAnswer(request.version, INVALID_RECORD);
        written.push(...values);
        return producedAnswer(request.version, 0);
      },
    },
  });
  const values = Array.from({ length: 200 }, (_, n) => n === 130 ? "bad" : `v${n}`);
  const items = values.map((value): KafkaOutputItem => [null, value]);
  const output = new KafkaOutputConfig({
    brokers: broker.brokers,
    topic: FAKE_TOPIC,
    additionalProperties: { "enable.idempotence": false, "linger.ms": 20 },
  });
  const flow = new Dataflow("write").input("in", new TestingInputConfig(items)).capture(output);
  const error = await assertRejects(() => run(flow), StepError) as StepError;
  assertEquals(error.item, '[ null, "bad" ]');
  assertStringIncludes(
    error.message,
    "a topic with cleanup.policy=compact accepts only records with",
  );
  // Each once and in order, and nothing that follows the bad record is written before it.
  assertEquals(written, values.slice(0, 130));
});

Deno.test("a record with a mistyped field ends the run at its step, and nothing of its batch is written", async () => {
  await using broker = new FakeBroker({ versions: { Produce: [3, 7] } });
  const item = { value: "x", header: { a: "1" } } as unknown as KafkaOutputItem;
  const output = new KafkaOutputConfig({
    brokers: broker.brokers,
    topic: FAKE_TOPIC,
    additionalProperties: { "enable.idempotence": false },
  });
  const flow = new Dataflow("write").input("in", new TestingInputConfig([item])).capture(output);
  const error = await assertRejects(() => run(flow), StepError) as StepError;
  assertStringIncludes(error.message, 'no field "header"');
  assertEquals(broker.requests.filter(({ api }) => api === "Produce"), []);
});
