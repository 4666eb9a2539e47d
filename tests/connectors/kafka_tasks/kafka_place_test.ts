import { assert, assertEquals, assertRejects } from "@std/assert";
import { FlowDefinitionError } from "../../../src/core/errors.ts";
import {
  FileInputConfig,
  KafkaInputConfig,
  KafkaMessageInputConfig,
  KafkaOutputConfig,
  StdOutputConfig,
} from "millrace";
import {
  type KafkaPlace,
  kafkaPlaceOf,
  requireOneCluster,
} from "../../../src/connectors/kafka_tasks/kafka_place.ts";
import { FAKE_TOPIC, FakeBroker } from "../../support/kafka/fake_broker.ts";
import { testPlace } from "../../support/runtime/test_place.ts";

const input = (brokers: readonly string[], stepId = "in") =>
  kafkaPlaceOf(new KafkaInputConfig({ brokers, topic: FAKE_TOPIC }), stepId)!;

const output = (brokers: readonly string[], stepId = "out") =>
  kafkaPlaceOf(new KafkaOutputConfig({ brokers, topic: FAKE_TOPIC }), stepId)!;

/** The same broker by another address. */
const aliasOf = ({ port }: FakeBroker) => [`localhost:${port}`];

Deno.test("the place of an input or output has its topics, brokers and settings", () => {
  const options = {
    brokers: ["k:9092"],
    topic: ["a", "b"],
    additionalProperties: { "client.id": "me" },
  };
  const places: (KafkaPlace | null)[] = [
    kafkaPlaceOf(new KafkaInputConfig(options), "s"),
    kafkaPlaceOf(new KafkaMessageInputConfig(options), "s"),
    kafkaPlaceOf(new KafkaOutputConfig({ ...options, topic: "a" }), "s"),
  ];
  assertEquals(
    places.map((each) => [each!.kind, each!.topics, each!.brokers, each!.settings.clientId]),
    [
      ["input", ["a", "b"], ["k:9092"], "me"],
      ["input", ["a", "b"], ["k:9092"], "me"],
      ["output", ["a"], ["k:9092"], "me"],
    ],
  );
  assertEquals(kafkaPlaceOf(new FileInputConfig({ path: "a.txt" }), "s"), null);
  assertEquals(kafkaPlaceOf(new StdOutputConfig(), "s"), null);
});

Deno.test("one cluster by several addresses is one", async () => {
  await using broker = new FakeBroker({ clusterId: "one" });
  const places = [input(broker.brokers), output(aliasOf(broker)), output(broker.brokers, "out2")];
  const { clusterId, brokers } = await requireOneCluster(places, testPlace());
  assertEquals([clusterId, brokers], ["one", places[0].brokers]);
});

Deno.test("inputs and outputs of two clusters are refused, with their steps and a cure", async () => {
  await using one = new FakeBroker({ clusterId: "one" });
  await using two = new FakeBroker({ clusterId: "two" });
  const error = await assertRejects(
    () => requireOneCluster([input(one.brokers), output(two.brokers)], testPlace()),
    Error,
  );
  const parts = [`input "in"`, "one", `output "out"`, "two", two.brokers[0], "without --group"];
  for (const part of parts) assert(error.message.includes(part), `${error.message}: no ${part}`);
});

Deno.test("brokers that report no cluster are told apart by their addresses", async () => {
  await using one = new FakeBroker({ clusterId: null });
  await using two = new FakeBroker({ clusterId: null });
  const place = testPlace();
  assertEquals(
    (await requireOneCluster([input(one.brokers), output(one.brokers)], place)).clusterId,
    null,
  );
  await assertRejects(
    () => requireOneCluster([input(one.brokers), output(two.brokers)], place),
    Error,
    "cluster without an id",
  );
});

Deno.test("a flow without Kafka is refused", async () => {
  await assertRejects(
    () => requireOneCluster([], testPlace()),
    FlowDefinitionError,
    "needs a Kafka input",
  );
});
