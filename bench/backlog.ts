/**
 * Windows of a minute over a topic that is read long after it was written. Each of its four
 * partitions is in the order of time, and no record is out of order.
 *
 * - `deno run -A bench/backlog.ts [PATH_OF_OTHER_CHECKOUT]`: two topics on 1, 2 and 3 workers, by
 *   turns with the other checkout. In the first topic partitions are equal. In the second one,
 *   `skew`, partition 0 has ten times the records of each other over the same time.
 * - `deno run -A bench/backlog.ts memory`: resident memory while the second one is read.
 *
 * `RECORDS` sets their number, 200,000 by default. The right windows are counted here, as the
 * records are made.
 */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import * as Millrace from "millrace";
import { createTopic, kafkaBrokers } from "../tests/support/kafka/kafka.ts";
import { Digest, type DigestSums } from "./nexmark/digest.ts";
import { median, rateOf } from "./support.ts";

const RECORDS = Number(Deno.env.get("RECORDS") ?? 200_000);
const ROUNDS = 3;
const WORKERS = [1, 2, 3];

const PARTITIONS = 4;
/** The time between two records of the topic, all partitions taken together, in milliseconds. */
const SPACING_MS = 50;
const T0 = 1_767_225_988_561;
const MINUTE_MS = 60_000;
const VALUE = new Uint8Array(100).fill(0x78);
const BATCH = 1_000;

/** Where a record goes, and its time. */
type Place = readonly [partition: number, at: number];

const TOPICS = {
  /** Record `n` is in partition `n mod 4`. */
  *even(): Generator<Place> {
    for (let n = 0; n < RECORDS; n++) yield [n % PARTITIONS, T0 + n * SPACING_MS];
  },
  /** After ten records of partition 0, one of each other. */
  *skew(): Generator<Place> {
    const each = 10 + PARTITIONS - 1;
    for (let n = 0; n < RECORDS; n++) {
      yield [Math.max(0, n % each - 9), T0 + n * SPACING_MS];
    }
  },
};

/** A build to measure. */
interface Build {
  readonly name: string;
  readonly url: string;
  readonly millrace: typeof Millrace;
}

/** What a worker has printed at its end. */
interface Facts {
  readonly started: number | null;
  readonly ended: number;
  readonly counted: number;
  readonly late: number;
  readonly mostOpen: number;
  readonly mostMiB: number;
  readonly digest: DigestSums;
}

/** What a worker prints meanwhile. */
interface Look {
  readonly read: number;
  readonly resident: number;
  readonly open: number;
}

/** A topic and its right windows. */
interface Filled {
  readonly topic: string;
  readonly right: string;
}

/** Writes a topic, and counts its windows. */
async function fill(brokers: string[], places: Generator<Place>): Promise<Filled> {
  const topic = await createTopic(brokers, { partitions: PARTITIONS });
  const digest = new Digest();
  const offsets = new Array(PARTITIONS).fill(0);
  let minute = -Infinity;
  let counts = new Map<string, number>();
  const closeMinute = () => {
    for (const [key, count] of counts) digest.add([key, minute, count]);
    counts = new Map();
  };
  const batch = (): Millrace.KafkaOutputItem[] | null => {
    const items: Millrace.KafkaOutputItem[] = [];
    while (items.length < BATCH) {
      const next = places.next();
      if (next.done) break;
      const [partition, at] = next.value;
      items.push({ partition, timestamp: at, value: VALUE });
      if (at - at % MINUTE_MS !== minute) {
        closeMinute();
        minute = at - at % MINUTE_MS;
      }
      const key = `k${offsets[partition]++ % 5}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    return items.length === 0 ? null : items;
  };
  const { Dataflow, KafkaOutputConfig, run } = Millrace;
  const input: Millrace.InputConfig<Millrace.KafkaOutputItem> = {
    open: () =>
      Promise.resolve({
        next: batch,
        ready: () => Promise.resolve(),
        positions: () => new Map(),
        close: () => Promise.resolve(),
      }),
  };
  await run(
    new Dataflow("fill").input("in", input)
      .capture(new KafkaOutputConfig({ brokers, topic })),
  );
  closeMinute();
  return { topic, right: String(digest) };
}

/** What a run has shown. */
interface Shown {
  readonly ms: number;
  readonly late: number;
  readonly right: boolean;
  /** The most on each worker, all workers taken together. */
  readonly mostOpen: number;
  readonly mostMiB: number;
}

/** Reads a topic once. */
async function read(
  { url, millrace }: Build,
  brokers: string[],
  { topic, right }: Filled,
  workers: number,
  every: number,
  onLook: (look: Look) => void = () => {},
): Promise<Shown> {
  const all: Facts[] = [];
  let rest = "";
  const decoder = new TextDecoder();
  await millrace.spawnCluster(new URL("./flows/backlog.ts", import.meta.url), {
    workers,
    args: [url, brokers[0], topic, String(every)],
    log: millrace.createLog(() => {}), // a warning for late values
    taps: {
      stdout: (bytes) => {
        const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
        rest = lines.pop()!;
        for (const line of lines) {
          const said: Facts | Look = JSON.parse(line);
          if ("digest" in said) all.push(said);
          else onLook(said);
        }
      },
    },
  });
  const sum = (of: (facts: Facts) => number) => all.reduce((total, facts) => total + of(facts), 0);
  const digest = new Digest();
  for (const facts of all) digest.addAll(facts.digest);
  const counted = sum((facts) => facts.counted);
  const late = sum((facts) => facts.late);
  if (counted + late !== RECORDS) throw new Error(`${counted} in windows and ${late} late`);
  const started = Math.min(...all.map((facts) => facts.started ?? Infinity));
  return {
    ms: Math.max(...all.map(({ ended }) => ended)) - started,
    late,
    right: String(digest) === right,
    mostOpen: sum((facts) => facts.mostOpen),
    mostMiB: sum((facts) => facts.mostMiB),
  };
}

const HEADS = ["topic", "workers", "build", "records/s", "late", "windows", "most open", "MiB"];
function print(cells: readonly unknown[]): void {
  console.log(cells.map((cell, n) => String(cell).padStart(HEADS[n].length + 3)).join(""));
}

/** Compares builds on both topics. */
async function compareBuilds(brokers: string[], builds: readonly Build[]): Promise<void> {
  console.log(
    `\na backlog of ${RECORDS.toLocaleString("en")} records (median rate of ${ROUNDS}, in turns; ` +
      "otherwise the worst)",
  );
  print(HEADS);
  for (const [name, places] of Object.entries(TOPICS)) {
    const filled = await fill(brokers, places());
    for (const workers of WORKERS) {
      const shown = new Map<Build, Shown[]>(builds.map((build) => [build, []]));
      for (let round = 0; round < ROUNDS; round++) {
        for (const build of round % 2 === 0 ? builds : builds.toReversed()) {
          shown.get(build)!.push(await read(build, brokers, filled, workers, RECORDS / 20));
        }
      }
      for (const [build, runs] of shown) {
        const most = (of: (run: Shown) => number) => Math.max(...runs.map(of));
        print([
          name,
          workers,
          build.name,
          rateOf(RECORDS / median(runs.map(({ ms }) => ms)) * 1e3),
          most(({ late }) => late),
          runs.every(({ right }) => right) ? "right" : "wrong",
          most(({ mostOpen }) => mostOpen),
          most(({ mostMiB }) => mostMiB),
        ]);
      }
    }
  }
}

/** Prints the resident memory of one worker, a line for each twentieth of the records. */
async function watchMemory(brokers: string[], build: Build): Promise<void> {
  const filled = await fill(brokers, TOPICS.skew());
  console.log(`\nresident memory over ${RECORDS.toLocaleString("en")} records of the skewed topic`);
  const line = (...cells: unknown[]) =>
    console.log(cells.map((cell) => String(cell).padStart(14)).join(""));
  line("records", "MiB", "open windows");
  const shown = await read(
    build,
    brokers,
    filled,
    1,
    Math.ceil(RECORDS / 20),
    (look) => line(look.read, look.resident, look.open),
  );
  console.log(
    `  ${rateOf(RECORDS / shown.ms * 1e3)} records/s, ${shown.late} late, windows ${
      shown.right ? "right" : "wrong"
    }, at most ${shown.mostOpen} open`,
  );
}

async function buildAt(name: string, url: URL): Promise<Build> {
  return { name, url: url.href, millrace: await import(url.href) };
}

const brokers = await kafkaBrokers();
const [what] = Deno.args;
const own = await buildAt("this", new URL("../mod.ts", import.meta.url));
if (what === "memory") await watchMemory(brokers, own);
else {
  const other = what === undefined
    ? []
    : [await buildAt("other", new URL("mod.ts", `${pathToFileURL(resolve(what)).href}/`))];
  await compareBuilds(brokers, [own, ...other]);
}
