import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  type InputSettings,
  readInputProperties,
} from "../../../../src/connectors/kafka/properties/input_settings.ts";
import type { KafkaProperties } from "../../../../src/connectors/kafka/properties/given_properties.ts";
import { refusal } from "../../../support/error_messages.ts";

const DEFAULTS: InputSettings = {
  clientId: "millrace",
  ssl: null,
  sasl: null,
  requestTimeoutMs: 30_000,
  connectionTimeoutMs: 10_000,
  retryBackoffMs: 100,
  retryBackoffMaxMs: 2_000,
  metadataMaxAgeMs: 30_000,
  noDelay: true,
  addressFamily: 0,
  isolation: "read_committed",
  offsetReset: "error",
  groupId: null,
  fetchWaitMs: 250,
  fetchMinBytes: 1,
  fetchMaxBytes: 16 << 20,
  partitionMaxBytes: 1 << 20,
  queuedMaxBytes: 16 << 20,
  checkCrcs: true,
};

Deno.test("readInputProperties() reads no properties as those of no object", () => {
  assertEquals(readInputProperties(), DEFAULTS);
});

for (
  const [properties, expected] of [
    [{}, {}],
    [{ "client.id": "reader" }, { clientId: "reader" }],
    [{ "isolation.level": "READ_UNCOMMITTED" }, { isolation: "read_uncommitted" }],
    [{ "isolation.level": "read_committed" }, {}],
    [{ "auto.offset.reset": "earliest" }, { offsetReset: "beginning" }],
    [{ "auto.offset.reset": "smallest" }, { offsetReset: "beginning" }],
    [{ "auto.offset.reset": "beginning" }, { offsetReset: "beginning" }],
    [{ "auto.offset.reset": "Latest" }, { offsetReset: "end" }],
    [{ "auto.offset.reset": "largest" }, { offsetReset: "end" }],
    [{ "auto.offset.reset": "end" }, { offsetReset: "end" }],
    [{ "auto.offset.reset": "error" }, {}],
    [{ "group.id": "totals" }, { groupId: "totals" }],
    [{ "fetch.wait.max.ms": 0 }, { fetchWaitMs: 0 }],
    [{ "fetch.wait.max.ms": 29_999 }, { fetchWaitMs: 29_999 }],
    [{ "fetch.min.bytes": "65536" }, { fetchMinBytes: 65_536 }],
    [{ "fetch.max.bytes": 2_147_483_135 }, { fetchMaxBytes: 2_147_483_135 }],
    [{ "max.partition.fetch.bytes": 4 << 20 }, { partitionMaxBytes: 4 << 20 }],
    [{ "fetch.message.max.bytes": 1 }, { partitionMaxBytes: 1 }],
    [{ "queued.max.messages.kbytes": 1 }, { queuedMaxBytes: 1_024 }],
    [{ "queued.max.messages.kbytes": 2_097_151 }, { queuedMaxBytes: 2_097_151 * 1_024 }],
    [{ "check.crcs": false }, { checkCrcs: false }],
    [{ "enable.auto.commit": false, "enable.partition.eof": "false" }, {}],
  ] as readonly [KafkaProperties, Partial<InputSettings>][]
) {
  Deno.test(`readInputProperties() reads ${JSON.stringify(properties)}`, () => {
    assertEquals(readInputProperties(properties), { ...DEFAULTS, ...expected });
  });
}

for (
  const [name, values] of [
    ["isolation.level", ["committed", ""]],
    ["auto.offset.reset", ["none", "", "0"]],
    ["group.id", [""]],
    ["fetch.wait.max.ms", [-1, 300_001, 0.5]],
    ["fetch.max.bytes", [-1, 2_147_483_136]],
    ["max.partition.fetch.bytes", [0, 1_000_000_001]],
    ["queued.max.messages.kbytes", [0, 2_097_152]],
    ["check.crcs", ["yes", 1]],
    ["enable.auto.commit", [true, "true"]],
    ["auto.commit.enable", [true]],
    ["enable.partition.eof", [true]],
  ] as const
) {
  for (const value of values) {
    Deno.test(`readInputProperties() refuses ${name} ${Deno.inspect(value)}, and says what it takes`, () => {
      const message = refusal(() => readInputProperties({ [name]: value }));
      assertStringIncludes(message, `Kafka property "${name}" takes `);
      assertStringIncludes(message, `got ${Deno.inspect(value)}`);
    });
  }
}

Deno.test("readInputProperties() refuses a longer wait of the broker than ours for its answer", () => {
  assertEquals(
    refusal(() => readInputProperties({ "fetch.wait.max.ms": 500, "socket.timeout.ms": 500 })),
    'Kafka property "fetch.wait.max.ms" is 500: it must be less than "socket.timeout.ms", 500, or ' +
      "no answer comes in time",
  );
  assertStringIncludes(refusal(() => readInputProperties({ "socket.timeout.ms": 250 })), "is 250");
  assertStringIncludes(
    refusal(() => readInputProperties({ "fetch.wait.max.ms": 30_000 })),
    "30000, or no answer",
  );
});
