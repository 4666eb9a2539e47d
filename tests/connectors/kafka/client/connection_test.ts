import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { KafkaConnection } from "../../../../src/connectors/kafka/client/connection.ts";
import { messageOfKafka } from "../../../../src/connectors/kafka/client/errors.ts";
import { fetchMetadata } from "../../../../src/connectors/kafka/wire/metadata.ts";
import { readInputProperties } from "../../../../src/connectors/kafka/properties/input_settings.ts";
import { WireWriter } from "../../../../src/connectors/kafka/wire/wire.ts";
import {
  coordinatorAnswer,
  FAKE_TOPIC,
  FakeBroker,
  type FakeBrokerOptions,
} from "../../../support/kafka/fake_broker.ts";
import { testPlace } from "../../../support/runtime/test_place.ts";

/** A connection to a broker under test. */
async function connected(
  options: FakeBrokerOptions,
  use: (connection: KafkaConnection, broker: FakeBroker) => Promise<void>,
): Promise<void> {
  await using broker = new FakeBroker(options);
  const connection = new KafkaConnection(
    broker.brokers,
    [FAKE_TOPIC],
    readInputProperties(),
    testPlace(),
  );
  try {
    await use(connection, broker);
  } finally {
    await connection.close();
  }
}

/** Runs a test whose monotonic clock stands still until the test moves it. */
async function withClock(use: (clock: { ms: number }) => Promise<void>): Promise<void> {
  const original = performance.now;
  const clock = { ms: 0 };
  performance.now = () => clock.ms;
  try {
    await use(clock);
  } finally {
    performance.now = original;
  }
}

/** OffsetCommit's answer: success, or an error. */
function committed(errorCode = 0) {
  const out = new WireWriter(false);
  out.int32(0);
  out.array([FAKE_TOPIC], (topic) => {
    out.string(topic);
    out.array([0], (partition) => {
      out.int32(partition);
      out.int16(errorCode);
    });
  });
  return out.written;
}

const OFFSETS = [{ topic: FAKE_TOPIC, partition: 0, offset: 5n }];

for (const [what, code] of [["no coordinator yet", 15], ["one that is loading", 14]] as const) {
  Deno.test(`positions of the first group of a cluster are committed, with ${what}`, async () => {
    let asked = 0;
    let port = 0;
    await connected({
      versions: { FindCoordinator: [0, 2], OffsetCommit: [2, 5] },
      answers: {
        FindCoordinator: () => coordinatorAnswer(++asked <= 3 ? code : 0, port),
        OffsetCommit: () => committed(),
      },
    }, async (connection, broker) => {
      port = broker.port;
      await connection.commitGroup("group", OFFSETS);
      assertEquals(broker.asked("FindCoordinator").length, 4);
      assertEquals(broker.asked("OffsetCommit"), [5]);
    });
  });
}

Deno.test("a coordinator that refuses a group says so, and is not asked again", async () => {
  await connected({
    versions: { FindCoordinator: [0, 2], OffsetCommit: [2, 5] },
    answers: { FindCoordinator: () => coordinatorAnswer(30, 0) },
  }, async (connection, broker) => {
    const error = await assertRejects(() => connection.commitGroup("group", OFFSETS), Error);
    assertEquals((error as { type?: string }).type, "GROUP_AUTHORIZATION_FAILED");
    assertEquals(broker.asked("FindCoordinator").length, 1);
  });
});

/** How long the tests' brokers take to answer about a topic. */
const ASKING_MS = 300;

Deno.test("a topic that a broker learns of within a second of the first request exists", async () => {
  await withClock(async (clock) => {
    let asked = 0;
    await connected({
      knowsTopic: () => {
        clock.ms += ASKING_MS;
        return ++asked > 3;
      },
    }, async (connection) => {
      assertEquals(await connection.open(() => Promise.resolve("began")), "began");
      assertEquals(asked, 4);
    });
  });
});

Deno.test("a topic that no broker knows for a second is refused, and not requested again", async () => {
  await withClock(async (clock) => {
    await connected({
      knowsTopic: () => {
        clock.ms += ASKING_MS;
        return false;
      },
    }, async (connection, broker) => {
      await assertRejects(
        () => connection.open(() => Promise.resolve()),
        Error,
        `topic "${FAKE_TOPIC}" does not exist on ${
          broker.brokers[0]
        }: create it first, or check its name`,
      );
      assertEquals(clock.ms, 5 * ASKING_MS); // the first answer, and a second
      assertEquals(broker.asked("Metadata").length, 5);
    });
  });
});

Deno.test("an incomplete start does not log that the broker is back", async () => {
  await withClock(async (clock) => {
    for (const isWhole of [true, false]) {
      await using broker = new FakeBroker();
      const place = testPlace();
      const settings = readInputProperties({ "retry.backoff.ms": 1 });
      const connection = new KafkaConnection(broker.brokers, [FAKE_TOPIC], settings, place);
      try {
        let asked = 0;
        const ask = () => {
          clock.ms += 1_000;
          return ++asked < 3 ? Promise.reject(new Error("away")) : Promise.resolve("some");
        };
        assertEquals(await connection.open(ask, { isWhole: () => isWhole }), "some");
        const waiting = "warn: waiting for broker";
        const back = "warn: broker is back";
        const warnings = () => place.logged.filter((line) => line.startsWith("warn"));
        assertEquals(warnings(), isWhole ? [waiting, back] : [waiting]);
        assertEquals(connection.waitingFor, isWhole ? null : "broker");
        connection.succeeded();
        connection.succeeded();
        assertEquals(warnings(), [waiting, back]);
      } finally {
        await connection.close();
      }
    }
  });
});

Deno.test("a topic of which one broker does not learn is found with another", async () => {
  let cluster: FakeBroker[] = [];
  const ports = () => cluster.map(({ port }) => port);
  await using behind = new FakeBroker({ knowsTopic: () => false, ports });
  await using ahead = new FakeBroker({ ports });
  cluster = [behind, ahead];
  const settings = readInputProperties();
  const connection = new KafkaConnection(behind.brokers, [FAKE_TOPIC], settings, testPlace());
  try {
    await connection.open(() => Promise.resolve());
    assertEquals([behind, ahead].map((broker) => broker.asked("Metadata").length), [1, 1]);
  } finally {
    await connection.close();
  }
});

Deno.test("a topic that is new to a group's coordinator is committed a moment later", async () => {
  let port = 0;
  let asked = 0;
  await connected({
    versions: { FindCoordinator: [0, 2], OffsetCommit: [2, 5] },
    answers: {
      FindCoordinator: () => coordinatorAnswer(0, port),
      OffsetCommit: () => committed(++asked <= 2 ? 3 : 0),
    },
  }, async (connection, broker) => {
    port = broker.port;
    await connection.commitGroup("group", OFFSETS);
    assertEquals(asked, 3);
  });
});

Deno.test("a topic that a group's coordinator does not know for a second is not committed", async () => {
  await withClock(async (clock) => {
    let port = 0;
    await connected({
      versions: { FindCoordinator: [0, 2], OffsetCommit: [2, 5] },
      answers: {
        FindCoordinator: () => coordinatorAnswer(0, port),
        OffsetCommit: () => {
          clock.ms += ASKING_MS;
          return committed(3);
        },
      },
    }, async (connection, broker) => {
      port = broker.port;
      const error = await assertRejects(() => connection.commitGroup("group", OFFSETS), Error);
      assertEquals((error as { type?: string }).type, "UNKNOWN_TOPIC_OR_PARTITION");
      assertEquals(clock.ms, 4 * ASKING_MS);
    });
  });
});

Deno.test("a request that the broker does not have is a final error with its name", async () => {
  // One request of our own, and one of KafkaJS's.
  for (
    const versions of [{}, { FindCoordinator: [0, 2] }] satisfies FakeBrokerOptions["versions"][]
  ) {
    let port = 0;
    await connected({
      versions,
      answers: { FindCoordinator: () => coordinatorAnswer(0, port) },
    }, async (connection, broker) => {
      port = broker.port;
      const missing = "FindCoordinator" in versions ? "OffsetCommit" : "FindCoordinator";
      const error = await assertRejects(
        () => connection.open(() => connection.commitGroup("group", OFFSETS)),
        Error,
        `cannot use ${broker.brokers} for topic "topic": the broker does not have the request ${missing}`,
      );
      assertStringIncludes(error.message, `leave out "group.id"`);
    });
  }
});

Deno.test("a broker that closes the connection at a request is reported with that request", async () => {
  await connected({
    versions: { FindCoordinator: [0, 2] },
    answers: { FindCoordinator: () => null },
  }, async (connection, broker) => {
    const error = await assertRejects(
      () => connection.open(() => connection.commitGroup("group", OFFSETS), { limitMs: 300 }),
      Error,
      `no answer to the request FindCoordinator from ${broker.brokers} within 0.3 s: Closed connection`,
    );
    assertStringIncludes(error.message, `does the broker take this request? leave out "group.id"`);
  });
});

Deno.test("a broker that answers with an error is not reported as out of reach", async () => {
  const loading = 14; // COORDINATOR_LOAD_IN_PROGRESS
  await connected({
    versions: { FindCoordinator: [0, 2] },
    answers: { FindCoordinator: () => coordinatorAnswer(loading, 0) },
  }, async (connection, broker) => {
    const ask = async () => await connection.coordinator({ kind: "transaction", id: "id" });
    await assertRejects(
      () => connection.open(ask, { limitMs: 300 }),
      Error,
      `the request FindCoordinator does not succeed at ${broker.brokers} within 0.3 s: `,
    );
  });
});

Deno.test("a partition without a leader is not reported as brokers out of reach", async () => {
  await connected({}, async (connection, broker) => {
    const partition = { topic: FAKE_TOPIC, partition: 7 }; // which has none
    const error = await assertRejects(
      () => connection.open(() => connection.offsets([partition], "last"), { limitMs: 300 }),
      Error,
    );
    assertEquals(
      error.message,
      `not all brokers that are needed are in reach at ${broker.brokers} within 0.3 s: topic ` +
        `"${FAKE_TOPIC}", partition 7 has no leader now (are all brokers of the cluster running?)`,
    );
  });
});

Deno.test("a broker that closes connections at once may have another protocol on that port", async () => {
  await connected({ answers: { Metadata: () => null } }, async (connection, broker) => {
    const error = await assertRejects(
      () => connection.open(() => Promise.resolve(), { limitMs: 300 }),
      Error,
      `no Kafka broker in reach at ${broker.brokers} within 0.3 s: Closed connection`,
    );
    assertStringIncludes(error.message, "security.protocol");
  });
});

Deno.test("a broker that has dropped the versions of a request that we know is refused", async () => {
  await connected({ versions: { Metadata: [0, 6], ListOffsets: [7, 9] } }, async (connection) => {
    await assertRejects(
      () =>
        connection.open(() => connection.offsets([{ topic: FAKE_TOPIC, partition: 0 }], "first")),
      Error,
      "the broker accepts the request ListOffsets from version 7 on, and this Millrace knows it up to 6",
    );
  });
});

Deno.test("an error without a message is reported with the request that it answers", async () => {
  await connected({
    versions: { FindCoordinator: [0, 2], OffsetCommit: [2, 5] },
    answers: { FindCoordinator: () => coordinatorAnswer(-1, 0) },
  }, async (connection) => {
    const error = await assertRejects(() => connection.commitGroup("group", OFFSETS));
    assertEquals(
      messageOfKafka(error),
      "FindCoordinator: The server experienced an unexpected error when processing the request",
    );
  });
});

Deno.test("a controller that the metadata does not list is not needed", async () => {
  for (const controllerId of [0, -1]) {
    await connected({ controllerId }, async (connection) => {
      for (const broker of [await connection.anyBroker(), await connection.controller()]) {
        const { controllerId: told } = await fetchMetadata(broker, [FAKE_TOPIC]);
        assertEquals(told, controllerId);
      }
    });
  }
});

Deno.test("a connection that is made again after it was dropped counts by its broker", async () => {
  await connected({}, async (connection, { brokers: [broker] }) => {
    assertEquals(connection.connections(), []);
    const reconnects = () => connection.connections().find(({ to }) => to === broker)?.reconnects;
    await connection.anyBroker();
    assertEquals(reconnects(), 0);
    for (let times = 1; times <= 2; times++) {
      connection.drop();
      await connection.anyBroker();
      assertEquals(reconnects(), times);
    }
  });
});

Deno.test("connections that were made again until all was open do not count", async () => {
  for (const isConnected of [true, false]) {
    await connected({}, async (connection, { brokers: [to] }) => {
      const reconnects = () => connection.connections().map(({ reconnects }) => reconnects);
      for (let times = 0; times < 3; times++) {
        await connection.anyBroker();
        connection.drop();
      }
      if (isConnected) await connection.anyBroker();
      connection.opened();
      assertEquals(connection.connections(), [{ to, reconnects: 0, throttledMs: 0 }]);
      await connection.anyBroker();
      assertEquals(reconnects(), [0]);
      connection.drop();
      await connection.anyBroker();
      assertEquals(reconnects(), [1]);
    });
  }
});
