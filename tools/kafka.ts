/**
 * Runs an Apache Kafka of one node on this machine, to try flows on: `deno task kafka TOPIC…`. A
 * topic has two partitions, or as many as follow its name: `orders:4`.
 *
 * It is the broker of the tests, on port 9092 (or `KAFKA_PORT`). Maven fetches it once, Java runs
 * it. If they are missing, root installs them, and other users are told how.
 * Its data is in a folder that is removed when the task ends.
 *
 * @module
 */
import { createTopic } from "../tests/support/kafka/kafka.ts";
import { brokerPrograms, setUp } from "./set_up.ts";

const BROKER = `${import.meta.dirname}/../tests/support/kafka/broker/broker.sh`;

/** How many partitions each topic gets: enough for two workers to have one. */
const PARTITIONS = 2;

const HELP = `Runs an Apache Kafka on localhost:9092, until ^C.

Usage: deno task kafka [TOPIC[:PARTITIONS]]...

A topic gets ${PARTITIONS} partitions, or as many as follow its name: orders:4.

KAFKA_PORT  sets another port; the next one is used too`;

if (import.meta.main) Deno.exit(await main(Deno.args));

async function main(args: readonly string[]): Promise<number> {
  if (args.some((arg) => arg === "--help" || arg === "-h")) {
    console.log(HELP);
    return 0;
  }
  const named = args.map(topicOf);
  const wrong = args.find((_, i) => named[i] === null);
  if (wrong !== undefined) {
    console.error(`"${wrong}" is not a topic: give NAME, or NAME:PARTITIONS such as orders:4`);
    return 1;
  }
  const topics = named.filter((topic) => topic !== null);
  const port = Number(Deno.env.get("KAFKA_PORT") ?? "9092");
  const taken = [port, port + 1].find((each) => !isFree(each));
  if (taken !== undefined) {
    console.error(
      `port ${taken} is taken: set KAFKA_PORT to a port that is free, as is the next one`,
    );
    return 1;
  }
  const lack = await setUp(brokerPrograms());
  if (lack !== undefined) {
    console.error(`Kafka needs ${lack.what}:\n  ${lack.cure}`);
    return 1;
  }
  const folder = await Deno.makeTempDir({ prefix: "millrace-kafka-" }); // broker.sh removes it
  const broker = new Deno.Command("sh", {
    args: [BROKER, folder, ...[Deno.pid, port, port + 1].map(String)],
    stdin: "null",
    stdout: "null",
    stderr: "null",
    detached: true, // ^C is for this process, which then ends the broker in order
  }).spawn();
  let isRunning = true;
  const ended = broker.status.then(() => void (isRunning = false));
  const over = Promise.race([nextSignal(), ended]);
  console.log("starting Apache Kafka; the first time, Maven downloads it …");
  try {
    const answer = await Promise.race([answerIn(folder), over]);
    if (answer?.failed) {
      console.error(answer.text);
      return 1;
    }
    if (answer !== undefined) {
      const address = `localhost:${port}`;
      for (const topic of topics) await createTopic([address], topic);
      const names = topics.map(({ name }) => name).join(", ");
      const made = topics.length > 0 ? `, with topics ${names}` : "";
      console.log(`Kafka is at ${address}${made}; ^C ends it and removes its data`);
      await over;
    }
    if (!isRunning) console.error("Kafka has ended by itself, or was ended from outside");
    return isRunning ? 0 : 1;
  } finally {
    if (isRunning) broker.kill("SIGTERM");
    await ended;
  }
}

/** Returns the topic that an argument names; `null` if it names none. */
function topicOf(arg: string): { name: string; partitions: number } | null {
  const [, name, partitions = PARTITIONS] = /^([\w.][\w.-]*)(?::([1-9]\d{0,3}))?$/.exec(arg) ?? [];
  return name === undefined ? null : { name, partitions: Number(partitions) };
}

/** How the start of the broker ended. `broker.sh` makes a file of that name. */
async function answerIn(folder: string): Promise<{ failed: boolean; text: string }> {
  for (;;) {
    for (const name of ["ready", "failed"]) {
      try {
        const text = await Deno.readTextFile(`${folder}/${name}`);
        return { failed: name === "failed", text: text.trim() };
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function nextSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      Deno.addSignalListener(signal, resolve);
    }
  });
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}
