/**
 * Running totals by user on several machines, exactly once, beside Kafka Streams and Quix in turns.
 *
 * ```sh
 * deno run -A bench/peers/group/totals.ts DIR [RECORDS] [ROUNDS] [ONLY]
 * ```
 *
 * DIR has the peers that `setup.sh DIR` has installed. ONLY is a part of the names to run. A
 * machine is a process group on this one.
 *
 * The time goes from the first record that a machine has read to the time that the broker has given
 * the last result. Every user's totals are then checked: each count once, in order.
 */
import { kafkaClient } from "../../../tests/support/kafka/client.ts";
import { createTopic, kafkaBrokers } from "../../../tests/support/kafka/kafka.ts";
import { consumeBare, fullTopic } from "../../kafka_support.ts";
import { median } from "../../support.ts";

const [peers, records = "1000000", rounds = "3", only = ""] = Deno.args;
if (peers === undefined) throw new TypeError("the folder of the peers is missing");
const COUNT = Number(records);
const USERS = 10_000;
const PARTITIONS = 8; // as many as shards: a broker shares out tasks, and not those of each part
const SHARDS = 8;
/** Nothing new for this long, in milliseconds, and all has been written. */
const QUIET_MS = 3_000;

const here = import.meta.dirname!;
const cli = `${here}/../../../cli.ts`;
const brokers = await kafkaBrokers();
const folder = await Deno.makeTempDir();

/** A system on a number of machines with a number of workers each. */
interface Contender {
  readonly name: string;
  readonly machines: number;
  /** Records it gets. Slow ones get fewer. */
  readonly count: number;
  command(state: string, run: string): readonly string[];
}

const java = (workers: number) => (state: string) => [
  "java",
  "-cp",
  `${folder}/classes:${peers}/libs/*:${peers}`,
  "Totals",
  state,
  String(workers),
  String(SHARDS),
];
const ours = (workers: number) => (state: string, run: string) =>
  [
    [Deno.execPath(), "run", "-A", cli, `${here}/flow.ts`, "--group", `totals-${run}`],
    ["-w", String(workers), "--shards", String(SHARDS), "--state-dir", state],
    ["--log-level", "warn"],
  ].flat();
const quix = (state: string) => [`${peers}/venv/bin/python`, `${here}/totals.py`, state];

const contenders: readonly Contender[] = [
  { name: "millrace, 1 machine of 1", machines: 1, count: COUNT, command: ours(1) },
  { name: "streams, 1 machine of 1", machines: 1, count: COUNT, command: java(1) },
  { name: "streams, 1 machine of 2", machines: 1, count: COUNT, command: java(2) },
  { name: "quix, 1 machine", machines: 1, count: COUNT / 4, command: quix },
  { name: "millrace, 2 machines of 1", machines: 2, count: COUNT, command: ours(1) },
  { name: "streams, 2 machines of 1", machines: 2, count: COUNT, command: java(1) },
  { name: "quix, 2 machines", machines: 2, count: COUNT / 4, command: quix },
].filter(({ name }) => name.includes(only));

/** The records that the topic has, and markers of transactions with them. */
async function endOf(topic: string): Promise<number> {
  const offsets = await admin.fetchTopicOffsets(topic);
  return offsets.reduce((sum, { high }) => sum + Number(high), 0);
}

/** Waits until the topic has all results, and nothing comes any more. */
async function untilWritten(topic: string, count: number): Promise<void> {
  let end = -1;
  for (let since = Date.now(); end < count || Date.now() - since < QUIET_MS;) {
    const now = await endOf(topic);
    if (now !== end) [end, since] = [now, Date.now()];
    if (Date.now() - since > 60_000) throw new Error(`${end} of ${count} results after a minute`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Runs a system once. Returns its speed, in records a second. */
async function measure({ machines, count, command }: Contender, from: string): Promise<number> {
  const config = { "message.timestamp.type": "LogAppendTime" };
  const out = await createTopic(brokers, { partitions: PARTITIONS, config });
  const run = crypto.randomUUID().slice(0, 8);
  const env = { PEERS_BROKER: brokers[0]!, PEERS_IN: from, PEERS_OUT: out, PEERS_RUN: run };
  const nodes = Array.from({ length: machines }, (_, machine) => {
    const state = `${folder}/${run}-${machine}`;
    Deno.mkdirSync(state);
    const [program, ...args] = command(state, run);
    const options = { args, env, stdout: "piped", stderr: "inherit", detached: true } as const;
    return new Deno.Command(program!, options).spawn();
  });
  const printed = nodes.map(({ stdout }) => new Response(stdout).text());
  try {
    await untilWritten(out, count);
  } finally {
    for (const { pid } of nodes) Deno.kill(-pid, "SIGKILL");
    await Promise.all(nodes.map(({ status }) => status));
  }
  const firsts = (await Promise.all(printed)).join("\n").matchAll(/^first (\d+)$/gm);
  const first = Math.min(...Array.from(firsts, ([, ms]) => Number(ms)));
  const last = await check(out, count);
  return count / ((last - first) / 1_000);
}

/** Checks that each user's counts are 1, 2, 3 …. Returns when the last result was written. */
async function check(topic: string, count: number): Promise<number> {
  const counts = new Map<string, number>();
  let last = 0;
  let seen = 0;
  await consumeBare(brokers, { topic, count }, ({ batch }) => {
    for (const { value, timestamp } of batch.messages) {
      const { user, count } = JSON.parse(value!.toString());
      const before = counts.get(user) ?? 0;
      if (count !== before + 1) throw new Error(`user ${user}: ${count} after ${before}`);
      counts.set(user, count);
      last = Math.max(last, Number(timestamp));
    }
    seen += batch.messages.length;
    return batch.messages.length;
  });
  if (seen !== count) throw new Error(`${seen} results of ${count} records`);
  return last;
}

const compiled = await new Deno.Command("javac", {
  args: ["-nowarn", "-d", `${folder}/classes`, "-cp", `${peers}/libs/*`, `${here}/Totals.java`],
}).output();
if (!compiled.success) throw new Error(new TextDecoder().decode(compiled.stderr));
const admin = kafkaClient(brokers).admin();
await admin.connect();
const topics = new Map<number, string>();
for (const count of new Set(contenders.map(({ count }) => count))) {
  const record = (id: number) => {
    const user = `user-${id * 7_919 % USERS}`;
    return { value: JSON.stringify({ id, user, amount: id % 400 / 4 }) };
  };
  topics.set(count, await fullTopic(brokers, { count, partitions: PARTITIONS, record }));
}
const speeds = new Map(contenders.map((each) => [each, [] as number[]]));
for (let round = 0; round < Number(rounds); round++) {
  for (const [each, measured] of speeds) {
    const speed = await measure(each, topics.get(each.count)!);
    measured.push(speed);
    console.log(`${each.name}: ${Math.round(speed / 1_000)} k records/s`);
  }
}
for (const [{ name }, measured] of speeds) {
  const all = measured.map((speed) => Math.round(speed / 1_000)).join(", ");
  console.log(`median: ${name}: ${Math.round(median(measured) / 1_000)} k records/s (${all})`);
}
await admin.disconnect();
await Deno.remove(folder, { recursive: true });
