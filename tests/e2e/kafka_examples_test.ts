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
