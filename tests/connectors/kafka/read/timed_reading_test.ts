import { assertEquals, assertStringIncludes } from "@std/assert";
import type { KafkaProperties } from "../../../../src/connectors/kafka/properties/given_properties.ts";
import { readInputProperties } from "../../../../src/connectors/kafka/properties/input_settings.ts";
import { forTime } from "../../../../src/connectors/kafka/read/timed_reading.ts";
import { recordingLog } from "../../../support/recording_log.ts";

/** The waits that follow from properties, and the warnings. */
function waits(properties: KafkaProperties) {
  const { log, warnings } = recordingLog();
  const settings = {
    brokers: ["none:1"] as const,
    topics: ["topic"],
    tail: true,
    start: "beginning" as const,
    input: readInputProperties(properties),
  };
  const { fetchMinBytes, fetchWaitMs, metadataMaxAgeMs } = forTime(settings, log).input;
  return { waits: { fetchMinBytes, fetchWaitMs, metadataMaxAgeMs }, warnings };
}

Deno.test("forTime() looks for new partitions more often, and keeps short waits", () => {
  assertEquals(waits({}), {
    waits: { fetchMinBytes: 1, fetchWaitMs: 250, metadataMaxAgeMs: 10_000 },
    warnings: [],
  });
  const short = { "fetch.wait.max.ms": 20, "fetch.min.bytes": 0, "metadata.max.age.ms": 500 };
  assertEquals(waits(short), {
    waits: { fetchMinBytes: 0, fetchWaitMs: 20, metadataMaxAgeMs: 500 },
    warnings: [],
  });
});

Deno.test("forTime() shortens long waits, and logs that", () => {
  const longs: KafkaProperties[] = [{ "fetch.wait.max.ms": 501 }, { "fetch.min.bytes": 2 }];
  for (const long of longs) {
    const { waits: { fetchMinBytes, fetchWaitMs }, warnings } = waits(long);
    assertEquals(fetchMinBytes, 1);
    assertEquals(fetchWaitMs, "fetch.wait.max.ms" in long ? 500 : 250);
    assertEquals(warnings.length, 1);
    assertStringIncludes(warnings[0], Object.keys(long)[0]);
  }
});
