/**
 * The positions of a consumer group beside what readers of committed records get, under kill -9.
 */
import { assert, assertEquals } from "@std/assert";
import { flowFile, folderOf, runCli, startCli } from "../support/cli.ts";
import { kafkaClient } from "../support/kafka/client.ts";
import { createTopic, kafkaBrokers, produce, readAll } from "../support/kafka/kafka.ts";
import { untilNoneIsOpen } from "../support/kafka/open_transactions.ts";

const SLICE = 200;

/** Two topics of one partition, where the offset of a record is its number. */
async function setUp(folder: string) {
  const brokers = await kafkaBrokers();
  const [from, to] = [await createTopic(brokers), await createTopic(brokers)];
  const groupId = `group-${from}`;
  const admin = kafkaClient(brokers).admin();
  await admin.connect();
  let count = 0;
  return {
    brokers,
    to,
    args: [
      flowFile("kafka_group.ts"),
      `--recovery=${folder}/state.db`,
      "--epoch-interval=20ms",
      "--log-level=info",
      "--",
      ...[brokers[0], from, to, groupId],
    ],
    /** Where the group is; 0 if it has no position yet. */
    position: async () => {
      const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: [from] });
      return Math.max(0, ...partitions.map(({ offset }) => Number(offset)));
    },
    visible: async () => (await readAll(brokers, to)).map(({ value }) => value!),
    /** Writes to the input, and returns how many records it has then. */
    produce: async (values: number | "quiet") => {
      const added = Array.from({ length: values === "quiet" ? 3 : values }, (_, n) => ({
        value: values === "quiet" ? values : `${count + n}`,
      }));
      await produce(brokers, from, added);
      return count += added.length;
    },
    [Symbol.asyncDispose]: () => admin.disconnect(),
  };
}

type SetUp = Awaited<ReturnType<typeof setUp>>;

/** Makes sure that the group is not ahead of what is visible. Returns both. */
async function compare({ position, visible }: SetUp) {
  const at = await position(); // first: what is visible only grows
  const { length } = await visible();
  assert(at <= length, `the group is at ${at}, and ${length} records are visible`);
  return { position: at, visible: length };
}

/** Waits until readers get at least this many records. */
async function untilVisible({ visible }: SetUp, least: number): Promise<void> {
  for (const deadline = performance.now() + 15_000; (await visible()).length < least;) {
    assert(performance.now() < deadline, `readers do not get ${least} records`);
  }
}

/** Waits until the group and its readers have all. It is never ahead of them meanwhile. */
async function untilBothHave(flow: SetUp, count: number): Promise<void> {
  for (const deadline = performance.now() + 15_000;;) {
    const got = await compare(flow);
    if (got.position === count && got.visible === count) return;
    assert(performance.now() < deadline, `${JSON.stringify(got)} instead of ${count}`);
  }
}

Deno.test("a group is where its output is after each epoch and after kill -9, and never ahead", async () => {
  await using folder = await folderOf({});
  await using flow = await setUp(folder.path);
  {
    await using cli = startCli(flow.args, { deadlineMs: 60_000 });
    await cli.stderr.line(/flow running/);
    await flow.produce(SLICE);
    await untilVisible(flow, SLICE); // from here on, the cluster's first group has a coordinator
    for (let slice = 0; slice < 3; slice++) {
      await untilBothHave(flow, await flow.produce(SLICE));
    }
    const before = (await compare(flow)).visible;
    await flow.produce(10 * SLICE);
    await untilVisible(flow, before + 1);
    Deno.kill(cli.pid, "SIGKILL");
    await cli.finished();
  }
  await compare(flow);
  const count = await flow.produce(SLICE);
  const run = async () => {
    const { code, stderr } = await runCli([...flow.args, "once"], { deadlineMs: 60_000 });
    assertEquals(code, 0, stderr);
    await untilNoneIsOpen(flow.brokers, flow.to);
    assertEquals(await flow.visible(), Array.from({ length: count }, (_, n) => `${n}`));
    return await flow.position();
  };
  assertEquals(await run(), count);
  const withQuiet = await flow.produce("quiet");
  assertEquals(await run(), withQuiet); // nothing is written, so there is no transaction
});
