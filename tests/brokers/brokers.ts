/**
 * The connector on brokers of many kinds and ages: `deno task test:brokers`. It fetches and starts
 * what this machine can run, leaves out the rest with the reason, and prints a table. `BROKERS`
 * selects some of them, as in `BROKERS=kfake,kafka-2.8.2`.
 */
import { kafkaBrokers } from "../support/kafka/broker/broker.ts";
import type { Check, Lacks } from "./check.ts";
import { CHECKS } from "./checks.ts";
import { startKafka } from "./kafka_versions.ts";
import { startKfake } from "./kfake.ts";
import { startLibrdkafkaMock } from "./librdkafka_mock.ts";
import { NotHere, type RunningBroker } from "./processes.ts";
import { startTansu } from "./tansu.ts";

/** A broker that may be available. */
interface Candidate {
  readonly name: string;
  readonly start: () => Promise<RunningBroker>;
  readonly lacks?: Lacks;
}

const BEFORE_2_1 = { zstd: "needs Kafka 2.1" };

const named = Deno.env.get("BROKERS")?.split(",");

const CANDIDATES: readonly Candidate[] = [
  {
    name: "kafka-0.11.0.3",
    start: () => startKafka({ version: "0.11.0.3", scala: "2.11", mode: "zookeeper" }),
    lacks: { ...BEFORE_2_1, "new partitions": "cannot be asked for before Kafka 1.0" },
  },
  {
    name: "kafka-2.0.1",
    start: () =>
      startKafka({ version: "2.0.1", scala: "2.12", mode: "zookeeper", zooKeeper: "3.4.10" }),
    lacks: BEFORE_2_1,
  },
  {
    name: "kafka-2.8.2",
    start: () => startKafka({ version: "2.8.2", scala: "2.13", mode: "zookeeper" }),
  },
  {
    name: "kafka-3.9.1",
    start: () => startKafka({ version: "3.9.1", scala: "2.13", mode: "zookeeper" }),
  },
  {
    name: "kafka-3.9.1-kraft",
    start: () => startKafka({ version: "3.9.1", scala: "2.13", mode: "kraft" }),
  },
  {
    name: "kafka-newest",
    start: async () => ({
      brokers: await kafkaBrokers(),
      [Symbol.asyncDispose]: () => Promise.resolve(), // it ends with this process
    }),
  },
  {
    name: "kfake",
    start: startKfake,
    lacks: { transactions: "it has none" },
  },
  {
    name: "librdkafka-mock",
    start: startLibrdkafkaMock,
    lacks: {
      transactions: "it has no CreateTopics and no DescribeConfigs",
      "new partitions": "it cannot be asked for them",
      times: "it answers every time with the end",
    },
  },
  {
    name: "tansu",
    start: () => startTansu({ build: named !== undefined }),
    lacks: {
      ends: "it ends a partition after the first record of its last batch",
      times: "so it cannot be read up to now",
      transactions: "it closes the connection at DescribeConfigs",
      "new partitions": "it cannot be asked for them",
    },
  },
];

const wanted = named ?? CANDIDATES.map(({ name }) => name);
const unknown = wanted.filter((name) => !CANDIDATES.some((each) => each.name === name));
if (unknown.length > 0) {
  throw new Error(
    `BROKERS names ${unknown.join(", ")}; there are ${
      CANDIDATES.map(({ name }) => name).join(", ")
    }`,
  );
}

/** Outcomes, by broker and then by check. */
const outcomes = new Map<string, Map<string, string>>();

for (const { name, start, lacks = {} } of CANDIDATES.filter(({ name }) => wanted.includes(name))) {
  // Processes live longer than one step.
  Deno.test({ name, sanitizeOps: false, sanitizeResources: false }, async (t) => {
    const outcome = new Map<string, string>();
    outcomes.set(name, outcome);
    let running: RunningBroker;
    try {
      running = await start();
    } catch (error) {
      if (!(error instanceof NotHere)) throw error;
      console.log(`${name} is left out: ${error.message}`);
      for (const check of CHECKS) outcome.set(check.name, "not here");
      return;
    }
    await using _running = running;
    for (const check of CHECKS) {
      const reason = leftOut(check, lacks);
      if (reason !== null) {
        outcome.set(check.name, "–");
        await t.step({ name: `${check.name} (${reason})`, ignore: true, fn: () => {} });
        continue;
      }
      const passed = await t.step(check.name, () => check.run(running.brokers, lacks));
      outcome.set(check.name, passed ? "ok" : "FAILED");
    }
  });
}

/** Why a check does not apply to a broker; `null` if it does. */
function leftOut({ needs = [], without }: Check, lacks: Lacks): string | null {
  const missing = needs.find((capability) => lacks[capability] !== undefined);
  if (missing !== undefined) return `${missing}: ${lacks[missing]}`;
  if (without !== undefined && lacks[without] === undefined) return `it has ${without}`;
  return null;
}

globalThis.addEventListener("unload", () => {
  const names = [...outcomes.keys()];
  const rows = CHECKS.map((
    { name },
  ) => [name, ...names.map((n) => outcomes.get(n)!.get(name) ?? "")]);
  const table = [["check", ...names], names.map(() => "---").concat("---"), ...rows];
  console.log("\n" + table.map((row) => `| ${row.join(" | ")} |`).join("\n"));
});
