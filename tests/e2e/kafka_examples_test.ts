import { assertEquals } from "@std/assert";
import { runCli } from "../support/cli.ts";
import { createTopic, kafkaBrokers, produce, readAll } from "../support/kafka/kafka.ts";

Deno.test("examples/kafka_wordcount.ts writes a running count for each word", async () => {
  const brokers = await kafkaBrokers();
  const lines = await createTopic(brokers, { partitions: 3 });
  const counts = await createTopic(brokers, { partitions: 2 });
  await produce(brokers, lines, [
    { value: "To be, or not", partition: 0 },
    { value: "to be", partition: 0 },
    { value: "être ou ne pas être", partition: 2 },
  ]);
  const example = "examples/kafka_wordcount.ts";
  const { code, stderr } = await runCli([example, "--", brokers[0], lines, counts, "once"]);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  const seen = new Map<string, string[]>();
  for (const { key, value } of await readAll(brokers, counts)) {
    seen.set(key!, [...seen.get(key!) ?? [], value!]);
  }
  assertEquals(
    [...seen].sort(),
    [
      ["be", ["1", "2"]],
      ["ne", ["1"]],
      ["not", ["1"]],
      ["or", ["1"]],
      ["ou", ["1"]],
      ["pas", ["1"]],
      ["to", ["1", "2"]],
      ["être", ["1", "2"]],
    ],
  );
});

Deno.test("examples/orders.ts keeps totals, and names the records that are not orders", async () => {
  const brokers = await kafkaBrokers();
  const orders = await createTopic(brokers);
  const totals = await createTopic(brokers);
  await produce(brokers, orders, [
    { value: `{"user":"ada","amount":12.5}` },
    { value: "oops" },
    { value: `{"user":"bob","amount":3}` },
    { value: `{"user":"ada","amount":"12"}` },
    { value: null },
    { value: `{"user":"ada","amount":7.5}` },
  ]);
  const args = ["examples/orders.ts", "--", brokers[0], orders, totals, "once"];
  const { code, stdout } = await runCli(args);
  assertEquals(code, 0);
  assertEquals(stdout.trim().split("\n").length, 3);
  assertEquals(stdout.includes(`skipped: no order: {"user":"ada","amount":"12"}`), true);
  assertEquals(
    (await readAll(brokers, totals)).map(({ key, value }) => `${key} ${value}`),
    [
      `ada {"orders":1,"amount":12.5}`,
      `bob {"orders":1,"amount":3}`,
      `ada {"orders":2,"amount":20}`,
    ],
  );
});

Deno.test("examples/kafka_exactly_once.ts writes each total once, and goes on after a stop", async () => {
  const brokers = await kafkaBrokers();
  const payments = await createTopic(brokers);
  const totals = await createTopic(brokers);
  const folder = await Deno.makeTempDir();
  const run = async () => {
    const recovery = ["--recovery", `${folder}/state.db`];
    const args = [
      "examples/kafka_exactly_once.ts",
      ...recovery,
      "--",
      brokers[0],
      payments,
      totals,
    ];
    const { code, stdout } = await runCli([...args, "once"]);
    assertEquals({ code, stdout }, { code: 0, stdout: "" });
    return (await readAll(brokers, totals)).map(({ key, value }) => `${key} ${value}`);
  };
  try {
    await produce(brokers, payments, [
      { key: "ada", value: "1250" },
      { key: "bob", value: "no number" },
      { value: "300" },
      { key: "ada", value: "-50" },
    ]);
    assertEquals(await run(), ["ada 1250", "ada 1200"]);
    await produce(brokers, payments, [{ key: "bob", value: "5" }, { key: "ada", value: "1" }]);
    assertEquals(await run(), ["ada 1250", "ada 1200", "bob 5", "ada 1201"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("examples/kafka_console.ts writes lines to a topic, and prints the topic", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  const example = "examples/kafka_console.ts";
  const written = await runCli([`${example}:write`, "--", brokers[0], topic], {
    stdin: "to be\nor not\n",
  });
  assertEquals(written, { code: 0, stdout: "", stderr: "" });
  const read = await runCli([`${example}:read`, "--", brokers[0], topic, "once"]);
  assertEquals(read, { code: 0, stdout: "-\tto be\n-\tor not\n", stderr: "" });
});
