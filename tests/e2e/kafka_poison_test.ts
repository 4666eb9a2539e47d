import { assertEquals, assertRejects } from "@std/assert";
import { Dataflow, json, KafkaInputConfig, ManualOutputConfig, run, StepError } from "millrace";
import { createTopic, kafkaBrokers, produce } from "../support/kafka/kafka.ts";

Deno.test("a record that a step fails on is named by topic, partition and offset, even after other steps", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers, { partitions: 3 });
  const good = Array.from({ length: 5_000 }, (_, n) => ({ value: `{"n":${n}}`, partition: n % 3 }));
  await produce(brokers, topic, good);
  await produce(brokers, topic, [{ value: "oops", partition: 1 }]);
  const flow = new Dataflow("poison")
    .input("in", new KafkaInputConfig({ brokers, topic, tail: false }))
    .filter(([, value]) => value !== null)
    .map(([, value]) => value)
    .map(function parse(value) {
      return json.decode<{ n: number }>(value);
    })
    .capture(new ManualOutputConfig(() => () => {}));
  const error = await assertRejects(() => run(flow), StepError) as StepError;
  assertEquals(error.stepId, "parse");
  assertEquals(error.item, `bytes "oops"`);
  assertEquals(error.origin, `topic "${topic}", partition 1, offset 1667`);
});
