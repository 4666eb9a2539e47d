import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { connectionSettings } from "../../../src/connectors/kafka/properties/connection_settings.ts";
import { givenToRecovery } from "../../../src/connectors/kafka/properties/given_properties.ts";
import type { StoreTopics } from "../../../src/connectors/kafka_recovery/store_topics.ts";
import {
  deleteTopics,
  ensureTopics,
  requireTopics,
} from "../../../src/connectors/kafka_recovery/topics.ts";
import { RecoveryError } from "../../../src/recovery/store.ts";
import { JumpingClock } from "../../support/clock/jumping_clock.ts";
import { type AskedTopic, type Code, FakeTopics } from "../../support/kafka/fake_topics.ts";

const PLACE: StoreTopics = {
  brokers: ["none:1"],
  settings: connectionSettings(givenToRecovery({})),
  stateTopic: "p-state",
  metaTopic: "p-meta",
  id: "p-recovery",
  name: "kafka://none:1/p",
};

const { stateTopic, metaTopic } = PLACE;

/** The names of a topic's settings. */
const settings = ({ configEntries }: AskedTopic) => configEntries.map(({ name }) => name);

/** Topics that were created by hand. */
function madeByHand(fake: FakeTopics): void {
  for (const topic of [stateTopic, metaTopic]) {
    fake.topics.set(topic, {
      topic,
      numPartitions: topic === stateTopic ? 32 : 1,
      replicationFactor: 3,
      configEntries: [{ name: "cleanup.policy", value: "compact" }],
    });
  }
}

Deno.test("a new store's topics get all settings", async () => {
  const fake = new FakeTopics();
  await ensureTopics(fake.connection, PLACE, new JumpingClock());
  const made = [...fake.topics.values()];
  assertEquals(made.map(({ topic, numPartitions }) => [topic, numPartitions]), [
    [stateTopic, 8],
    [metaTopic, 1],
  ]);
  for (const each of made) {
    assertEquals(each.replicationFactor, -1, "the broker's default");
    assertEquals(settings(each), ["cleanup.policy", "max.message.bytes", "segment.bytes"]);
  }
});

for (const first of [stateTopic, metaTopic]) {
  Deno.test(`a store opens right after it was dropped, while ${first} is being deleted`, async () => {
    const fake = new FakeTopics();
    fake.beingDeleted.set(first, 3);
    await ensureTopics(fake.connection, PLACE, new JumpingClock());
    assertEquals([...fake.topics.keys()].sort(), [metaTopic, stateTopic]);
    await ensureTopics(fake.connection, PLACE, new JumpingClock());
  });

  Deno.test(`a store opens right after it was dropped, while ${first} is still listed`, async () => {
    const fake = new FakeTopics();
    fake.stale.set(first, 1);
    await ensureTopics(fake.connection, PLACE, new JumpingClock());
    assertEquals([...fake.topics.keys()].sort(), [metaTopic, stateTopic]);
    await ensureTopics(fake.connection, PLACE, new JumpingClock());
  });
}

Deno.test("a topic for positions without one for state is still refused", async () => {
  const fake = new FakeTopics();
  madeByHand(fake);
  fake.topics.delete(stateTopic);
  await assertRejects(
    () => ensureTopics(fake.connection, PLACE, new JumpingClock()),
    RecoveryError,
    "is missing",
  );
  assertEquals([...fake.topics.keys()], [metaTopic]);
});

for (const code of ["INVALID_CONFIG", "POLICY_VIOLATION"] satisfies Code[]) {
  Deno.test(`settings that the broker refuses are left out (${code})`, async () => {
    const refused = (...names: string[]) => (asked: AskedTopic) =>
      settings(asked).some((name) => names.includes(name)) ? code : null;
    for (
      const [names, left] of [
        [["segment.bytes"], ["cleanup.policy", "max.message.bytes"]],
        [["segment.bytes", "max.message.bytes"], ["cleanup.policy"]],
      ]
    ) {
      const fake = new FakeTopics();
      fake.refuse = refused(...names);
      await ensureTopics(fake.connection, PLACE, new JumpingClock());
      assertEquals([...fake.topics.values()].map(settings), [left, left]);
    }
    const fake = new FakeTopics();
    fake.refuse = refused("cleanup.policy");
    const { message } = await assertRejects(
      () => ensureTopics(fake.connection, PLACE, new JumpingClock()),
      RecoveryError,
    );
    assertStringIncludes(message, `"${stateTopic}" cannot be made (${code}`);
    assertStringIncludes(message, "make it with cleanup.policy=compact and 8 partitions");
  });
}

/** All settings that a store's topic gets. */
const ALL = ["cleanup.policy", "max.message.bytes", "segment.bytes"];

for (const topic of [stateTopic, metaTopic]) {
  Deno.test(`${topic} gets its settings again if they went with those of the topic before`, async () => {
    const fake = new FakeTopics();
    fake.losing.set(topic, 1);
    await ensureTopics(fake.connection, PLACE, new JumpingClock());
    assertEquals([...fake.topics.values()].map(settings), [ALL, ALL]);
    assertEquals(fake.altered, [topic]);
  });

  Deno.test(`${topic} gets its settings again if the answer to its creation was lost too`, async () => {
    const fake = new FakeTopics();
    fake.losing.set(topic, 1);
    fake.unanswered.set(topic, 1);
    await ensureTopics(fake.connection, PLACE, new JumpingClock());
    assertEquals([...fake.topics.values()].map(settings), [ALL, ALL]);
    assertEquals(fake.altered, [topic]);
  });
}

Deno.test("a topic gets no more settings again than the broker accepted", async () => {
  const fake = new FakeTopics();
  fake.refuse = (asked) => settings(asked).includes("segment.bytes") ? "INVALID_CONFIG" : null;
  fake.losing.set(stateTopic, 1);
  await ensureTopics(fake.connection, PLACE, new JumpingClock());
  assertEquals(settings(fake.topics.get(stateTopic)!), ["cleanup.policy", "max.message.bytes"]);
});

Deno.test("an error says what to do if lost settings cannot be set again", async () => {
  const fake = new FakeTopics();
  fake.losing.set(stateTopic, 1);
  fake.refuseSettings = "TOPIC_AUTHORIZATION_FAILED";
  const { message } = await assertRejects(
    () => ensureTopics(fake.connection, PLACE, new JumpingClock()),
    RecoveryError,
  );
  assertStringIncludes(message, `its topic "${stateTopic}" has lost the settings`);
  assertStringIncludes(message, "(TOPIC_AUTHORIZATION_FAILED: ");
  assertStringIncludes(message, "allow AlterConfigs, or set cleanup.policy=compact by hand");
});

for (const topic of [stateTopic, metaTopic]) {
  Deno.test(`a broker is asked again while it does not know the settings of ${topic}`, async () => {
    const fake = new FakeTopics();
    madeByHand(fake);
    fake.unknownSettings.set(topic, 2);
    await ensureTopics(fake.connection, PLACE, new JumpingClock());
    assertEquals(fake.altered, []); // they are not ours
  });

  Deno.test(`a broker that does not know the settings of a new ${topic} need not let us change them`, async () => {
    const fake = new FakeTopics();
    fake.unknownSettings.set(topic, 2);
    fake.refuseSettings = "TOPIC_AUTHORIZATION_FAILED";
    await ensureTopics(fake.connection, PLACE, new JumpingClock());
  });

  Deno.test(`a store is refused if ${topic} was made by hand and is not compacted`, async () => {
    const fake = new FakeTopics();
    madeByHand(fake);
    fake.topics.set(topic, { ...fake.topics.get(topic)!, configEntries: [] });
    const clock = new JumpingClock();
    const { message } = await assertRejects(
      () => ensureTopics(fake.connection, PLACE, clock),
      RecoveryError,
    );
    assertStringIncludes(message, `its topic "${topic}" has cleanup.policy=delete, which loses`);
    assertEquals([clock.at, fake.altered], [1_000, []]);
  });

  Deno.test(`a ${topic} that somebody else makes at the same time keeps its settings`, async () => {
    const fake = new FakeTopics();
    fake.refuse = ({ topic: name, numPartitions, replicationFactor }) => {
      if (name !== topic || fake.topics.has(name)) return null;
      fake.topics.set(name, { topic: name, numPartitions, replicationFactor, configEntries: [] });
      return "TOPIC_ALREADY_EXISTS";
    };
    await assertRejects(
      () => ensureTopics(fake.connection, PLACE, new JumpingClock()),
      RecoveryError,
      `its topic "${topic}" has cleanup.policy=delete`,
    );
    assertEquals(fake.altered, []);
  });
}

const beforeKafka24 = ({ replicationFactor }: AskedTopic) =>
  replicationFactor < 1 ? "INVALID_REPLICATION_FACTOR" : null;

Deno.test("Kafka before 2.4 gets the number of replicas: its own default", async () => {
  const fake = new FakeTopics();
  fake.refuse = beforeKafka24;
  fake.brokerSettings.set("default.replication.factor", "3");
  await ensureTopics(fake.connection, PLACE, new JumpingClock());
  assertEquals([...fake.topics.values()].map((each) => each.replicationFactor), [3, 3]);
});

Deno.test("if the default number of replicas cannot be read, the error says what to do", async () => {
  const fake = new FakeTopics();
  fake.refuse = beforeKafka24;
  const { message } = await assertRejects(
    () => ensureTopics(fake.connection, PLACE, new JumpingClock()),
    RecoveryError,
  );
  assertStringIncludes(message, "Kafka before 2.4 needs a number of replicas");
  assertStringIncludes(message, "make it with cleanup.policy=compact and 8 partitions");
});

Deno.test("topics that could not be created again are not deleted", async () => {
  const reasons: ((asked: AskedTopic) => Code | null)[] = [
    beforeKafka24,
    () => "POLICY_VIOLATION",
    () => "TOPIC_AUTHORIZATION_FAILED",
  ];
  for (const refuse of reasons) {
    const fake = new FakeTopics();
    madeByHand(fake);
    fake.refuse = refuse;
    const { message } = await assertRejects(
      () => deleteTopics(fake.connection, PLACE, new JumpingClock()),
      RecoveryError,
    );
    assertStringIncludes(message, `"${stateTopic}" is not deleted, as it could not be made again`);
    assertEquals(fake.deleted, []);
  }
});

Deno.test("topics that can be created again are deleted, with a permission for their names only", async () => {
  const fake = new FakeTopics();
  madeByHand(fake);
  fake.refuse = ({ topic }) =>
    topic === stateTopic || topic === metaTopic ? null : "TOPIC_AUTHORIZATION_FAILED";
  await deleteTopics(fake.connection, PLACE, new JumpingClock());
  assertEquals(fake.deleted, [stateTopic, metaTopic]);
  await ensureTopics(fake.connection, PLACE, new JumpingClock());
});

Deno.test("an inspector finds topics that the broker learns of a moment later", async () => {
  const fake = new FakeTopics();
  const found = requireTopics(fake.connection, PLACE, new JumpingClock());
  await new Promise((resolve) => setTimeout(resolve, 0)); // it has asked once
  madeByHand(fake);
  await found;
});

Deno.test("an inspector reports a store that does not exist, and creates nothing", async () => {
  const fake = new FakeTopics();
  await assertRejects(
    () => requireTopics(fake.connection, PLACE, new JumpingClock()),
    RecoveryError,
    `there is no topic "${metaTopic}": no run has used it yet`,
  );
  assertEquals(fake.topics.size, 0);
});

for (const [gone, other] of [[stateTopic, metaTopic], [metaTopic, stateTopic]]) {
  Deno.test(`an inspector of a store of which only ${other} is left says what is missing`, async () => {
    const fake = new FakeTopics();
    madeByHand(fake);
    fake.topics.delete(gone);
    await assertRejects(
      () => requireTopics(fake.connection, PLACE, new JumpingClock()),
      RecoveryError,
      `its topic "${gone}" is missing, and "${other}" is there: was it deleted?`,
    );
    assertEquals([...fake.topics.keys()], [other]);
  });
}
