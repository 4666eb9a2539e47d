import { assertEquals, assertRejects } from "@std/assert";
import { TopicDeletedError } from "../../../../src/connectors/kafka/client/deleted_topic.ts";
import { WrittenTopic } from "../../../../src/connectors/kafka/write/written_topic.ts";
import { errorName } from "../../../../src/connectors/kafka/client/errors.ts";

const UNKNOWN_TOPIC_OR_PARTITION = 3;

/** A topic that is written to, with a clock and a broker that the test controls. */
class Written {
  now = 0;
  errorCode = 0;
  isAway = false;
  readonly topic = new WrittenTopic(
    {
      metadata: () => {
        if (this.isAway) return Promise.reject(new Error("away"));
        const { errorCode } = this;
        const topics = [{ topic: "t", topicId: "id", errorCode, partitions: [] }];
        return Promise.resolve({ brokers: [], clusterId: null, controllerId: -1, topics });
      },
    },
    "t",
    30_000,
    { now: () => this.now },
  );

  /** Asks after `ms` milliseconds. Returns the error; `null` for none. */
  async checkAfter(ms: number): Promise<unknown> {
    this.now += ms;
    this.topic.doubt();
    try {
      await this.topic.check();
      return null;
    } catch (error) {
      return error;
    }
  }
}

Deno.test("a topic that brokers have not had for ten seconds is refused as deleted, with the cure", async () => {
  const at = new Written();
  await at.topic.open();
  at.errorCode = UNKNOWN_TOPIC_OR_PARTITION;
  assertEquals(errorName(await at.checkAfter(0)), "UNKNOWN_TOPIC_OR_PARTITION");
  assertEquals(errorName(await at.checkAfter(9_999)), "UNKNOWN_TOPIC_OR_PARTITION");
  await assertRejects(
    async () => {
      throw await at.checkAfter(1);
    },
    TopicDeletedError,
    `topic "t" has been deleted while it was being written to: create it again, and start the flow again`,
  );
});

Deno.test("a topic that comes back, or a broker that was away, begins the ten seconds again", async () => {
  const at = new Written();
  await at.topic.open();
  for (const between of ["topic is back", "broker is away"] as const) {
    at.errorCode = UNKNOWN_TOPIC_OR_PARTITION;
    await at.checkAfter(0);
    if (between === "topic is back") at.errorCode = 0;
    else at.isAway = true;
    await at.checkAfter(9_999);
    at.errorCode = UNKNOWN_TOPIC_OR_PARTITION;
    at.isAway = false;
    assertEquals(errorName(await at.checkAfter(1)), "UNKNOWN_TOPIC_OR_PARTITION");
    at.errorCode = 0;
    assertEquals(await at.checkAfter(1), null);
  }
});

Deno.test("a group is not told of a recovery store, but from where it writes again", async () => {
  for (const by of ["run", "group"] as const) {
    let [topicId, errorCode, now] = ["id", 0, 0];
    const metadata = () => {
      const topics = [{ topic: "t", topicId, errorCode, partitions: [] }];
      return Promise.resolve({ brokers: [], clusterId: null, controllerId: -1, topics });
    };
    const written = new WrittenTopic({ metadata }, "t", 30_000, { by, now: () => now });
    await written.open();
    const failsWith = async (said: string) => {
      written.doubt();
      await assertRejects(() => written.check(), Error); // it is not certain yet
      now += 10_000;
      written.doubt();
      const { message } = await assertRejects(() => written.check(), Error, said);
      assertEquals(message.includes("recovery store"), by === "run", message);
      assertEquals(message.includes("its last commit"), by === "group", message);
    };
    topicId = "other";
    await failsWith("deleted and created again");
    errorCode = UNKNOWN_TOPIC_OR_PARTITION;
    await failsWith("has been deleted");
  }
});
