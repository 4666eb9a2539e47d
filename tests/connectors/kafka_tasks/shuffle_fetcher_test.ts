import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Buffer } from "node:buffer";
import { crc32c } from "../../../src/connectors/kafka/wire/crc32c.ts";
import { ShuffleFetcher } from "../../../src/connectors/kafka_tasks/shuffle_fetcher.ts";
import { TaskLogError } from "../../../src/connectors/kafka_tasks/task_log_error.ts";
import type { ShuffleReader } from "../../../src/group/log.ts";
import { eventually, idle } from "../../support/eventually.ts";
import {
  fetched,
  recordAt,
  responseOf,
  ScriptedKafka,
  TOPIC,
} from "../../support/kafka/scripted_kafka.ts";
import { storedBytes } from "../../support/kafka/wire_bytes.ts";

const OFFSET_OUT_OF_RANGE = 1;
const NOT_LEADER = 6;

/** A fetcher on a broker whose fetches a test answers. */
class Fetching implements AsyncDisposable {
  readonly kafka: ScriptedKafka;
  readonly fetcher: ShuffleFetcher;
  readonly #ended = new AbortController();

  constructor(first: readonly number[] = [0]) {
    const partitions = first.map((first) => ({ first, last: 100, highWatermark: 100 }));
    this.kafka = new ScriptedKafka({ partitions });
    const ids = new Map([[TOPIC, null]]);
    this.fetcher = new ShuffleFetcher("app", this.kafka.connection, ids, this.#ended.signal);
  }

  read(partition: number, from: bigint | null): ShuffleReader {
    return this.fetcher.read({ topic: TOPIC, partition }, from);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    await this.kafka.connection.close();
    await this.fetcher.close();
  }
}

/** The offsets after the records that are there. */
function taken(reader: ShuffleReader): number[] {
  const offsets: number[] = [];
  for (let record; (record = reader.next()) !== null;) offsets.push(Number(record.next));
  return offsets;
}

/** A batch of a transaction, or its marker. */
function inTransaction(offset: number, producerId: string, marker?: "abort" | "commit"): Buffer {
  const key = marker === undefined ? null : Buffer.from([0, 0, 0, marker === "abort" ? 0 : 1]);
  const record = { key, value: Buffer.from("frame"), headers: [], timestamp: 0 };
  const isControl = marker !== undefined;
  const bytes = storedBytes(BigInt(offset), [record], { producerId, isControl });
  bytes.writeUInt32BE(crc32c(bytes, 21), 17);
  return bytes;
}

Deno.test("a reader of a shard gets committed records only, and is current at the end", async () => {
  await using fetching = new Fetching();
  const { kafka } = fetching;
  const reader = fetching.read(0, null);
  assertEquals([reader.next(), reader.isCurrent, reader.lag], [null, false, 0]);
  const records = Buffer.concat([
    inTransaction(0, "1"),
    inTransaction(1, "2"),
    inTransaction(2, "2", "abort"),
    inTransaction(3, "1", "commit"),
  ]);
  const aborted = [{ producerId: 2n, firstOffset: 1 }];
  await kafka.answer(fetched({ highWatermark: 6, lastStableOffset: 4, aborted, records }));
  await reader.ready();
  assertEquals(reader.lag, 6);
  assertEquals(taken(reader), [1]);
  assertEquals([reader.isCurrent, reader.lag], [false, 2]); // a transaction is open
  await kafka.answer(fetched({ highWatermark: 6, records: recordAt(5) }));
  await reader.ready();
  assertEquals([taken(reader), reader.isCurrent, reader.lag], [[6], true, 0]);
  reader.close();
});

Deno.test("a reader goes on within a batch, and others have the same request", async () => {
  await using fetching = new Fetching([0, 0]);
  const { kafka } = fetching;
  const record = { key: null, value: Buffer.from("frame"), headers: [], timestamp: 0 };
  const first = fetching.read(0, 1n);
  await kafka.answer(
    fetched({ highWatermark: 3, records: storedBytes(0n, [record, record, record]) }),
  );
  await first.ready();
  assertEquals(taken(first), [2, 3]);
  const second = fetching.read(1, null);
  await kafka.answer(fetched({ highWatermark: 3 }));
  await kafka.answer(
    fetched({ highWatermark: 3 }),
    fetched({ partition: 1, highWatermark: 1, records: recordAt(0) }),
  );
  await second.ready();
  assertEquals(taken(second), [1]);
  first.close();
  second.close();
});

Deno.test("a shard is not asked for more while much of it waits", async () => {
  await using fetching = new Fetching([0, 0]);
  const { kafka } = fetching;
  const reader = fetching.read(0, null);
  await kafka.answer(fetched({ highWatermark: 100, records: recordAt(0, 1_500_000) }));
  await kafka.answerLast(fetched({ highWatermark: 100, records: recordAt(1, 1_500_000) }));
  await eventually(() => reader.lag === 100 && reader.isCurrent === false, "two are there");
  assertEquals(Number(reader.next()!.next), 1);
  await kafka.answer(fetched({ highWatermark: 100, records: recordAt(2) })); // there is room again
  assertEquals(taken(reader), [2, 3]);
  reader.close();
});

Deno.test("a broker waits long for records, unless a shard may have room again before", async () => {
  await using fetching = new Fetching([0, 0]);
  const { kafka } = fetching;
  const [reader, other] = [fetching.read(0, null), fetching.read(1, null)];
  const answer = async (records: Buffer) => {
    const last = fetched({ partition: 1, highWatermark: 0 });
    await kafka.answer(fetched({ highWatermark: 100, records }), last);
  };
  await answer(recordAt(0, 2 << 20));
  await kafka.answer(fetched({ partition: 1, highWatermark: 1, records: recordAt(0) }));
  reader.next();
  await kafka.answer(fetched({ partition: 1, highWatermark: 2, records: recordAt(1) }));
  assertEquals(kafka.waits, [50, 50, 50, 500]); // at the first one, the other has just come
  reader.close();
  other.close();
});

Deno.test("a shard is read on from its new leader, and after its broker was away", async () => {
  await using fetching = new Fetching();
  const { kafka } = fetching;
  const reader = fetching.read(0, null);
  kafka.leaders[0] = 0;
  await kafka.answerFrom(0, fetched({ highWatermark: 2, records: recordAt(0) }));
  kafka.leaders[0] = 1;
  const refused = fetched({ highWatermark: 2, errorCode: NOT_LEADER });
  (await kafka.fetchFrom(0)).resolve(responseOf([refused]));
  await kafka.answerFrom(1, fetched({ highWatermark: 2, records: recordAt(1) }));
  assertEquals(taken(reader), [1, 2]);
  await kafka.goAway(1);
  kafka.back();
  await kafka.answerFrom(1, fetched({ highWatermark: 3, records: recordAt(2) }));
  assertEquals(taken(reader), [3]);
  reader.close();
});

Deno.test("a record of no use is named with its topic, partition, offset and the cure", async () => {
  await using fetching = new Fetching();
  const reader = fetching.read(0, null);
  const { message } = reader.unreadable({ next: 8n, bytes: new Uint8Array() }, new Error("junk"));
  assertStringIncludes(message, `topic "${TOPIC}", partition 0, offset 7: junk. `);
  assertStringIncludes(message, "stop all machines, and run cli.ts group app reset");
});

Deno.test("records that were deleted before they were read are an error", async () => {
  await using fetching = new Fetching([5, 0]);
  const early = fetching.read(0, 3n);
  const lost = await assertRejects(() => early.ready(), TaskLogError, "it begins at offset 5");
  assertStringIncludes(lost.message, "stop all machines, and run cli.ts group app reset");
  early.close();
  const late = fetching.read(1, 3n);
  await fetching.kafka.answerLast(
    fetched({ partition: 1, highWatermark: -1, errorCode: OFFSET_OUT_OF_RANGE }),
  );
  await assertRejects(() => late.ready(), TaskLogError, "has lost records");
  late.close();
});

Deno.test("what waits is handed out before a damaged batch is an error", async () => {
  await using fetching = new Fetching();
  const { kafka } = fetching;
  const reader = fetching.read(0, null);
  await kafka.answer(fetched({ highWatermark: 2, records: recordAt(0) }));
  const damaged = recordAt(1);
  damaged[damaged.length - 1] ^= 1;
  await kafka.answerLast(fetched({ highWatermark: 2, records: damaged }));
  await idle(); // both have come
  await reader.ready();
  assertEquals(taken(reader), [1]);
  await assertRejects(() => reader.ready(), TaskLogError, "cannot be read");
  reader.close();
});

Deno.test("a wait for records ends when the reader is closed", async () => {
  await using fetching = new Fetching();
  const reader = fetching.read(0, null);
  const ready = reader.ready();
  reader.close();
  await ready;
  assertEquals(reader.next(), null);
});
