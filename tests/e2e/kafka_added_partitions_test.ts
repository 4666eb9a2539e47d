/** Partitions that are added to the topics of a group, on a real broker. */
import { assert, assertEquals } from "@std/assert";
import { type InputConfig, type InputReader, KafkaInputConfig } from "millrace";
import { KafkaConnection } from "../../src/connectors/kafka/client/connection.ts";
import { forgetBegun } from "../../src/connectors/kafka_tasks/control_topic.ts";
import { silentLog } from "../../src/core/log.ts";
import { kafkaClient } from "../support/kafka/client.ts";
import { createTopic, produce } from "../support/kafka/kafka.ts";
import { offsetsOf, readFrom } from "../support/kafka/reading.ts";
import { Group, SETTINGS, text } from "../support/kafka/task_group.ts";
import { testPlace } from "../support/runtime/test_place.ts";

/** Adds partitions to a topic, and waits until the brokers know them. */
async function addPartitions(brokers: string[], topic: string, count: number): Promise<void> {
  const admin = kafkaClient(brokers).admin();
  await admin.connect();
  try {
    await admin.createPartitions({ topicPartitions: [{ topic, count }] });
    for (const deadline = performance.now() + 5_000;;) {
      const { topics: [{ partitions }] } = await admin.fetchTopicMetadata({ topics: [topic] });
      if (partitions.length === count && partitions.every(({ leader }) => leader >= 0)) break;
      assert(performance.now() < deadline, "the partitions are not there");
    }
  } finally {
    await admin.disconnect();
  }
}

/** What a tool does that has a group begin again. */
async function beginAgain({ app, brokers }: Group): Promise<void> {
  const connection = new KafkaConnection(brokers, [`${app}.control`], SETTINGS, {
    log: silentLog,
    signal: new AbortController().signal,
    isolation: "read_uncommitted",
  });
  try {
    await forgetBegun({ app, connection, log: silentLog });
  } finally {
    await connection.close();
  }
}

Deno.test("a partition that was added since the group first read its topic begins at its start", async () => {
  await using group = await Group.create();
  const { brokers } = group;
  const late = `${group.app}-late`;
  const [read, ...others] = group.topology.subtopologies;
  const log = await group.machine({
    topology: {
      ...group.topology,
      subtopologies: [{ ...read, sourceTopics: [group.source, late] }, ...others],
    },
  });
  const open = async (topic: string, partition: number, from = log) => {
    const config = new KafkaInputConfig({ brokers, topic, startingOffset: "end" });
    const input = config as InputConfig<unknown>;
    const reader = await from.openInput(input, partition, testPlace(), new Map());
    return Object.assign(reader, { [Symbol.asyncDispose]: () => reader.close() });
  };
  const valuesOf = async (reader: InputReader<unknown>, count: number) =>
    (await readFrom(reader, count) as [null, Uint8Array][]).map(([, value]) => text(value));
  const startsAtEnd = (reader: InputReader<unknown>, name: string) =>
    assertEquals(offsetsOf(reader.positions()), new Map([[name, 1n]]));

  await createTopic(brokers, { name: late, partitions: 2 }); // after the machine has begun
  for (const topic of [group.source, late]) {
    await produce(brokers, topic, [{ value: "before", partition: 1 }]);
    {
      await using reader = await open(topic, 1);
      startsAtEnd(reader, `${topic}-1`);
    }
    await addPartitions(brokers, topic, 3);
    await produce(brokers, topic, [{ value: "first", partition: 2 }]);
    const machines = topic === late ? [log] : [log, await group.machine()];
    for (const machine of machines) {
      await using reader = await open(topic, 2, machine);
      assertEquals(await valuesOf(reader, 1), ["first"]);
      await using old = await open(topic, 1, machine);
      startsAtEnd(old, `${topic}-1`);
    }
  }
  await beginAgain(group);
  await using begun = await open(group.source, 2, await group.machine());
  startsAtEnd(begun, `${group.source}-2`);
});
