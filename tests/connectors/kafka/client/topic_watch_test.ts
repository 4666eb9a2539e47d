import { assertEquals, assertRejects } from "@std/assert";
import type { Metadata } from "../../../../src/connectors/kafka/wire/metadata.ts";
import { errorName } from "../../../../src/connectors/kafka/client/errors.ts";
import { otherId, TopicWatch } from "../../../../src/connectors/kafka/client/topic_watch.ts";

/** A watch of the topic `t`, with a clock and a broker that the test controls. */
class Watched {
  now = 0;
  /** The broker's answer. */
  topicId: string | null = "old";
  errorCode = 0;
  readonly watch = new TopicWatch({
    ask: () => Promise.resolve(this.#answer()),
    maxAgeMs: 30_000,
    now: () => this.now,
  });

  #answer(): Metadata {
    const { topicId, errorCode } = this;
    return {
      brokers: [],
      clusterId: null,
      controllerId: -1,
      topics: [{ topic: "t", topicId, errorCode, partitions: [] }],
    };
  }
}

Deno.test("TopicWatch is due at first, when its answer is old, and in doubt", async () => {
  const at = new Watched();
  assertEquals(at.watch.isDue, true);
  await at.watch.look();
  assertEquals([at.watch.isDue, at.watch.idOf("t")], [false, "old"]);
  at.now += 29_999;
  assertEquals(at.watch.isDue, false);
  at.now += 1;
  assertEquals(at.watch.isDue, true);
  await at.watch.look();
  assertEquals(at.watch.isDue, false);
  at.watch.doubt();
  assertEquals(at.watch.isDue, true);
});

Deno.test("TopicWatch believes another id once it has seen it for a while", async () => {
  const at = new Watched();
  await at.watch.look();
  at.topicId = "new";
  at.watch.doubt();
  await assertRejects(() => at.watch.look(), Error, "its id was old, and is new");
  assertEquals([at.watch.isDue, at.watch.idOf("t")], [true, "old"]);
  at.now += 499;
  await assertRejects(() => at.watch.look());
  at.now += 1;
  await at.watch.look();
  assertEquals([at.watch.isDue, at.watch.idOf("t")], [false, "new"]);
});

Deno.test("TopicWatch does not believe a broker that lags behind", async () => {
  const at = new Watched();
  at.topicId = "new";
  await at.watch.look();
  for (let i = 0; i < 3; i++) {
    at.topicId = "old";
    await assertRejects(() => at.watch.look());
    at.now += 499;
    at.topicId = "new"; // which had been created again just before
    await at.watch.look();
    assertEquals(at.watch.idOf("t"), "new");
  }
});

Deno.test("TopicWatch keeps an id that one broker does not return, such as one before Kafka 2.8", async () => {
  const at = new Watched();
  at.topicId = null;
  await at.watch.look();
  assertEquals(at.watch.idOf("t"), null);
  at.topicId = "old";
  await at.watch.look();
  at.topicId = null;
  await at.watch.look();
  assertEquals(at.watch.idOf("t"), "old");
});

Deno.test("TopicWatch throws the broker's error for a topic", async () => {
  const at = new Watched();
  await at.watch.look();
  at.errorCode = 3;
  at.watch.doubt();
  const error = await assertRejects(() => at.watch.look());
  assertEquals(errorName(error), "UNKNOWN_TOPIC_OR_PARTITION");
  assertEquals(at.watch.isDue, true);
});

Deno.test("otherId() returns null if an id is unknown", () => {
  assertEquals(otherId("a", "a"), null);
  assertEquals(otherId(null, "a"), null);
  assertEquals(otherId("a", null), null);
  assertEquals(otherId("a", "b"), "its id was a, and is b");
});
