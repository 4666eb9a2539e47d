import { KafkaRecoveryConfig } from "../../src/connectors/kafka_recovery/kafka_recovery.ts";
import { testRecoveryStore } from "../conformance/recovery_store.ts";
import { kafkaBrokers } from "../support/kafka.ts";

testRecoveryStore("a store on Kafka", async () => {
  const brokers = await kafkaBrokers();
  const topicPrefix = `store-${crypto.randomUUID()}`;
  const config = () => new KafkaRecoveryConfig({ brokers, topicPrefix });
  return { config, [Symbol.asyncDispose]: () => config().drop() };
});
