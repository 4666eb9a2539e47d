/** What inputs and outputs tell of the time before they were open. */
import { assert, assertEquals } from "@std/assert";
import { readInputProperties } from "../../../src/connectors/kafka/properties/input_settings.ts";
import { readOutputProperties } from "../../../src/connectors/kafka/properties/output_settings.ts";
import { openKafkaReader } from "../../../src/connectors/kafka/read/open_reader.ts";
import { openKafkaWriter } from "../../../src/connectors/kafka/write/sink.ts";
import { FAKE_TOPIC, type FakeBroker } from "../../support/kafka/fake_broker.ts";
import { fakeLog } from "../../support/kafka/fake_log.ts";
import { testPlace } from "../../support/runtime/test_place.ts";

const OPENERS = {
  input: ({ brokers }: FakeBroker) =>
    openKafkaReader(
      {
        brokers,
        topics: [FAKE_TOPIC],
        tail: true,
        start: "beginning",
        input: readInputProperties({}),
      },
      testPlace(),
      new Map(),
      ({ offset }) => offset,
    ),
  output: ({ brokers }: FakeBroker) =>
    openKafkaWriter(
      { brokers, topic: FAKE_TOPIC, output: readOutputProperties({ "enable.idempotence": false }) },
      testPlace(),
    ),
};

for (const [kind, open] of Object.entries(OPENERS)) {
  Deno.test(`an ${kind} does not count attempts to open it as reconnections`, async () => {
    let asked = 0;
    await using broker = fakeLog([{ values: [] }], { knowsTopic: () => ++asked > 2 });
    const opened = await open(broker);
    try {
      assert(asked > 2);
      assertEquals(opened.connections!(), [
        { to: broker.brokers[0], reconnects: 0, throttledMs: 0 },
      ]);
    } finally {
      await opened.close();
    }
  });
}
