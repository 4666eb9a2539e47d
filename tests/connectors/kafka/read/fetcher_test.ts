import { assert, assertEquals, assertGreaterOrEqual, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import type { Fetcher } from "../../../../src/connectors/kafka/read/fetcher.ts";
import { compressBatch } from "../../../../src/connectors/kafka/wire/write_batch.ts";
import { eventually, idle } from "../../../support/eventually.ts";
import {
  fetched,
  recordAt,
  responseOf,
  ScriptedKafka,
} from "../../../support/kafka/scripted_kafka.ts";

const OFFSET_OUT_OF_RANGE = 1;

/** Whether `ready` has resolved once all that needs no outside help has happened. */
async function isResolved(ready: Promise<void>): Promise<boolean> {
  let resolved = false;
  ready.then(() => resolved = true);
  await new Promise((resolve) => setTimeout(resolve, 0));
  return resolved;
}

/** Reads what waits, and returns the position after it. */
function take(fetcher: Fetcher): number {
  const block = fetcher.waiting.first!;
  block.cursor.finish();
  fetcher.taken(block);
  return block.next;
}

Deno.test("a fetcher is idle if the broker has no more", async () => {
  await using kafka = new ScriptedKafka();
  const fetcher = await kafka.start();
  assert(!fetcher.idle());
  await kafka.answer(fetched({ highWatermark: 0 }));
  assert(fetcher.idle());
  await kafka.answer(fetched({ highWatermark: 2, records: recordAt(0) }));
  assert(!fetcher.idle());
  take(fetcher);
  assert(!fetcher.idle()); // there is a second one
  await kafka.answer(fetched({ highWatermark: 2, records: recordAt(1) }));
  take(fetcher);
  assert(fetcher.idle());
});

Deno.test("a fetcher is not idle while a transaction is open", async () => {
  await using kafka = new ScriptedKafka();
  const fetcher = await kafka.start();
  await kafka.answer(fetched({ highWatermark: 0 }));
  assert(fetcher.idle());
  const ready = fetcher.arrival();
  await kafka.answer(fetched({ highWatermark: 1, lastStableOffset: 0 }));
  assert(await isResolved(ready));
  assert(!fetcher.idle());
  await kafka.answer(fetched({ highWatermark: 2, lastStableOffset: 1, records: recordAt(0) }));
  take(fetcher);
  assert(!fetcher.idle());
  await kafka.answer(fetched({ highWatermark: 2, lastStableOffset: 1 }));
  assert(!fetcher.idle());
  await kafka.answer(fetched({ highWatermark: 2, records: recordAt(1) }));
  take(fetcher);
  assert(fetcher.idle());
});

Deno.test("a fetcher that reads uncommitted is idle once it has read an open transaction", async () => {
  await using kafka = new ScriptedKafka({ properties: { "isolation.level": "read_uncommitted" } });
  const fetcher = await kafka.start();
  await kafka.answer(fetched({ highWatermark: 1, lastStableOffset: 0, records: recordAt(0) }));
  take(fetcher);
  assert(fetcher.idle());
});

Deno.test("a fetcher ends without a last open transaction, with tail false", async () => {
  const partitions = [{ first: 0, last: 1, highWatermark: 2 }];
  await using kafka = new ScriptedKafka({ partitions, tail: false });
  const fetcher = await kafka.start();
  await kafka.answerLast(fetched({ highWatermark: 2, lastStableOffset: 1, records: recordAt(0) }));
  await eventually(() => fetcher.waiting.first !== null, "the record had come");
  take(fetcher);
  await fetcher.arrival();
  assert(fetcher.isOver());
});

Deno.test("a fetcher is not idle before all partitions are at their ends, with tail false", async () => {
  const partitions = [
    { first: 0, last: 0, highWatermark: 1 }, // nothing to read, and an open transaction
    { first: 0, last: 1, highWatermark: 1 },
  ];
  await using kafka = new ScriptedKafka({ partitions, tail: false });
  const fetcher = await kafka.start();
  await kafka.answer(fetched({ partition: 1, highWatermark: 0 })); // a new leader that lags behind
  assert(!fetcher.idle());
  await kafka.answerLast(fetched({ partition: 1, highWatermark: 1, records: recordAt(0) }));
  await eventually(() => fetcher.waiting.first !== null, "the record had come");
  take(fetcher);
  assert(fetcher.idle());
});

Deno.test("a broker that is lost just after a record that followed a pause is noticed", async () => {
  await using kafka = new ScriptedKafka();
  const fetcher = await kafka.start();
  await kafka.answer(fetched({ highWatermark: 0 }));
  assert(fetcher.idle());
  await kafka.answer(fetched({ highWatermark: 1, records: recordAt(0) }));
  take(fetcher);
  assert(fetcher.idle());
  const ready = fetcher.arrival();
  await kafka.goAway();
  assert(await isResolved(ready));
  assert(!fetcher.idle());
  const back = fetcher.arrival();
  assert(!await isResolved(back));
  kafka.back();
  await kafka.answer(fetched({ highWatermark: 1 }));
  assert(await isResolved(back));
  assert(fetcher.idle());
});

Deno.test("a broker that is lost before the reader is asked is noticed, and so is its return", async () => {
  await using kafka = new ScriptedKafka();
  const fetcher = await kafka.start();
  await kafka.answer(fetched({ highWatermark: 1, records: recordAt(0) }));
  await kafka.goAway();
  take(fetcher);
  await isResolved(fetcher.arrival());
  assert(!fetcher.idle());
  kafka.back();
  await kafka.answer(fetched({ highWatermark: 1 }));
  // The answer has changed between `idle` and `arrival`.
  assert(await isResolved(fetcher.arrival()));
  assert(fetcher.idle());
  assert(!await isResolved(fetcher.arrival()));
});

Deno.test("a broker that does not list partitions in time is noticed", async () => {
  await using kafka = new ScriptedKafka({ properties: { "fetch.wait.max.ms": 0 } });
  const metadata = Promise.withResolvers<void>();
  const fetcher = await kafka.start();
  await kafka.answer(fetched({ highWatermark: 0 }));
  kafka.metadata = metadata.promise;
  await kafka.answerLast(fetched({ highWatermark: 0 }));
  assert(fetcher.idle());
  await fetcher.arrival();
  assert(!fetcher.idle());
  metadata.resolve();
});

Deno.test("a reader that is never asked whether it is idle is woken by records alone", async () => {
  await using kafka = new ScriptedKafka();
  const fetcher = await kafka.start();
  const ready = fetcher.arrival();
  await kafka.answer(fetched({ highWatermark: 0 }));
  await kafka.answer(fetched({ highWatermark: 1, lastStableOffset: 0 }));
  assert(!await isResolved(ready));
  await kafka.answer(fetched({ highWatermark: 1, records: recordAt(0) }));
  assert(await isResolved(ready));
});

Deno.test("a fetcher is not idle if a broker that throttles it answers without partitions", async () => {
  await using kafka = new ScriptedKafka();
  const fetcher = await kafka.start();
  await kafka.answer(fetched({ highWatermark: 0 }));
  assert(fetcher.idle());
  const ready = fetcher.arrival();
  await kafka.throttle();
  assert(await isResolved(ready));
  assert(!fetcher.idle());
  await kafka.answer(fetched({ highWatermark: 0 }));
  assert(fetcher.idle());
});

Deno.test("a broker that answers for none of the requested partitions is asked again as after an error", async () => {
  await using kafka = new ScriptedKafka();
  const dropped: number[] = [];
  Object.assign(kafka.connection, { dropBroker: (id: number) => dropped.push(id) });
  const fetcher = await kafka.start();
  await kafka.answer();
  assertEquals(dropped, [0]);
  await kafka.answer(fetched({ partition: 7, highWatermark: 0 }));
  assertEquals(dropped, [0, 0]);
  assert(!fetcher.idle());
  await kafka.answer(fetched({ highWatermark: 0 }));
  assert(fetcher.idle());
  assertEquals(dropped, [0, 0]);
});

Deno.test("a fetcher is not idle while it unpacks", async () => {
  await using kafka = new ScriptedKafka();
  const fetcher = await kafka.start();
  await kafka.answer(fetched({ highWatermark: 0 }));
  assert(fetcher.idle());
  await kafka.answerLast(
    fetched({ highWatermark: 1, records: await compressBatch(recordAt(0), "gzip") }),
  );
  for (;;) {
    await new Promise((resolve) => setImmediate(resolve));
    if (fetcher.waiting.first !== null) break;
    assert(!fetcher.idle());
  }
});

Deno.test("a fetcher is not idle between finding and reading a partition", async () => {
  await using kafka = new ScriptedKafka({
    properties: { "topic.metadata.refresh.interval.ms": 1 },
  });
  const fetcher = await kafka.start();
  await kafka.answer(fetched({ highWatermark: 0 }));
  assert(fetcher.idle());
  const ready = fetcher.arrival();
  kafka.partitions.push({ first: 0, last: 1, highWatermark: 1 });
  await ready;
  assert(!fetcher.idle());
  await kafka.answer(fetched({ highWatermark: 0 }));
  assert(!fetcher.idle());
  await kafka.answer(
    fetched({ highWatermark: 0 }),
    fetched({ partition: 1, highWatermark: 1, records: recordAt(0) }),
  );
  take(fetcher);
  assert(fetcher.idle());
});

Deno.test("a fetcher whose queue was full is not idle until it has asked again", async () => {
  const partitions = [{ first: 0, last: 0, highWatermark: 0 }, {
    first: 0,
    last: 2_000,
    highWatermark: 2_000,
  }];
  const properties = { "queued.max.messages.kbytes": 1 };
  await using kafka = new ScriptedKafka({ partitions, properties });
  const fetcher = await kafka.start();
  const large = recordAt(0, 2_000);
  await kafka.answerLast(
    fetched({ highWatermark: 0 }),
    fetched({ partition: 1, highWatermark: 1, records: large }),
  );
  await eventually(() => fetcher.waiting.first !== null, "the record had come");
  take(fetcher);
  await isResolved(fetcher.arrival());
  assert(!fetcher.idle());
});

Deno.test("a deleted position lags behind the first record: nobody is idle, and it is stored", async () => {
  const properties = { "auto.offset.reset": "earliest" };
  await using kafka = new ScriptedKafka({ properties });
  const fetcher = await kafka.start();
  await kafka.answer(fetched({ highWatermark: 0 }));
  assert(fetcher.idle());
  kafka.partitions[0] = { first: 5, last: 7, highWatermark: 7 };
  await kafka.answer(fetched({ highWatermark: -1, errorCode: OFFSET_OUT_OF_RANGE }));
  assertEquals(take(fetcher), 5);
  assert(!fetcher.idle());
});

for (const reset of [undefined, "earliest", "latest"] as const) {
  Deno.test(`a position that a new leader refuses, and has, is read on, with ${reset}`, async () => {
    await using kafka = new ScriptedKafka({ properties: reset && { "auto.offset.reset": reset } });
    const fetcher = await kafka.start();
    await kafka.answer(fetched({ highWatermark: 1, records: recordAt(0) }));
    assertEquals(take(fetcher), 1);
    kafka.partitions[0] = { first: 0, last: 1, highWatermark: 1 };
    await kafka.answer(fetched({ highWatermark: -1, errorCode: OFFSET_OUT_OF_RANGE }));
    await kafka.answer(fetched({ highWatermark: 2, records: recordAt(1) }));
    assertEquals(take(fetcher), 2);
    assertEquals(kafka.place.logged, []);
  });
}

for (const [reset, next] of [["earliest", 0], ["latest", 3]] as const) {
  Deno.test(`a topic that became shorter than a position ends where it ends now, with tail false and ${reset}`, async () => {
    const partitions = [{ first: 0, last: 9, highWatermark: 9 }];
    const properties = { "auto.offset.reset": reset };
    await using kafka = new ScriptedKafka({ partitions, tail: false, properties });
    const fetcher = await kafka.start();
    await kafka.answer(fetched({ highWatermark: 9, records: recordAt(5) }));
    assertEquals(take(fetcher), 6);
    kafka.partitions[0] = { first: 0, last: 3, highWatermark: 3 };
    await kafka.answerLast(fetched({ highWatermark: -1, errorCode: OFFSET_OUT_OF_RANGE }));
    await eventually(() => fetcher.waiting.first !== null, "the position had moved");
    assertEquals(take(fetcher), next);
    if (reset === "earliest") {
      await kafka.answerLast(fetched({ highWatermark: 3, records: recordAt(2) }));
      await eventually(() => fetcher.waiting.first !== null, "the rest had come");
      assertEquals(take(fetcher), 3);
    }
    await fetcher.arrival();
    assert(fetcher.isOver());
  });
}

Deno.test("a topic that became shorter, but not below the position, ends at its new end", async () => {
  const partitions = [{ first: 0, last: 9, highWatermark: 9 }];
  const properties = { "auto.offset.reset": "earliest" };
  await using kafka = new ScriptedKafka({ partitions, tail: false, properties });
  const fetcher = await kafka.start();
  await kafka.answer(fetched({ highWatermark: 9, records: recordAt(2) }));
  take(fetcher);
  await kafka.answer(fetched({ highWatermark: 3 })); // a new leader lags behind: nothing is lost
  assert(!fetcher.isOver());
  kafka.partitions[0] = { first: 0, last: 3, highWatermark: 3 };
  await kafka.answerLast(fetched({ highWatermark: 3 }));
  await fetcher.arrival();
  assert(fetcher.isOver());
  assertEquals(kafka.place.logged, [
    "warn: the partition is shorter than it was: records were deleted",
  ]);
});

Deno.test("a topic that became shorter is an error if no property says what to do", async () => {
  const partitions = [{ first: 0, last: 9, highWatermark: 9 }];
  await using kafka = new ScriptedKafka({ partitions, tail: false });
  const fetcher = await kafka.start();
  kafka.partitions[0] = { first: 0, last: 3, highWatermark: 3 };
  await kafka.answerLast(fetched({ highWatermark: 3 }));
  await fetcher.arrival();
  await assertRejects(
    // deno-lint-ignore require-await -- so that what it throws is a rejection
    async () => fetcher.isOver(),
    Error,
    'position 8 of topic "topic", partition 0 is not on the broker any more, which has 0 to 3',
  );
});

const NOT_LEADER = 6;

/** Two partitions, each led by a broker of its own. */
function twoBrokers(): ScriptedKafka {
  const partitions = [0, 1].map(() => ({ first: 0, last: 9, highWatermark: 9 }));
  const kafka = new ScriptedKafka({ partitions });
  kafka.leaders.push(0, 1);
  return kafka;
}

Deno.test("a broker that is away does not stop reading from others", async () => {
  await using kafka = twoBrokers();
  const fetcher = await kafka.start();
  await kafka.goAway(1);
  for (const offset of [0, 1, 2]) {
    await kafka.answer(fetched({ highWatermark: 9, records: recordAt(offset) }));
    assertEquals(take(fetcher), offset + 1);
  }
  kafka.back();
  await kafka.answerFrom(1, fetched({ partition: 1, highWatermark: 9, records: recordAt(0) }));
  assertEquals(fetcher.waiting.first!.cursor.partition, 1);
});

Deno.test("a broker that does not answer does not stop reading from others", async () => {
  await using kafka = twoBrokers(); // the second one never does
  const fetcher = await kafka.start();
  for (const offset of [0, 1, 2]) {
    await kafka.answer(fetched({ highWatermark: offset + 1, records: recordAt(offset) }));
    assertEquals(take(fetcher), offset + 1);
  }
  assert(!fetcher.idle());
});

Deno.test("a partition without a leader does not stop reading of others, and is read later", async () => {
  await using kafka = twoBrokers();
  const fetcher = await kafka.start();
  const moved = fetched({ partition: 1, highWatermark: -1, errorCode: NOT_LEADER });
  const fetch = await kafka.fetchFrom(1);
  kafka.leaders[1] = -1;
  fetch.resolve(responseOf([moved]));
  await kafka.answer(fetched({ highWatermark: 9, records: recordAt(0) }));
  assertEquals(take(fetcher), 1);
  assert(!fetcher.idle());
  kafka.leaders[1] = 0;
  await idle(); // until the partition has gone to its new leader
  await kafka.answer(fetched({ highWatermark: 9 }));
  await kafka.answer(
    fetched({ highWatermark: 9 }),
    fetched({ partition: 1, highWatermark: 9, records: recordAt(0) }),
  );
  assertEquals(take(fetcher), 1);
});

for (const late of ["before", "behind"]) {
  Deno.test(`a partition that moves is read once, with the old leader's answer ${late} the new one's`, async () => {
    await using kafka = new ScriptedKafka({
      partitions: [{ first: 0, last: 9, highWatermark: 9 }],
      properties: { "topic.metadata.refresh.interval.ms": 1 },
    });
    const fetcher = await kafka.start();
    await kafka.answer(fetched({ highWatermark: 9, records: recordAt(0) }));
    assertEquals(take(fetcher), 1);
    kafka.leaders[0] = 1;
    // The fetch from the old leader is under way. The new leader is asked for the same offset.
    const second = fetched({ highWatermark: 9, records: recordAt(1) });
    const fetch = await kafka.fetchFrom(1);
    if (late === "before") await kafka.answerLast(second);
    fetch.resolve(responseOf([second]));
    await kafka.fetchFrom(1);
    if (late === "behind") await kafka.answerLast(second);
    await new Promise((resolve) => setTimeout(resolve, 0));
    assertEquals(take(fetcher), 2);
    assertEquals(fetcher.waiting.first, null);
  });
}

/** Reads all that waits until fetching has failed. Returns the positions and the message. */
async function takeAll(fetcher: Fetcher): Promise<{ positions: number[]; message: string }> {
  const positions: number[] = [];
  for (;;) {
    await fetcher.arrival();
    if (fetcher.waiting.first !== null) positions.push(take(fetcher));
    else {
      try {
        fetcher.isOver();
      } catch (error) {
        return { positions, message: (error as Error).message };
      }
    }
  }
}

const PAST_DAMAGE = "What comes before it has been handed out. To continue after it, delete the " +
  "partition's records up to and with it (kafka-delete-records.sh), and set the property " +
  '"auto.offset.reset" to earliest';

Deno.test("a damaged batch ends the run after what came before it, and the error says how to go on", async () => {
  const damaged = recordAt(2);
  damaged[70] ^= 1;
  await using kafka = new ScriptedKafka();
  const fetcher = await kafka.start();
  const records = Buffer.concat([recordAt(0), recordAt(1), damaged, recordAt(3)]);
  await kafka.answer(fetched({ highWatermark: 9, records }));
  await kafka.answerLast(fetched({ highWatermark: 9, records: Buffer.concat([damaged]) }));
  assertEquals(await takeAll(fetcher), {
    positions: [2],
    message:
      'topic "topic", partition 0 cannot be read from offset 2 on: the batch at offset 2 is ' +
      'damaged: its checksum is wrong (to read it as it is, set the property "check.crcs" to ' +
      `false). ${PAST_DAMAGE}`,
  });
});

Deno.test("a damaged batch is read unchanged if checksums are not verified", async () => {
  const damaged = recordAt(0);
  damaged[68] ^= 1; // in its value
  await using kafka = new ScriptedKafka({ properties: { "check.crcs": false } });
  const fetcher = await kafka.start();
  await kafka.answer(fetched({ highWatermark: 1, records: damaged }));
  assertEquals(take(fetcher), 1);
});

Deno.test("a batch that the broker itself reports as damaged is not requested again", async () => {
  const CORRUPT_MESSAGE = 2;
  await using kafka = new ScriptedKafka();
  const fetcher = await kafka.start();
  await kafka.answer(fetched({ highWatermark: 9, records: recordAt(0) }));
  await kafka.answerLast(fetched({ highWatermark: 9, errorCode: CORRUPT_MESSAGE }));
  const { positions, message } = await takeAll(fetcher);
  assertEquals(positions, [1]);
  assert(
    message.startsWith('topic "topic", partition 0 cannot be read from offset 1 on: '),
    message,
  );
  assert(message.endsWith(PAST_DAMAGE), message);
});

Deno.test("a batch that is always cut off ends the run, instead of retrying for ever", async () => {
  const cutOff = recordAt(0);
  cutOff.writeInt32BE(1 << 30, 8);
  await using kafka = new ScriptedKafka();
  const fetcher = await kafka.start();
  const answer = fetched({ highWatermark: 9, records: cutOff });
  for (let maxBytes = 1; maxBytes < 64; maxBytes *= 2) await kafka.answer(answer);
  await kafka.answerLast(answer);
  const { message } = await takeAll(fetcher);
  assert(message.includes("came though 67108864 were asked for"), message);
});

Deno.test("the unpacked size of an answer is bounded, and counts as waiting", async () => {
  const MIB = 1 << 20;
  const bombs: Buffer[] = [];
  for (let offset = 0; offset < 64; offset++) {
    bombs.push(stored(offset, await compressBatch(recordAt(offset, 8 * MIB), "gzip")));
  }
  const packed = Buffer.concat(bombs);
  await using kafka = new ScriptedKafka();
  const fetcher = await kafka.start();
  await kafka.answerLast(fetched({ highWatermark: 64, records: packed }));
  await fetcher.arrival();
  const { records, bytes, unpackedBytes } = fetcher.waiting.first!;
  assert(unpackedBytes > 20 * MIB && unpackedBytes <= 32 * MIB, `${unpackedBytes / MIB} MiB`);
  assertEquals(bytes, packed.length + unpackedBytes);
  const offsets: number[] = [];
  for (let cursor; (cursor = records.current(false)) !== null;) {
    const { offset, value } = cursor.read();
    assertEquals(value!.length, 8 * MIB);
    offsets.push(offset);
  }
  assertEquals(offsets, bombs.map((_, offset) => offset));
});

/** A batch as a broker stores it, with its offset. */
function stored(offset: number, batch: Buffer): Buffer {
  batch.writeBigInt64BE(BigInt(offset), 0);
  return batch;
}

/** The errors that caused a pause, without repeats. */
function reasons(kafka: ScriptedKafka): string[] {
  return [...new Set(kafka.pauses.map((error) => (error as Error).message))];
}

Deno.test("the fetcher pauses as after an error if a broker does not send records that it has", async () => {
  await using kafka = new ScriptedKafka();
  const fetcher = await kafka.start();
  await kafka.answer(fetched({ highWatermark: 2 }));
  assertEquals(reasons(kafka), [
    'the broker\'s answer to Fetch says that partition 0 of topic "topic" has records up to offset ' +
    "2, and sends none from 0 on",
  ]);
  assert(!fetcher.idle());
  await kafka.answer(fetched({ highWatermark: 1, records: recordAt(0) }));
  assertEquals(take(fetcher), 1);
  assertEquals(kafka.pauses.length, 1);
});

Deno.test("an answer without records is not an error at the end, nor before an open transaction", async () => {
  await using kafka = new ScriptedKafka();
  await kafka.start();
  await kafka.answer(fetched({ highWatermark: 0 }));
  await kafka.answer(fetched({ highWatermark: 2, lastStableOffset: 0 }));
  assertEquals(reasons(kafka), []);
});

Deno.test("after an answer without records, the next request waits for some time", async () => {
  await using kafka = new ScriptedKafka({ properties: { "retry.backoff.ms": 50 } });
  await kafka.start();
  const begun = performance.now();
  await kafka.answer(fetched({ highWatermark: 0 }));
  assertGreaterOrEqual(performance.now() - begun, 45);
});

for (const other of [[], [fetched({ partition: 7, highWatermark: 1, records: recordAt(0) })]]) {
  const what = other.length === 0 ? "nothing else" : "one that was not asked for";
  Deno.test(`a partition that an answer lacks is waited for as after an error: it has ${what}`, async () => {
    const partitions = [0, 1].map(() => ({ first: 0, last: 1, highWatermark: 1 }));
    await using kafka = new ScriptedKafka({ partitions, tail: false });
    const fetcher = await kafka.start();
    await kafka.answerLast(fetched({ highWatermark: 1, records: recordAt(0) }), ...other);
    await eventually(() => kafka.pauses.length > 0, "it was waited");
    assertEquals(reasons(kafka), [
      'the broker\'s answer to Fetch does not name partition 1 of topic "topic"',
    ]);
    await eventually(() => fetcher.waiting.first !== null, "the other had come");
    take(fetcher);
    assert(!fetcher.isOver());
    await kafka.answerLast(fetched({ partition: 1, highWatermark: 1, records: recordAt(0) }));
    await eventually(() => fetcher.waiting.first !== null, "it had come");
    assertEquals(fetcher.waiting.first!.cursor.partition, 1);
    take(fetcher);
    await fetcher.arrival();
    assert(fetcher.isOver());
  });
}
