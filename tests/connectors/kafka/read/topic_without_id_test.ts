/**
 * Topics without ids that are created again while they are read. A look compares a record of the
 * topic, whether it comes before the record is handed out or after.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Fetcher } from "../../../../src/connectors/kafka/read/fetcher.ts";
import { TopicWatch } from "../../../../src/connectors/kafka/client/topic_watch.ts";
import { readInputProperties } from "../../../../src/connectors/kafka/properties/input_settings.ts";
import { PartitionKeeper } from "../../../../src/connectors/kafka/read/partition_keeper.ts";
import { shareOfWorker } from "../../../../src/connectors/kafka/read/partition_share.ts";
import { markOf } from "../../../../src/connectors/kafka/read/record_mark.ts";
import { replacedMeanwhile } from "../../../../src/connectors/kafka/read/replaced_topics.ts";
import { WorkerPartitions } from "../../../../src/connectors/kafka/read/worker_partitions.ts";
import { cursorAt, fetchTo } from "../../../support/kafka/cursor_at.ts";
import { eventually } from "../../../support/eventually.ts";
import { within } from "../../../support/kafka/reading.ts";
import {
  fetched,
  recordAt,
  responseOf,
  ScriptedKafka,
  TOPIC,
} from "../../../support/kafka/scripted_kafka.ts";
import { testPlace } from "../../../support/runtime/test_place.ts";

const NOT_LEADER = 6;
const CREATED_AGAIN = "has been deleted and created again under its name (" +
  "partition 0 had another record at offset 0)";

/** The partition's first record of another topic: its value is longer. */
const OTHER = { highWatermark: 2, records: recordAt(0, 11) };

/** Hands out the only record that waits. */
function handOut(fetcher: Fetcher): void {
  const block = fetcher.waiting.first!;
  block.cursor.handOut(block.records.current(false)!.read());
  block.cursor.finish();
  fetcher.taken(block);
}

/** Answers the look's request for a record. Resolves when fetching has failed. */
async function answerLook(kafka: ScriptedKafka, fetcher: Fetcher): Promise<void> {
  const look = await within(kafka.fetchFrom(0), "a look had asked for the record");
  look.resolve(responseOf([fetched(OTHER)]));
  const failure = () => {
    try {
      fetcher.requireFine();
    } catch {
      return true;
    }
    return false;
  };
  await eventually(failure, "the look had noticed the other topic");
}

Deno.test("a record that waits is compared before it is handed out", async () => {
  const properties = {
    "queued.max.messages.kbytes": 1, // full with one record, so nothing is fetched meanwhile
    "topic.metadata.refresh.interval.ms": 1,
  };
  await using kafka = new ScriptedKafka({ topicId: null, properties });
  const fetcher = await kafka.start();
  await kafka.answerLast(fetched({ highWatermark: 1, records: recordAt(0, 2_000) }));
  await eventually(() => fetcher.waiting.first !== null, "the record had come");
  const position = () => fetcher.waiting.first!.cursor.position;
  assertEquals(position(), { offset: 0n }, "what is not handed out is no part of the position");
  await answerLook(kafka, fetcher);
  assertEquals(position(), { offset: 0n });
  handOut(fetcher);
  assertThrows(() => fetcher.isOver(), Error, CREATED_AGAIN);
});

Deno.test("a record that was handed out is compared by the next look", async () => {
  await using kafka = new ScriptedKafka({ topicId: null });
  const fetcher = await kafka.start();
  await kafka.answer(fetched({ highWatermark: 1, records: recordAt(0) }));
  handOut(fetcher);
  await kafka.answerLast(fetched({ highWatermark: 1, errorCode: NOT_LEADER })); // looks at once
  await answerLook(kafka, fetcher);
  assertThrows(() => fetcher.isOver(), Error, CREATED_AGAIN);
});

Deno.test("what is fetched after another topic was noticed is not handed out", async () => {
  const partitions = [0, 1].map(() => ({ first: 0, last: 0, highWatermark: 0 }));
  await using kafka = new ScriptedKafka({ topicId: null, partitions });
  kafka.leaders.push(0, 1);
  const fetcher = await kafka.start();
  await kafka.answer(fetched({ highWatermark: 1, records: recordAt(0) }));
  const late = await kafka.fetchFrom(0);
  const other = await kafka.fetchFrom(1);
  // Partition 1 has trouble, so a look compares partition 0 while that is being fetched.
  other.resolve(responseOf([fetched({ partition: 1, highWatermark: 0, errorCode: NOT_LEADER })]));
  await answerLook(kafka, fetcher);
  late.resolve(responseOf([fetched({ highWatermark: 2, records: recordAt(1) })]));
  handOut(fetcher);
  await fetcher.close();
  assertEquals(fetcher.waiting.first, null);
  assertThrows(() => fetcher.isOver(), Error, CREATED_AGAIN);
});

Deno.test("a stored record is compared even if the first record comes from another topic", async () => {
  const stored = { offset: 0, check: 1 };
  const cursor = cursorAt(1, { lastRecord: stored });
  assert(!cursor.lacksMark);
  fetchTo(cursor, 2);
  cursor.handOut({ offset: 1, timestamp: 0, key: null, value: null, headers: [] });
  const kafka = new ScriptedKafka({ topicId: null });
  const looking = replacedMeanwhile([cursor], watchOf(kafka), kafka.connection);
  await kafka.answerLast(fetched(OTHER));
  const { replaced } = await looking;
  assertEquals(replaced, [{
    topic: TOPIC,
    evidence: "partition 0 had another record at offset 0",
  }]);
});

Deno.test("a look that could not compare a record confirms nothing that was read since", async () => {
  const kafka = new ScriptedKafka({ topicId: null });
  kafka.leaders.push(-1);
  const cursor = cursorAt(0);
  fetchTo(cursor, 2);
  const [first, second] = [0, 1].map((offset) => ({
    offset,
    timestamp: 0,
    key: null,
    value: null,
    headers: [],
  }));
  cursor.recogniseBy(markOf(first));
  cursor.handOut(first);
  cursor.handOut(second); // perhaps of another topic
  const before = cursor.position;
  await replacedMeanwhile([cursor], watchOf(kafka), kafka.connection);
  assertEquals(cursor.position, before);
  assertEquals(cursor.marks.recognisedBy, markOf(first));
});

Deno.test("a look is as old as its beginning, since it may not have seen what came later", async () => {
  const original = performance.now;
  let now = 0;
  performance.now = () => now;
  const kafka = new ScriptedKafka({ topicId: null });
  let asked = 0;
  const ask = () => {
    asked++;
    return kafka.connection.metadata();
  };
  const maxAge = 10_000;
  const input = readInputProperties({ "topic.metadata.refresh.interval.ms": maxAge });
  const settings = {
    brokers: ["none:1"] as const,
    topics: [TOPIC],
    tail: true,
    start: "beginning" as const,
    input,
  };
  const place = testPlace();
  let isClosed = false;
  const keeper = new PartitionKeeper(
    settings,
    {
      connection: kafka.connection,
      watch: new TopicWatch({ ask, maxAgeMs: maxAge }),
      partitions: new WorkerPartitions(),
      share: shareOfWorker(place),
    },
    place,
    {
      get isClosed() {
        return isClosed;
      },
      assign: () => {},
      release: () => {},
      jump: () => {},
      tellIdle: () => {},
    },
  );
  try {
    const answer = Promise.withResolvers<void>();
    kafka.metadata = answer.promise;
    const first = keeper.looked();
    keeper.start((error) => {
      throw error;
    });
    await eventually(() => asked === 1, "it had asked");
    now += maxAge;
    answer.resolve();
    await first;
    await keeper.fresh();
    assertEquals(asked, 2, "the first answer was too old");
    await keeper.fresh();
    assertEquals(asked, 2, "the second is fresh");
  } finally {
    isClosed = true;
    await keeper.close();
    performance.now = original;
  }
});

function watchOf(kafka: ScriptedKafka): TopicWatch {
  return new TopicWatch({ ask: () => kafka.connection.metadata(), maxAgeMs: 1 });
}
