import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { KafkaConnection } from "../../../src/connectors/kafka/client/connection.ts";
import { TopicDeletedError } from "../../../src/connectors/kafka/client/deleted_topic.ts";
import { errorOfCode } from "../../../src/connectors/kafka/wire/error_codes.ts";
import type { KafkaBroker } from "../../../src/connectors/kafka/client/kafkajs.ts";
import { TransactionalProducer } from "../../../src/connectors/kafka_recovery/transaction.ts";

/** The producer of an open store, whose coordinator is in reach. */
async function openedProducer(clock: { ms: number }): Promise<TransactionalProducer> {
  const producer = await TransactionalProducer.begin(
    connectionTo(coordinator([0], []), clock),
    "id",
  );
  producer.opened();
  return producer;
}

/** A coordinator that answers each InitProducerId with the next code, and repeats the last one. */
function coordinator(codes: number[], asked: number[]): KafkaBroker {
  return {
    versions: { 22: { minVersion: 0, maxVersion: 4 } },
    connectionPool: {
      send: () => {
        const errorCode = codes.length > 1 ? codes.shift()! : codes[0];
        asked.push(errorCode);
        return Promise.resolve({ errorCode, producerId: 7n, producerEpoch: 1 });
      },
    },
  } as unknown as KafkaBroker;
}

/** A connection whose pauses each take a second of the test's clock. */
function connectionTo(broker: KafkaBroker, clock: { ms: number }): KafkaConnection {
  return {
    isEnded: false,
    coordinatorId: () => Promise.resolve(1),
    broker: () => Promise.resolve(broker),
    drop: () => {},
    backoff: () => ({
      answerTo: <R>(request: Promise<R>) => request,
      over: () => {},
      giveUp: () => {},
      pause: () => Promise.resolve(void (clock.ms += 1_000)),
    }),
  } as unknown as KafkaConnection;
}

/** Runs with a clock that only the test moves. */
async function onClock<T>(work: (clock: { ms: number }) => Promise<T>): Promise<T> {
  const clock = { ms: 0 };
  const { now } = performance;
  performance.now = () => clock.ms;
  try {
    return await work(clock);
  } finally {
    performance.now = now;
  }
}

const UNKNOWN = -1;
const FENCED = 90;
const LOADING = 14;
const UNKNOWN_TOPIC = 3;

Deno.test("a coordinator that always fails is given up after 10 s, with the request and the cure", async () => {
  await onClock(async (clock) => {
    const connection = connectionTo(coordinator([UNKNOWN], []), clock);
    const { message } = await assertRejects(
      () => TransactionalProducer.begin(connection, "id"),
      Error,
    );
    assertStringIncludes(message, "if the broker has no transactions,");
    assertStringIncludes(message, "run the flow without --group");
    assertStringIncludes(message, "keep state in a file instead");
    assertEquals(clock.ms, 10_000);
  });
});

Deno.test("a coordinator that is loading is asked again", async () => {
  await onClock(async (clock) => {
    const asked: number[] = [];
    const connection = connectionTo(coordinator([LOADING, LOADING, 0], asked), clock);
    const producer = await TransactionalProducer.begin(connection, "id");
    assertEquals(asked, [LOADING, LOADING, 0]);
    assertEquals(producer.hasFailed, false);
  });
});

Deno.test("a newer producer is a final error, also by the names of newer versions", async () => {
  await onClock(async (clock) => {
    const connection = connectionTo(coordinator([FENCED], []), clock);
    const error = await assertRejects(() => TransactionalProducer.begin(connection, "id"), Error);
    assertEquals((error as { type?: string }).type, "PRODUCER_FENCED");
    assertEquals(clock.ms, 0);
  });
});

Deno.test("once a store is open, a broker may be away for two minutes", async () => {
  await onClock(async (clock) => {
    const producer = await openedProducer(clock);
    const away = () => Promise.reject(errorOfCode(LOADING));
    await assertRejects(() => producer.persist(away));
    assertEquals(clock.ms, 120_000);
  });
});

Deno.test("a topic that brokers have not had for ten seconds ends the wait, and is named", async () => {
  await onClock(async (clock) => {
    const producer = await openedProducer(clock);
    let attempts = 0;
    const deleted = () => {
      // A broker that is away says nothing about the topic, so the ten seconds begin after it.
      const code = attempts++ < 5 ? LOADING : UNKNOWN_TOPIC;
      return Promise.reject(Object.assign(errorOfCode(code), { topic: "orders-meta" }));
    };
    const error = await assertRejects(() => producer.persist(deleted), TopicDeletedError);
    assertEquals(error.topic, "orders-meta");
    assertEquals(clock.ms, 15_000);
    assertEquals(producer.hasFailed, true);
  });
});

Deno.test("a topic that a broker has not heard of yet is written to once it has", async () => {
  await onClock(async (clock) => {
    const producer = await openedProducer(clock);
    let attempts = 0;
    const slow = () =>
      attempts++ < 9 ? Promise.reject(errorOfCode(UNKNOWN_TOPIC)) : Promise.resolve("there");
    assertEquals(await producer.persist(slow), "there");
    assertEquals(producer.hasFailed, false);
  });
});

Deno.test("records count as written once the answers to both requests name their partition", async () => {
  const TOPIC = "topic";
  const added = { topic: TOPIC, partition: 0, errorCode: 0 };
  const written = { topic: TOPIC, partition: 0, baseOffset: 0, refused: [] };
  const answers = new Map<string, unknown[][]>([
    ["AddPartitionsToTxn", [[], [added]]],
    ["Produce", [[], [{ ...written, topic: "elsewhere" }], [written]]],
  ]);
  const { connectionPool } = coordinator([0], []);
  const send: typeof connectionPool.send = (exchange) => {
    const scripted = answers.get(exchange.request.apiName);
    if (scripted === undefined) return connectionPool.send(exchange);
    return Promise.resolve({ results: scripted.shift()! });
  };
  const broker = {
    versions: {
      0: { minVersion: 3, maxVersion: 8 },
      22: { minVersion: 0, maxVersion: 4 },
      24: { minVersion: 0, maxVersion: 3 },
    },
    connectionPool: { send },
  } as unknown as KafkaBroker;
  await onClock(async (clock) => {
    const connection = Object.assign(connectionTo(broker, clock), {
      leaders: () => Promise.resolve(new Map([[0, 1]])),
    });
    const producer = await TransactionalProducer.begin(connection, "id");
    const record = { key: null, value: new Uint8Array(1), headers: [], timestamp: 0 };
    await producer.send(TOPIC, new Map([[0, [record]]]));
    assertEquals([...answers.values()], [[], []]);
    assertEquals([producer.hasFailed, clock.ms], [false, 3_000]); // a pause for each wrong answer
  });
});
