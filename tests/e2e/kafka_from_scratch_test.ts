/** A flow from Kafka to Kafka that begins from scratch, after a kill that left a transaction. */
import { assertEquals } from "@std/assert";
import { unfinishedOf } from "../../src/recovery/from_scratch.ts";
import { SqliteInspector } from "../../src/recovery/sqlite/inspector.ts";
import { flowFile, folderOf, runCli, startCli } from "../support/cli.ts";
import {
  countWritten,
  createTopic,
  kafkaBrokers,
  produce,
  readAll,
} from "../support/kafka/kafka.ts";
import { openTransactions, untilNoneIsOpen } from "../support/kafka/open_transactions.ts";

const COUNT = 50;
const PATIENCE_MS = 15_000;

/** How many positions stand for unfinished work. */
async function unfinishedIn(path: string): Promise<number> {
  using store = await SqliteInspector.open(path);
  return unfinishedOf(store.positions()).length;
}

Deno.test("--from-scratch ends the transaction that a killed run has left, and begins again", async () => {
  await using folder = await folderOf({});
  const brokers = await kafkaBrokers();
  const from = await createTopic(brokers, { partitions: 1 });
  const to = await createTopic(brokers, { partitions: 1 });
  const store = `${folder.path}/state.db`;
  const args = (...options: string[]) => [
    flowFile("kafka_exactly_once.ts"),
    `--recovery=${store}`,
    "--epoch-interval=1m",
    "--log-level=info",
    ...options,
    "--",
    ...[brokers[0], from, to, "exactly-once"],
  ];
  const items = Array.from({ length: COUNT }, (_, n) => n);
  await produce(brokers, from, items.map((n) => ({ key: "all", value: `${n}`, partition: 0 })));
  {
    await using cli = startCli(args());
    await cli.stderr.line(/flow running/);
    const deadline = performance.now() + PATIENCE_MS;
    while (await countWritten(brokers, to) < COUNT) {
      if (performance.now() > deadline) throw new Error("nothing is written");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    Deno.kill(cli.pid, "SIGKILL");
    await cli.finished();
  }
  assertEquals((await openTransactions(brokers, to)).length, 1);
  assertEquals(await unfinishedIn(store), 1);

  const { code, stderr } = await runCli([...args("--from-scratch", "--yes"), "once"]);
  assertEquals(code, 0, stderr);
  await untilNoneIsOpen(brokers, to);
  const visible = (await readAll(brokers, to)).map(({ value }) => value);
  assertEquals(visible, items.map((n) => `${n + 1} ${n}`));
  assertEquals(await unfinishedIn(store), 0);
});
