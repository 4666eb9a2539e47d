import { assertEquals, assertMatch } from "@std/assert";
import { kafkaClient } from "../support/kafka/client.ts";
import { readAll } from "../support/kafka/kafka.ts";

const TOOL = `${import.meta.dirname}/../../tools/kafka.ts`;

/** If brokers are named, this machine may have no Java. */
const MAY_LACK_JAVA = Boolean(Deno.env.get("KAFKA_BROKERS"));

Deno.test("deno task kafka runs a broker with the topics, and removes it at ^C", {
  ignore: MAY_LACK_JAVA,
}, async () => {
  const port = freePorts();
  const task = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", TOOL, "lines", "counts:3"],
    env: { KAFKA_PORT: String(port), NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stderr = new Response(task.stderr).text();
  const lines = task.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let printed = "";
  while (!printed.includes("^C")) {
    const { value, done } = await lines.read();
    if (done) throw new Error(`it ended early: ${printed}${await stderr}`);
    printed += value;
  }
  assertMatch(printed, new RegExp(`Kafka is at localhost:${port}, with topics lines, counts;`));
  assertEquals(await readAll([`localhost:${port}`], "counts"), []);
  assertEquals(await partitionsOf(port, "lines"), 2);
  assertEquals(await partitionsOf(port, "counts"), 3);

  task.kill("SIGINT");
  while (!(await lines.read()).done);
  assertEquals([(await task.status).code, await stderr], [0, ""]);
  Deno.listen({ hostname: "127.0.0.1", port }).close(); // the port is free again
});

for (
  const [arg, expected] of [
    [
      "counts:many",
      /^"counts:many" is not a topic: give NAME, or NAME:PARTITIONS such as orders:4/,
    ],
    ["--port", /^"--port" is not a topic/],
  ] as const
) {
  Deno.test(`deno task kafka refuses ${arg}, which is not a topic`, async () => {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", TOOL, "lines", arg],
      env: { NO_COLOR: "1" },
    }).output();
    assertMatch(new TextDecoder().decode(stderr), expected);
    assertEquals(code, 1);
  });
}

Deno.test("deno task kafka --help prints the usage, and starts nothing", async () => {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", TOOL, "--help"],
  }).output();
  assertMatch(new TextDecoder().decode(stdout), /^Usage: deno task kafka/m);
  assertEquals(code, 0);
});

Deno.test("deno task kafka prints which port is taken", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = String((listener.addr as Deno.NetAddr).port);
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", TOOL],
    env: { KAFKA_PORT: port, NO_COLOR: "1" },
  }).output();
  assertMatch(new TextDecoder().decode(stderr), new RegExp(`port ${port} is taken`));
  assertEquals(code, 1);
});

Deno.test("deno task kafka prints what is missing if it cannot install Java", async () => {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", TOOL],
    env: { PATH: "", KAFKA_PORT: String(freePorts()), NO_COLOR: "1" },
  }).output();
  assertMatch(new TextDecoder().decode(stderr), /^Kafka needs Java 17 or later.*:\n.* by hand/);
  assertEquals(code, 1);
});

/** The first of two free ports. */
function freePorts(): number {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    try {
      for (const each of [port, port + 1]) {
        Deno.listen({ hostname: "127.0.0.1", port: each }).close();
      }
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

/** Returns how many partitions a topic has. */
async function partitionsOf(port: number, topic: string): Promise<number> {
  const admin = kafkaClient([`localhost:${port}`]).admin();
  await admin.connect();
  try {
    const { topics: [{ partitions }] } = await admin.fetchTopicMetadata({ topics: [topic] });
    return partitions.length;
  } finally {
    await admin.disconnect();
  }
}
