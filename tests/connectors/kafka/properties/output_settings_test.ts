import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Codec } from "../../../../src/connectors/kafka/compression/codec.ts";
import type { KafkaProperties } from "../../../../src/connectors/kafka/properties/given_properties.ts";
import {
  type OutputSettings,
  readOutputProperties,
} from "../../../../src/connectors/kafka/properties/output_settings.ts";
import { refusal } from "../../../support/error_messages.ts";

type Expected = Omit<OutputSettings, "compression"> & { readonly compression: Codec };

const DEFAULTS: Expected = {
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
  acks: "all",
  idempotent: true,
  compression: "none",
  lingerMs: 0,
  batchBytes: 900_000,
  batchRecords: 10_000,
  queuedMaxBytes: 16 << 20,
  queuedMaxRecords: Infinity,
  messageMaxBytes: null,
  deliveryTimeoutMs: 120_000,
  ackTimeoutMs: 30_000,
  maxRetries: Infinity,
  partitioner: "murmur2_random",
  transactions: null,
};

Deno.test("readOutputProperties() reads no properties as those of no object", () => {
  assertEquals<Expected>(readOutputProperties(), DEFAULTS);
});

const LEADER = { acks: "leader", idempotent: false } as const;

for (
  const [properties, expected] of [
    [{}, {}],
    [{ "client.id": "writer" }, { clientId: "writer" }],
    [{ acks: "all" }, {}],
    [{ acks: "ALL" }, {}],
    [{ acks: -1 }, {}],
    [{ acks: "-1" }, {}],
    [{ acks: 1 }, LEADER],
    [{ "request.required.acks": "1" }, LEADER],
    [{ acks: 1, "enable.idempotence": false }, LEADER],
    [{ "enable.idempotence": false }, { idempotent: false }],
    [{ "enable.idempotence": "true", acks: "all" }, {}],
    [{ "compression.type": "gzip" }, { compression: "gzip" }],
    [{ "compression.codec": "SNAPPY" }, { compression: "snappy" }],
    [{ "compression.type": "lz4", "compression.level": -1 }, { compression: "lz4" }],
    [{ "compression.type": "none", "compression.level": "-1" }, {}],
    [{ "compression.type": "zstd" }, { compression: "zstd" }],
    [
      { "compression.type": "zstd", "compression.level": 12 },
      { compression: "zstd", compressionLevel: 12 },
    ],
    [
      { "compression.type": "gzip", "compression.level": "1" },
      { compression: "gzip", compressionLevel: 1 },
    ],
    [{ "linger.ms": 5 }, { lingerMs: 5 }],
    [{ "linger.ms": "0.5" }, { lingerMs: 0.5 }],
    [{ "queue.buffering.max.ms": "20" }, { lingerMs: 20 }],
    [{ "linger.ms": 900_000, "message.timeout.ms": 0 }, {
      lingerMs: 900_000,
      deliveryTimeoutMs: Infinity,
    }],
    [{ "batch.size": 1 }, { batchBytes: 1 }],
    [{ "batch.num.messages": 1_000_000 }, { batchRecords: 1_000_000 }],
    [{ "queue.buffering.max.kbytes": 1 }, { queuedMaxBytes: 1_024 }],
    [{ "queue.buffering.max.messages": 0 }, {}],
    [{ "queue.buffering.max.messages": 500 }, { queuedMaxRecords: 500 }],
    [{ "message.max.bytes": 10_000_000 }, { messageMaxBytes: 10_000_000 }],
    [{ "message.max.bytes": 1_000 }, { messageMaxBytes: 1_000, batchBytes: 1_000 }],
    [{ "message.max.bytes": 2_000, "batch.size": 1_500 }, {
      messageMaxBytes: 2_000,
      batchBytes: 1_500,
    }],
    [{ "message.timeout.ms": 1 }, { deliveryTimeoutMs: 1 }],
    [{ "delivery.timeout.ms": "0" }, { deliveryTimeoutMs: Infinity }],
    [{ "request.timeout.ms": 900_000 }, { ackTimeoutMs: 900_000 }],
    [{ "message.send.max.retries": 0 }, { maxRetries: 0 }],
    [{ retries: 5, "enable.idempotence": true }, { maxRetries: 5 }],
    [{ partitioner: "consistent_random" }, { partitioner: "consistent_random" }],
    [{ partitioner: "fnv1a" }, { partitioner: "fnv1a" }],
    [{ "queuing.strategy": "fifo" }, {}],
  ] as readonly [KafkaProperties, Partial<Expected>][]
) {
  Deno.test(`readOutputProperties() reads ${JSON.stringify(properties)}`, () => {
    assertEquals<Expected>(readOutputProperties(properties), { ...DEFAULTS, ...expected });
  });
}

for (
  const [name, values] of [
    ["acks", ["0", 0, 2, "leader", "", " 1", true]],
    ["enable.idempotence", ["yes", 1]],
    ["compression.type", ["inherit", "brotli", "", false]],
    ["compression.level", [-2, 13, "high"]],
    ["linger.ms", [-1, "5ms", "", " 5", 900_001, 1e21, NaN, Infinity, true, "1e3"]],
    ["batch.size", [0, 2_147_483_648]],
    ["batch.num.messages", [0, 1_000_001]],
    ["queue.buffering.max.kbytes", [0, "1.5"]],
    ["queue.buffering.max.messages", [-1]],
    ["message.max.bytes", [999, 1_000_000_001]],
    ["message.timeout.ms", [-1, 2_147_483_648]],
    ["request.timeout.ms", [0, 900_001]],
    ["retries", [-1, 1.5]],
    ["partitioner", ["Murmur2", "murmur3", "", "default"]],
    ["queuing.strategy", ["lifo"]],
  ] as const
) {
  for (const value of values) {
    Deno.test(`readOutputProperties() refuses ${name} ${Deno.inspect(value)}, and says what it takes`, () => {
      const message = refusal(() => readOutputProperties({ [name]: value }));
      assertStringIncludes(message, `Kafka property "${name}" takes `);
      assertStringIncludes(message, `got ${Deno.inspect(value)}`);
    });
  }
}

for (
  const [properties, expected] of [
    [
      { "enable.idempotence": true, "request.required.acks": 1 },
      '"enable.idempotence" is only of use with "request.required.acks": all',
    ],
    [
      { "enable.idempotence": true, retries: 0 },
      '"enable.idempotence" is only of use with "retries" of 1 or more',
    ],
    [
      { "compression.level": 3 },
      '"compression.level" has no effect on "compression.type": none; it is for gzip and zstd',
    ],
    [
      { "compression.codec": "snappy", "compression.level": 0 },
      '"compression.level" has no effect on "compression.type": snappy; it is for gzip and zstd',
    ],
    [
      { "compression.type": "lz4", "compression.level": 9 },
      '"compression.level" has no effect on "compression.type": lz4; it is for gzip and zstd',
    ],
    [
      { "compression.type": "gzip", "compression.level": 10 },
      '"compression.level" takes 1 to 9 for gzip; got 10',
    ],
    [
      { "compression.type": "zstd", "compression.level": 0 },
      '"compression.level" takes 1 to 12 for zstd; got 0',
    ],
    [
      { "linger.ms": 200, "delivery.timeout.ms": 200 },
      '"linger.ms" is 200: it must be less than "delivery.timeout.ms", 200',
    ],
    [
      { "queue.buffering.max.ms": 120_000 },
      '"queue.buffering.max.ms" is 120000: it must be less than "message.timeout.ms", 120000',
    ],
  ] as readonly [KafkaProperties, string][]
) {
  Deno.test(`readOutputProperties() refuses ${JSON.stringify(properties)}, which contradict`, () => {
    assertEquals(refusal(() => readOutputProperties(properties)), `Kafka property ${expected}`);
  });
}

Deno.test("readOutputProperties() reads how transactions are made, for exactly-once", () => {
  const exactly = (properties: KafkaProperties) =>
    readOutputProperties(properties, "exactly-once").transactions;
  assertEquals(exactly({}), { timeoutMs: 900_000, idPrefix: null });
  assertEquals(exactly({ "transactional.id": "mine", "transaction.timeout.ms": 60_000 }), {
    timeoutMs: 60_000,
    idPrefix: "mine",
  });
});

for (
  const [properties, expected] of [
    [{ acks: 1 }, `delivery: "exactly-once" needs "acks": all, not 1`],
    [
      { "request.required.acks": 1 },
      `delivery: "exactly-once" needs "request.required.acks": all, not 1`,
    ],
    [
      { "enable.idempotence": false },
      `delivery: "exactly-once" needs "enable.idempotence": true, which is the default`,
    ],
  ] as const
) {
  Deno.test(`readOutputProperties() refuses ${JSON.stringify(properties)} for exactly-once`, () => {
    assertEquals(refusal(() => readOutputProperties(properties, "exactly-once")), expected);
  });
}

for (const name of ["transactional.id", "transaction.timeout.ms"]) {
  Deno.test(`readOutputProperties() refuses ${name} without exactly-once`, () => {
    assertEquals(
      refusal(() => readOutputProperties({ [name]: 60_000 })),
      `Kafka property "${name}" has an effect only with delivery: "exactly-once"`,
    );
  });
}
