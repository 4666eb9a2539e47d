import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { KafkaConnection } from "../../../src/connectors/kafka/client/connection.ts";
import {
  ensureInternalTopics,
  internalTopics,
  requireSameTopics,
} from "../../../src/connectors/kafka_tasks/internal_topics.ts";
import { TaskLogError } from "../../../src/connectors/kafka_tasks/task_log_error.ts";
import { JumpingClock } from "../../support/clock/jumping_clock.ts";
import { part } from "../../support/group/part.ts";
import { FakeTopics } from "../../support/kafka/fake_topics.ts";

const TOPOLOGY = {
  shards: 4,
  hash: "00000001",
  exchanges: [],
  subtopologies: [
    part("read", { sourceTopics: ["orders"], inputs: ["in"] }),
    part("keyed", { hasShuffle: true, hasState: true, stateful: ["keyed"] }),
  ],
};
const WANTED = internalTopics("app", TOPOLOGY);
const UNKNOWN_TOPIC_OR_PARTITION = 3;

/** A connection that knows the group's topics. */
function connectionTo(fake: FakeTopics): KafkaConnection {
  return {
    ...fake.connection,
    isEnded: false,
    drop: () => {},
    backoff: () => ({
      answerTo: <R>(request: Promise<R>) => request,
      over: () => {},
      giveUp: () => {},
      pause: () => Promise.resolve(),
    }),
    metadata: () =>
      Promise.resolve({
        topics: WANTED.map(({ topic }) => {
          const made = fake.topics.get(topic);
          const partitions = Array.from(
            { length: made?.numPartitions ?? 0 },
            () => ({ leader: 1 }),
          );
          const errorCode = made === undefined ? UNKNOWN_TOPIC_OR_PARTITION : 0;
          return { topic, errorCode, topicId: null, partitions };
        }),
      }),
  } as unknown as KafkaConnection;
}

const ensure = (fake: FakeTopics) =>
  ensureInternalTopics(connectionTo(fake), WANTED, new JumpingClock());

/** What a topic was created with. */
function made(fake: FakeTopics, topic: string) {
  const { numPartitions, replicationFactor, configEntries } = fake.topics.get(topic)!;
  const settings = Object.fromEntries(configEntries.map(({ name, value }) => [name, value]));
  return { numPartitions, replicationFactor, settings };
}

Deno.test("the topics of a group are created with what they need", async () => {
  const fake = new FakeTopics();
  await ensure(fake);
  const large = { "max.message.bytes": String(8 << 20) };
  assertEquals(made(fake, "app.control"), {
    numPartitions: 1,
    replicationFactor: -1,
    settings: { "cleanup.policy": "compact", ...large },
  });
  assertEquals(made(fake, "app.keyed.state"), {
    numPartitions: 4,
    replicationFactor: -1,
    settings: { "cleanup.policy": "compact", ...large },
  });
  assertEquals(made(fake, "app.keyed.shuffle"), {
    numPartitions: 4,
    replicationFactor: -1,
    settings: { "cleanup.policy": "delete", "retention.ms": "-1", ...large },
  });
  assertEquals(fake.topics.size, 3);
  await ensure(fake); // nothing is missing
});

Deno.test("a broker may have its own limit of a record's size", async () => {
  const fake = new FakeTopics();
  fake.refuse = ({ configEntries }) =>
    configEntries.some(({ name }) => name === "max.message.bytes") ? "POLICY_VIOLATION" : null;
  await ensure(fake);
  assertEquals(made(fake, "app.keyed.shuffle").settings, {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
  });
});

Deno.test("a topic that is being deleted, or whose settings come late, is waited for", async () => {
  const fake = new FakeTopics();
  fake.beingDeleted.set("app.keyed.state", 3);
  fake.unknownSettings.set("app.keyed.shuffle", 3);
  await ensure(fake);
  fake.topics.delete("app.control");
  fake.beingDeleted.set("app.control", 10_000);
  const error = await assertRejects(() => ensure(fake), TaskLogError);
  assertStringIncludes(error.message, `"app.control"`);
  assertStringIncludes(error.message, "is it being deleted?");
});

Deno.test("a topic that cannot be created is named with what it needs", async () => {
  const fake = new FakeTopics();
  fake.refuse = ({ topic }) => topic === "app.keyed.shuffle" ? "TOPIC_AUTHORIZATION_FAILED" : null;
  const error = await assertRejects(() => ensure(fake), TaskLogError);
  assertStringIncludes(error.message, `topic "app.keyed.shuffle" of the group cannot be created`);
  assertStringIncludes(error.message, "4 partitions, cleanup.policy=delete and retention.ms=-1");
});

Deno.test("a topic with other partitions or settings is refused, with the cure", async () => {
  for (
    const [topic, numPartitions, settings, cure] of [
      ["app.keyed.state", 8, { "cleanup.policy": "compact" }, "--shards 8"],
      [
        "app.control",
        2,
        { "cleanup.policy": "compact" },
        "has 2 partitions, and the group needs 1",
      ],
      ["app.keyed.state", 4, { "cleanup.policy": "delete" }, "set it to compact"],
      ["app.keyed.shuffle", 4, { "retention.ms": "604800000" }, "retention.ms=604800000"],
    ] as const
  ) {
    const fake = new FakeTopics();
    const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
    fake.topics.set(topic, { topic, numPartitions, replicationFactor: 1, configEntries });
    const error = await assertRejects(() => ensure(fake), TaskLogError);
    assertStringIncludes(error.message, `"${topic}"`);
    assertStringIncludes(error.message, cure);
  }
});

Deno.test("a topic that has another id than at the start is another topic", async () => {
  const connection = {
    metadata: () => Promise.resolve({ topics: [{ topic: "t", topicId: "now", errorCode: 0 }] }),
  } as unknown as KafkaConnection;
  for (const same of ["now", null]) {
    await requireSameTopics("app", connection, new Map([["t", same]]));
  }
  const error = await assertRejects(
    () => requireSameTopics("app", connection, new Map([["t", "before"]])),
    TaskLogError,
    `topic "t" was deleted and created again`,
  );
  assertStringIncludes(error.message, "stop all machines, and run cli.ts group app reset");
});

Deno.test("topics are waited for without a limit, or the error names the brokers", async () => {
  const { now } = performance;
  let ms = 0;
  performance.now = () => ms;
  try {
    const fake = new FakeTopics();
    const whole = connectionTo(fake);
    let away = Infinity;
    const connection = {
      ...whole,
      metadata: () =>
        away-- > 0 ? Promise.reject(new Error("Closed connection")) : whole.metadata(),
      unreachable: (cause: Error, limitMs: number) =>
        new Error(`no broker in reach at b:1 within ${limitMs} ms: ${cause.message}`, { cause }),
      backoff: () => ({
        ...whole.backoff(),
        pause: () => Promise.resolve(void (ms += 1_000)),
      }),
    } as unknown as KafkaConnection;
    await assertRejects(
      () => ensureInternalTopics(connection, WANTED, new JumpingClock()),
      Error,
      "no broker in reach at b:1 within 10000 ms: Closed connection",
    );
    away = 300;
    await ensureInternalTopics(connection, WANTED, new JumpingClock(), Infinity);
    assertEquals([fake.topics.size, ms], [3, 310_000]);
  } finally {
    performance.now = now;
  }
});
