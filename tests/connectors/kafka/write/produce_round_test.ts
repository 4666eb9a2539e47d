import { assertEquals, assertRejects } from "@std/assert";
import type { KafkaBroker } from "../../../../src/connectors/kafka/client/kafkajs.ts";
import { errorOfCode } from "../../../../src/connectors/kafka/wire/error_codes.ts";
import type { PartitionResult } from "../../../../src/connectors/kafka/wire/produce.ts";
import {
  produceRound,
  type RoundOptions,
} from "../../../../src/connectors/kafka/write/produce_round.ts";

const TOPIC = "topic";
const NOT_LEADER = 6;
const DUPLICATE = 46;
const TOO_LARGE = 10;

/** A leader's answer: a code for each of its partitions, or an error instead of an answer. */
type Answer = Readonly<Record<number, number>> | Error;

/** A cluster in which each broker gives one answer, once its `go` resolves. */
function clusterOf(
  leaders: Readonly<Record<number, number>>,
  answers: Readonly<Record<number, Answer>>,
  go: Readonly<Record<number, Promise<void>>> = {},
) {
  const send = async (nodeId: number) => {
    await go[nodeId];
    const answer = answers[nodeId];
    if (answer instanceof Error) throw answer;
    return {
      results: Object.entries(answer).map(([partition, code]): PartitionResult => ({
        topic: TOPIC,
        partition: Number(partition),
        baseOffset: code === 0 ? 100 + Number(partition) : null,
        refused: [],
        ...(code === 0 ? {} : { error: errorOfCode(code, "Produce") }),
      })),
    };
  };
  return {
    leaders: () =>
      Promise.resolve(new Map(Object.entries(leaders).map(([key, id]) => [Number(key), id]))),
    broker: (nodeId: number) =>
      Promise.resolve(
        {
          versions: { 0: { minVersion: 3, maxVersion: 8 } },
          connectionPool: { send: () => send(nodeId) },
        } as unknown as KafkaBroker,
      ),
  };
}

/** Options of a round that record which partitions were written. */
function noting(written: number[], more: Partial<RoundOptions> = {}): RoundOptions {
  return {
    topic: TOPIC,
    acks: -1,
    timeoutMs: 1_000,
    batchOf: () => new Uint8Array(1),
    written: (partition) => written.push(partition),
    ...more,
  };
}

Deno.test("a round counts what every leader has acknowledged", async () => {
  const written = new Map<number, number | null>();
  const cluster = clusterOf({ 0: 1, 1: 2, 2: 1 }, { 1: { 0: 0, 2: 0 }, 2: { 1: 0 } });
  const options = { written: (partition: number, at: number | null) => written.set(partition, at) };
  await produceRound(cluster, [0, 1, 2], noting([], options));
  assertEquals([...written].sort(), [[0, 100], [1, 101], [2, 102]]);
});

Deno.test("a batch that the broker already has counts as written", async () => {
  const written: number[] = [];
  await produceRound(clusterOf({ 0: 1 }, { 1: { 0: DUPLICATE } }), [0], noting(written));
  assertEquals(written, [0]);
});

for (const first of [1, 2]) {
  Deno.test(`one leader fails and the other has written, leader ${first} first`, async () => {
    const written: number[] = [];
    const [early, late] = [Promise.resolve(), Promise.withResolvers<void>()];
    const go = { [first]: early, [3 - first]: late.promise };
    const cluster = clusterOf({ 0: 1, 1: 2 }, { 1: new Error("away"), 2: { 1: 0 } }, go);
    let isOver = false;
    const round = produceRound(cluster, [0, 1], noting(written)).finally(() => isOver = true);
    const failure = assertRejects(() => round, Error, "away");
    await new Promise((resolve) => setTimeout(resolve, 0));
    assertEquals(isOver, false); // a try that overlaps the next one could reorder batches
    late.resolve();
    await failure;
    assertEquals(written, [1]);
  });
}

Deno.test("a refused batch is thrown, and what the same answer acknowledges is written", async () => {
  const written: number[] = [];
  const cluster = clusterOf({ 0: 1, 1: 1 }, { 1: { 0: NOT_LEADER, 1: 0 } });
  const error = await assertRejects(() => produceRound(cluster, [0, 1], noting(written)));
  assertEquals((error as { type?: string }).type, "NOT_LEADER_FOR_PARTITION");
  assertEquals(written, [1]);
});

Deno.test("a refusal that the caller has dealt with is not thrown", async () => {
  const told: [number, string][] = [];
  const refused: RoundOptions["refused"] = ({ partition, error }) => {
    told.push([partition, error.type]);
    return true;
  };
  const cluster = clusterOf({ 0: 1 }, { 1: { 0: TOO_LARGE } });
  await produceRound(cluster, [0], noting([], { refused }));
  assertEquals(told, [[0, "MESSAGE_TOO_LARGE"]]);
});

Deno.test("a partition without a leader does not keep the others from being written", async () => {
  const written: number[] = [];
  const cluster = clusterOf({ 0: -1, 1: 2 }, { 2: { 1: 0 } });
  await assertRejects(
    () => produceRound(cluster, [0, 1], noting(written)),
    Error,
    "partition 0 has no leader at the moment",
  );
  assertEquals(written, [1]);
});

Deno.test("a broker that cannot take the batches is sent none", async () => {
  const cluster = clusterOf({ 0: 1 }, { 1: new Error("it was asked") });
  const requireBroker = () => {
    throw new Error("too old");
  };
  await assertRejects(
    () => produceRound(cluster, [0], noting([], { requireBroker })),
    Error,
    "too old",
  );
});
