import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  FAKE_TOPIC,
  FakeBroker,
  type FakeBrokerOptions,
  producedAnswer,
  producerIdAnswer,
} from "../../../support/kafka/fake_broker.ts";
import { writeOneRecord } from "../../../support/kafka/write_one_record.ts";

function options(more: FakeBrokerOptions = {}): FakeBrokerOptions {
  return {
    ...more,
    versions: { Produce: [0, 7], InitProducerId: [0, 1], ...more.versions },
    answers: {
      Produce: ({ version }) => producedAnswer(version),
      InitProducerId: ({ version }) => producerIdAnswer(version),
      ...more.answers,
    },
  };
}

Deno.test("idempotent writes do not need the controller", async () => {
  for (const controllerId of [0, -1]) {
    await using broker = new FakeBroker(options({ controllerId }));
    await writeOneRecord(broker);
    assertEquals(broker.asked("Produce"), [7]);
  }
});

Deno.test("InitProducerId is sent in the newest version that both sides know", async () => {
  for (const [first, last, asked] of [[0, 0, 0], [0, 1, 1], [3, 4, 4], [0, 6, 4]] as const) {
    await using broker = new FakeBroker(options({ versions: { InitProducerId: [first, last] } }));
    await writeOneRecord(broker);
    assertEquals(broker.asked("InitProducerId"), [asked]);
  }
});

Deno.test("zstd is refused on a broker before Kafka 2.1 before any record is written", async () => {
  await using broker = new FakeBroker(options({ versions: { Produce: [0, 6] } }));
  const properties = { "compression.type": "zstd" } as const;
  await assertRejects(
    () => writeOneRecord(broker, properties),
    Error,
    `"compression.type": zstd needs Kafka 2.1 or newer`,
  );
  assertEquals(broker.asked("Produce"), []);
  await writeOneRecord(broker, { "compression.type": "lz4" });
  assertEquals(broker.asked("Produce"), [6]);
});

Deno.test("a broker without idempotent writes ends the run at once and says what to set", async () => {
  const { InitProducerId: _, ...versions } = options().versions!;
  await using broker = new FakeBroker({ ...options(), versions });
  const error = await assertRejects(
    () => writeOneRecord(broker),
    Error,
    "the broker does not have the request InitProducerId",
  );
  assertStringIncludes(error.message, `set "enable.idempotence" to false`);
  await writeOneRecord(broker, { "enable.idempotence": false });
  assertEquals(broker.asked("Produce"), [7]);
});

Deno.test("a broker that fails at InitProducerId is reported with the request and what to set", async () => {
  await using broker = new FakeBroker(
    options({ answers: { InitProducerId: ({ version }) => producerIdAnswer(version, -1) } }),
  );
  const error = await assertRejects(
    () => writeOneRecord(broker, { "message.timeout.ms": 300, "retry.backoff.ms": 20 }),
    Error,
    "InitProducerId: The server experienced an unexpected error",
  );
  assertStringIncludes(error.message, `set "enable.idempotence" to false`);
});

Deno.test("a broker that does not accept a codec ends the run at once, with the request", async () => {
  const UNSUPPORTED_COMPRESSION_TYPE = 76;
  await using broker = new FakeBroker(options({
    answers: { Produce: ({ version }) => producedAnswer(version, UNSUPPORTED_COMPRESSION_TYPE) },
  }));
  await assertRejects(
    () => writeOneRecord(broker, { "compression.type": "lz4" }),
    Error,
    `cannot write to topic "${FAKE_TOPIC}": Produce: `,
  );
  assertEquals(broker.asked("Produce").length, 1);
});

Deno.test("a broker that has dropped our versions of Produce is refused, and not asked", async () => {
  await using broker = new FakeBroker(options({ versions: { Produce: [9, 13] } }));
  await assertRejects(
    () => writeOneRecord(broker),
    Error,
    "the broker accepts the request Produce from version 9 on, and this Millrace knows it up to 8",
  );
  assertEquals(broker.asked("Produce"), []);
});
