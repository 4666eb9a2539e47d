import { readOutputProperties } from "../../../src/connectors/kafka/properties/output_settings.ts";
import type { KafkaProperties } from "../../../src/connectors/kafka/properties/given_properties.ts";
import { openKafkaWriter } from "../../../src/connectors/kafka/write/sink.ts";
import { FAKE_TOPIC, type FakeBroker } from "./fake_broker.ts";
import { testPlace } from "../runtime/test_place.ts";

/** Writes one record to a broker under test, and waits until it is acknowledged. */
export async function writeOneRecord(
  broker: FakeBroker,
  properties: KafkaProperties = {},
): Promise<void> {
  const settings = {
    brokers: broker.brokers,
    topic: FAKE_TOPIC,
    output: readOutputProperties(properties),
  };
  const writer = await openKafkaWriter(settings, testPlace());
  try {
    await writer.write([["key", "value"]], 0);
    await writer.prepare(0);
  } finally {
    await writer.close();
  }
}
