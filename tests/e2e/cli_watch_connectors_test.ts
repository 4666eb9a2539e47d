/**
 * `--watch` with positions of real inputs and outputs: over several reloads, nothing is lost and
 * nothing is there twice.
 */
import { assert, assertEquals } from "@std/assert";
import type { CliProcess } from "../support/cli.ts";
import {
  createTopic,
  kafkaBrokers,
  type NewRecord,
  produce,
  readAll,
} from "../support/kafka/kafka.ts";
import { untilNoneIsOpen } from "../support/kafka/open_transactions.ts";
import { type Project, project, watch } from "../support/watch.ts";

const RELOADS = 3;

/** A version of the code. It prints when it has the first item; each item takes a while. */
const version = (n: number, pauseMs: number) => `
  let begun = false;
  export async function mark(item) {
    if (!begun) console.log("v${n} works");
    begun = true;
    await new Promise((resolve) => setTimeout(resolve, ${pauseMs}));
    return "v${n} " + item;
  }`;

/** Reloads some times, each time while items are on their way. The last code does not pause. */
async function reload(
  folder: Project,
  cli: CliProcess,
  meanwhile: (n: number) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  await cli.stdout.line(/^v0 works$/);
  for (let n = 1; n <= RELOADS; n++) {
    await Promise.all([
      folder.write("mark.ts", version(n, n === RELOADS ? 0 : 2)),
      meanwhile(n),
    ]);
    await cli.stdout.line(new RegExp(`^v${n} works$`));
  }
}

/** Stops the command, which must not have shown an error. */
async function stop(cli: CliProcess): Promise<void> {
  cli.kill("SIGINT");
  const { code, stderr } = await cli.finished();
  assertEquals([code, / (warn|error) /.test(stderr)], [0, false], stderr);
}

/** Checks that each version has written something, so that the reloads were in the middle. */
function assertEachWrote(lines: readonly string[]): void {
  const versions = new Set(lines.map((line) => line.split(" ")[0]));
  assertEquals([...versions].toSorted(), ["v0", "v1", "v2", "v3"]);
}

const LINES = 12_000;

for (const workers of [1, 2]) {
  Deno.test(`--watch -w${workers} reads and writes each line of a file once over reloads`, async () => {
    await using folder = await project({
      "mark.ts": version(0, 2),
      "flow.ts": `
        import { Dataflow, FileInputConfig, FileOutputConfig } from "millrace";
        import { mark } from "./mark.ts";

        const folder = import.meta.dirname;
        export default new Dataflow("lines")
          .input("lines", new FileInputConfig({ path: folder + "/lines.txt" }))
          .mapAsync(mark, { concurrency: 4 })
          .keyOn((line) => line.split(" ")[2])
          .statefulMap("count", () => 0, (seen, line) => [seen + 1, line + " " + (seen + 1)])
          .map(([, line]) => line)
          .capture("out", new FileOutputConfig({ path: folder + "/out/all" }));`,
      "out/.keep": "",
      "lines.txt": Array.from({ length: LINES }, (_, i) => `${i} k${i % 7}\n`).join(""),
    });
    await using cli = watch(folder, `-w${workers}`, "--epoch-interval=50ms");
    await reload(folder, cli);
    await cli.stderr.line(/waiting for a change/); // the file has been read
    await stop(cli);
    const lines: string[] = [];
    for await (const { name } of Deno.readDir(`${folder.path}/out`)) {
      const text = await Deno.readTextFile(`${folder.path}/out/${name}`);
      lines.push(...text.split("\n").filter((line) => line !== ""));
    }
    assertEachWrote(lines);
    const numbers = lines.map((line) => Number(line.split(" ")[1])).toSorted((a, b) => a - b);
    assertEquals(numbers.findIndex((n, i) => n !== i), -1);
    assertEquals(numbers.length, LINES);
    for (let key = 0; key < 7; key++) {
      const counts = lines.filter((line) => line.split(" ")[2] === `k${key}`)
        .map((line) => Number(line.split(" ")[3])).toSorted((a, b) => a - b);
      assertEquals(counts.findIndex((n, i) => n !== i + 1), -1, `key ${key}`);
    }
  });
}

const PARTITIONS = 4;
const EACH = 1_500;

/** The next records. Each key has a partition. */
function records(from: number): NewRecord[] {
  return Array.from({ length: EACH }, (_, i) => {
    const partition = (from + i) % PARTITIONS;
    return { key: `key ${partition}`, value: `${from + i}`, partition };
  });
}

/** Waits until this many records are committed. Offsets would count the markers of transactions. */
async function untilCommitted(brokers: string[], topic: string, count: number): Promise<void> {
  for (const deadline = performance.now() + 30_000;;) {
    const { length } = await readAll(brokers, topic, { openTransactionMs: 0 });
    if (length >= count) return;
    assert(performance.now() < deadline, `${topic} got ${length} of ${count} records`);
  }
}

for (
  const { workers, store } of [
    { workers: 1, store: false },
    { workers: 2, store: false },
    { workers: 2, store: true },
  ]
) {
  const where = store ? "a store" : "memory";
  Deno.test(`--watch -w${workers} writes each record to Kafka exactly once over reloads, with state in ${where}`, async () => {
    const brokers = await kafkaBrokers();
    const from = await createTopic(brokers, { partitions: PARTITIONS });
    const to = await createTopic(brokers, { partitions: 2 });
    await using folder = await project({
      "mark.ts": version(0, 2),
      "flow.ts": `
        import { Dataflow, KafkaMessageInputConfig, KafkaOutputConfig, text } from "millrace";
        import { mark } from "./mark.ts";

        const brokers = ["${brokers[0]}"];
        export default new Dataflow("marks")
          .input("in", new KafkaMessageInputConfig({ brokers, topic: "${from}" }))
          .map(({ value }) => text.decode(value))
          .mapAsync(mark, { concurrency: 4 })
          .keyOn((line) => "key " + line.split(" ")[1] % ${PARTITIONS})
          .statefulMap("count", () => 0, (seen, line) => [seen + 1, line + " " + (seen + 1)])
          .capture("out", new KafkaOutputConfig({
            brokers,
            topic: "${to}",
            delivery: "exactly-once",
            additionalProperties: { "transactional.id": "${to}" },
          }));`,
    });
    const recovery = store ? [`--recovery=${folder.path}/state.db`] : [];
    await produce(brokers, from, records(0));
    await using cli = watch(folder, `-w${workers}`, "--epoch-interval=50ms", ...recovery);
    await reload(folder, cli, (n) => produce(brokers, from, records(n * EACH)));
    const count = (RELOADS + 1) * EACH;
    await untilCommitted(brokers, to, count);
    await stop(cli);
    await untilNoneIsOpen(brokers, to);
    const all = await readAll(brokers, to);
    assertEachWrote(all.map(({ value }) => value!));
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const got = all.filter(({ key }) => key === `key ${partition}`)
        .map(({ value }) => value!.split(" ").slice(1).map(Number));
      const expected = Array.from(
        { length: count / PARTITIONS },
        (_, i) => [partition + i * PARTITIONS, i + 1],
      );
      assertEquals(got, expected, `key ${partition}`);
    }
  });
}
