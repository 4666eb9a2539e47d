/** What takers of tasks post on a real broker. */
import { assertEquals } from "@std/assert";
import { KafkaHandOverBoard } from "../../src/connectors/kafka_tasks/hand_over_board.ts";
import { connectionSettings } from "../../src/connectors/kafka/properties/connection_settings.ts";
import { givenToRecovery } from "../../src/connectors/kafka/properties/given_properties.ts";
import { taskId } from "../../src/core/task_id.ts";
import type { TakerNotice } from "../../src/group/hand_over.ts";
import { changelogTopic, handOverGroup } from "../../src/group/topology.ts";
import { pollUntil } from "../support/eventually.ts";
import { kafkaClient } from "../support/kafka/client.ts";
import { createTopic, kafkaBrokers } from "../support/kafka/kafka.ts";

const [A, B] = [taskId("keyed", 0), taskId("keyed", 1)];

/** Asks until it gets an answer. */
async function untilAnswered(board: KafkaHandOverBoard): Promise<void> {
  let last: unknown = null;
  const isAnswered = () => board.read([A]).then(() => true, (error) => (last = error, false));
  await pollUntil(isAnswered, () => `the board answers: ${last}`, { withinMs: 30_000 });
}

Deno.test("what a taker posts, others read, and each notice replaces the one before", async () => {
  const brokers = await kafkaBrokers();
  const app = `app-${crypto.randomUUID()}`;
  const groupId = `${app}.1`;
  const admin = kafkaClient(brokers).admin();
  await admin.connect();
  const ended = new AbortController();
  const board = () =>
    new KafkaHandOverBoard({
      place: { brokers, settings: connectionSettings(givenToRecovery({})) },
      token: null,
      app,
      groupId,
      signal: ended.signal,
    });
  try {
    await createTopic(brokers, { name: changelogTopic(app, "keyed"), partitions: 2 });
    await using taker = board();
    await using giver = board();
    await untilAnswered(giver); // a new cluster has no coordinator for a moment
    assertEquals(await giver.read([A, B]), new Map());
    const notice: TakerNotice = { by: "m1", stage: "preparing", at: 7 };
    await taker.post(new Map([[A, notice]]));
    assertEquals(await giver.read([A, B]), new Map([[A, notice]]));
    const ready: TakerNotice = { by: "m2", stage: "ready", at: 8 };
    await taker.post(new Map([[A, ready], [B, notice]]));
    assertEquals(await giver.read([B, A]), new Map([[B, notice], [A, ready]]));
    assertEquals(await giver.read([B]), new Map([[B, notice]]));
    await admin.deleteGroups([handOverGroup(groupId)]);
    assertEquals(await giver.read([A]), new Map());
  } finally {
    ended.abort();
    await admin.deleteTopics({ topics: [changelogTopic(app, "keyed")] });
    await admin.disconnect();
  }
});
