import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { runCli } from "../support/cli.ts";
import { createTopic, kafkaBrokers, produce, readAll } from "../support/kafka/kafka.ts";

const WORDS = ["to", "be", "or", "not", "être", "ou", "ne", "pas"];
const LINES = Array.from(
  { length: 600 },
  (_, i) => [0, 1, 2].map((j) => WORDS[(i * 3 + j * j) % WORDS.length]).join(" "),
);

/** The values of each key, in the order of writing. */
async function valuesByKey(brokers: string[], topic: string): Promise<Map<string, string[]>> {
  const records = await readAll(brokers, topic);
  const byKey = Map.groupBy(records, ({ key }) => key!);
  return new Map(
    [...byKey].map(([key, all]) => [key, all.map(({ value }) => value!)] as const)
      .sort(([a], [b]) => a < b ? -1 : 1),
  );
}

Deno.test("examples/kafka_wordcount.ts counts the same with 1, 2, 3 and 5 workers", async () => {
  const brokers = await kafkaBrokers();
  const lines = await createTopic(brokers, { partitions: 4 });
  await produce(brokers, lines, LINES.map((value, i) => ({ value, partition: i % 4 })));
  const seen = new Map<string, number>();
  for (const word of LINES.flatMap((line) => line.split(" "))) {
    seen.set(word, (seen.get(word) ?? 0) + 1);
  }
  const expected = new Map(
    [...seen].sort(([a], [b]) => a < b ? -1 : 1)
      .map(([word, count]) => [word, Array.from({ length: count }, (_, i) => String(i + 1))]),
  );
  for (const workers of [1, 2, 3, 5]) {
    const counts = await createTopic(brokers, { partitions: 3 });
    const args = ["examples/kafka_wordcount.ts", `-w${workers}`, "--", brokers[0], lines, counts];
    const { code, stderr } = await runCli([...args, "once"]);
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
    assertEquals(await valuesByKey(brokers, counts), expected, `with ${workers} workers`);
  }
});

Deno.test("examples/orders.ts keeps the same totals with 1, 2, 3 and 5 workers", async () => {
  const brokers = await kafkaBrokers();
  const orders = await createTopic(brokers, { partitions: 4 });
  const records = Array.from({ length: 1_000 }, (_, i) => ({
    key: `user-${i % 13}`,
    value: i % 100 === 50 ? "oops" : JSON.stringify({ user: `user-${i % 13}`, amount: i / 4 }),
  }));
  await produce(brokers, orders, records);
  const results = [];
  for (const workers of [1, 2, 3, 5]) {
    const totals = await createTopic(brokers, { partitions: 2 });
    const args = ["examples/orders.ts", `-w${workers}`, "--", brokers[0], orders, totals, "once"];
    const { code, stdout } = await runCli(args);
    assertEquals(code, 0);
    const skipped = stdout.trim().split("\n").length;
    results.push({ skipped, totals: await valuesByKey(brokers, totals) });
  }
  assertEquals(results[0].skipped, 10);
  assertEquals(results[0].totals.size, 13);
  for (const result of results.slice(1)) assertEquals(result, results[0]);
});

Deno.test("the Kafka example needs all permissions that docs/security.md gives it, and no others", async () => {
  const documented = await Deno.readTextFile(new URL("../../docs/security.md", import.meta.url));
  const [, env] = /--allow-net=localhost:9092 (--allow-env=\S+)"/.exec(documented)!;
  const brokers = await kafkaBrokers();
  const lines = await createTopic(brokers, { partitions: 2 });
  const counts = await createTopic(brokers);
  await produce(brokers, lines, [{ value: "a b a" }]);
  const run = (flags: string, broker = brokers[0]) =>
    runCli([
      "examples/kafka_wordcount.ts",
      "-w2",
      `--worker-flags=${flags}`,
      "--",
      ...[broker, lines, counts, "once"],
    ]);
  const { code, stderr } = await run(`--allow-net=${brokers[0]} ${env}`);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertEquals([...await valuesByKey(brokers, counts)], [["a", ["1", "2"]], ["b", ["1"]]]);
  const byName = brokers[0].replace("127.0.0.1", "localhost");
  for (
    const [flags, missing, broker] of [
      [env, `may not connect to ${brokers[0]}: give it --allow-net=${brokers[0]}, `],
      [env, `may not connect to ${byName}: give it --allow-net=${byName}, `, byName],
      [`--allow-net=${brokers[0]}`, "Requires env access"],
    ]
  ) {
    const refused = await run(flags, broker);
    assertEquals(refused.code, 1);
    assertStringIncludes(refused.stderr, missing);
    assert(!refused.stderr.includes("waiting for broker"), refused.stderr); // in vain
  }
});
