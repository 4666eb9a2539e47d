import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { KafkaConnection } from "../../../../src/connectors/kafka/client/connection.ts";
import { fetchPartition } from "../../../../src/connectors/kafka/wire/fetch.ts";
import { readInputProperties } from "../../../../src/connectors/kafka/properties/input_settings.ts";
import { WireWriter } from "../../../../src/connectors/kafka/wire/wire.ts";
import {
  leftOut,
  requireAnswers,
  WrongAnswerError,
} from "../../../../src/connectors/kafka/wire/wrong_answer.ts";
import {
  type ApiName,
  coordinatorAnswer,
  FAKE_TOPIC,
  FakeBroker,
  producedAnswer,
  producerIdAnswer,
} from "../../../support/kafka/fake_broker.ts";
import { writeOneRecord } from "../../../support/kafka/write_one_record.ts";
import { testPlace } from "../../../support/runtime/test_place.ts";

/** What an answer names instead of partition 0 of the topic. */
type Named = readonly (readonly [topic: string, partitions: readonly number[]])[];

const WRONG: Readonly<Record<string, readonly [named: Named, says: string]>> = {
  "no topic": [[], `does not name partition 0 of topic "${FAKE_TOPIC}"`],
  "no partition": [[[FAKE_TOPIC, []]], `does not name partition 0 of topic "${FAKE_TOPIC}"`],
  "another partition": [[[FAKE_TOPIC, [7]]], "names partition 7 of topic"],
  "another topic": [[["elsewhere", [0]]], 'names partition 0 of topic "elsewhere", which was not'],
  "a partition twice": [
    [[FAKE_TOPIC, [0, 0]]],
    `names partition 0 of topic "${FAKE_TOPIC}", twice`,
  ],
};

/** An answer with what `write` writes for each partition; without `write`, only its number. */
function naming(named: Named, write: (out: WireWriter) => void): WireWriter {
  const out = new WireWriter(false);
  out.array(named, ([topic, partitions]) => {
    out.string(topic);
    out.array(partitions, (partition) => {
      out.int32(partition);
      write(out);
    });
  });
  return out;
}

/** The answer to Produce in version 7: all has been written. */
function produced(named: Named): Buffer {
  const out = naming(named, (out) => {
    out.int16(0);
    for (const number of [0n, -1n, 0n]) out.int64(number);
  });
  out.int32(0);
  return out.written;
}

/** An answer that begins with the time for which to send nothing more. */
function behindThrottle(body: WireWriter): Buffer {
  const out = new WireWriter(false);
  out.int32(0);
  return Buffer.concat([out.written, body.written]);
}

function brokerWith(answers: Partial<Record<ApiName, (asked: number) => Buffer>>): FakeBroker {
  const broker: FakeBroker = new FakeBroker({
    versions: {
      Produce: [3, 7],
      InitProducerId: [0, 1],
      ListOffsets: [2, 2],
      Fetch: [4, 4],
      OffsetCommit: [2, 2],
      FindCoordinator: [0, 1],
    },
    answers: {
      InitProducerId: ({ version }) => producerIdAnswer(version),
      FindCoordinator: () => coordinatorAnswer(0, broker.port),
      ...Object.fromEntries(
        Object.entries(answers).map(([api, answer]) => [
          api,
          () => answer(broker.asked(api as ApiName).length),
        ]),
      ),
    },
  });
  return broker;
}

/** Its time-out is short, as some of these brokers never acknowledge anything. */
const SOON = { "message.timeout.ms": 300, "retry.backoff.ms": 20 };

async function connected<T>(
  broker: FakeBroker,
  work: (connection: KafkaConnection) => Promise<T>,
): Promise<T> {
  const settings = readInputProperties({});
  const connection = new KafkaConnection(broker.brokers, [FAKE_TOPIC], settings, testPlace());
  try {
    return await work(connection);
  } finally {
    await connection.close();
  }
}

const ASKED = [{ topic: FAKE_TOPIC, partition: 0 }];

for (const [what, [named, says]] of Object.entries(WRONG)) {
  Deno.test(`an answer to Produce with ${what} acknowledges nothing, and is an error in time`, async () => {
    await using broker = brokerWith({ Produce: () => produced(named) });
    const { message } = await assertRejects(
      () => writeOneRecord(broker, SOON),
      Error,
      "within 0.3 s",
    );
    assertStringIncludes(message, `topic "${FAKE_TOPIC}" has not acknowledged 1 record`);
    assertStringIncludes(message, "the broker's answer to Produce ");
    assertStringIncludes(message, says);
    const tries = broker.asked("Produce").length; // with pauses from 20 ms on
    assertEquals(tries >= 2 && tries <= 16, true, `${tries} tries`);
  });

  Deno.test(`a record is written once an answer to Produce with ${what} is followed by another`, async () => {
    await using broker = brokerWith({
      Produce: (asked) => asked === 1 ? produced(named) : producedAnswer(7),
    });
    await writeOneRecord(broker, SOON);
    assertEquals(broker.asked("Produce").length, 2);
  });

  Deno.test(`an answer to ListOffsets with ${what} is an error for the partition`, async () => {
    await using broker = brokerWith({
      ListOffsets: () =>
        behindThrottle(naming(named, (out) => {
          out.int16(0);
          for (const number of [-1n, 5n]) out.int64(number);
        })),
    });
    await connected(broker, async (connection) => {
      const { found, failed } = await connection.offsetsOf(ASKED, "last");
      assertEquals([[...found], [...failed.keys()]], [[], [`${FAKE_TOPIC}-0`]]);
      assertStringIncludes(String(failed.get(`${FAKE_TOPIC}-0`)), says);
    });
  });

  Deno.test(`an answer to Fetch with ${what} is an error where one partition is asked for`, async () => {
    await using broker = brokerWith({
      Fetch: () =>
        behindThrottle(naming(named, (out) => {
          out.int16(0);
          for (const number of [5n, 5n]) out.int64(number);
          out.int32(0); // no transaction was aborted,
          out.int32(0); // and no records
        })),
    });
    await connected(broker, async (connection) => {
      const fetch = { ...ASKED[0], topicId: null, offset: 0, maxBytes: 1 };
      const options = {
        maxWaitMs: 0,
        minBytes: 0,
        maxBytes: 1,
        isolation: "read_uncommitted",
      } as const;
      await connection.metadata();
      const node = await connection.broker(1);
      await assertRejects(() => fetchPartition(node, fetch, options), WrongAnswerError, says);
    });
  });

  Deno.test(`an answer to OffsetCommit with ${what} commits nothing`, async () => {
    await using broker = brokerWith({
      OffsetCommit: () => naming(named, (out) => out.int16(0)).written,
    });
    await connected(broker, async (connection) => {
      const offsets = [{ ...ASKED[0], offset: 5n }];
      await assertRejects(() => connection.commitGroup("group", offsets), WrongAnswerError, says);
    });
  });
}

Deno.test("a start that fails at a wrong answer names the request, as the broker is in reach", async () => {
  await using broker = brokerWith({ ListOffsets: () => behindThrottle(naming([], () => {})) });
  await connected(broker, async (connection) => {
    const error = await assertRejects(
      () => connection.open(() => connection.offsets(ASKED, "first"), { limitMs: 300 }),
      Error,
    );
    assertEquals(
      error.message,
      `the request ListOffsets does not succeed at ${broker.brokers} within 0.3 s: the broker's ` +
        `answer to ListOffsets does not name partition 0 of topic "${FAKE_TOPIC}" (the broker's log ` +
        "may say more)",
    );
  });
});

Deno.test("leftOut returns what is missing among many, and requireAnswers names the first", () => {
  const asked = [0, 1, 2].map((partition) => ({ topic: "a", partition }));
  assertEquals(leftOut("Produce", asked, [asked[1]]), [asked[0], asked[2]]);
  assertEquals(leftOut("Produce", asked, asked.toReversed()), []);
  requireAnswers("Produce", asked, asked);
  assertThrows(
    () => requireAnswers("Produce", asked, [asked[2], asked[0]]),
    WrongAnswerError,
    'the broker\'s answer to Produce does not name partition 1 of topic "a"',
  );
});
