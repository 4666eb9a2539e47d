/** Files under windows that go by the time of their lines, on several workers. */
import { assertEquals } from "@std/assert";
import {
  Dataflow,
  EventClockConfig,
  FileInputConfig,
  type Keyed,
  TestingOutputConfig,
  TumblingWindowConfig,
} from "../../../mod.ts";
import { tempFolder } from "../../support/files/temp_folder.ts";
import { runWorkers } from "../../support/runtime/workers.ts";

const SECOND = 1_000;

/** Lines of a file: a key, and a time in milliseconds. Keys are in all files. */
function linesOf(count: number, begin: number, step: number): string[] {
  return Array.from({ length: count }, (_, i) => `k${i % 3} ${begin + i * step}`);
}

/** What batch code counts for each key and second. */
function counted(files: readonly (readonly string[])[]): string[] {
  const counts = new Map<string, number>();
  for (const line of files.flat()) {
    const [key, time] = line.split(" ");
    const window = `${key} ${Math.floor(Number(time) / SECOND)}`;
    counts.set(window, (counts.get(window) ?? 0) + 1);
  }
  return Array.from(counts, ([window, count]) => `${window} ${count}`).sort();
}

const CASES: Readonly<Record<string, string[][]>> = {
  "one large file in order": [linesOf(20_000, 0, 20)],
  "files that follow one another": Array.from(
    { length: 8 },
    (_, i) => linesOf(2_000, i * 40 * SECOND, 20),
  ),
  "files of the same time, of which one is ten times as long": [
    linesOf(2_000, 0, 100),
    linesOf(20_000, 0, 10),
    linesOf(2_000, 0, 100),
  ],
};

for (const [title, files] of Object.entries(CASES)) {
  for (const workers of [1, 2, 3]) {
    Deno.test(`nothing is late, on ${workers} worker${workers === 1 ? "" : "s"}: ${title}`, async () => {
      await using folder = await tempFolder();
      for (const [i, lines] of files.entries()) {
        await folder.write(`${i}.log`, `${lines.join("\n")}\n`);
      }
      const clock = new EventClockConfig<string>({
        getTime: (line) => new Date(Number(line.split(" ")[1])),
        wait: 0,
      });
      const out: Keyed<[{ openAt: Date }, number]>[] = [];
      const late: unknown[] = [];
      const windows = new Dataflow("files")
        .input("in", new FileInputConfig({ path: folder.at("*.log") }))
        .keyOn((line) => line.split(" ")[0])
        .countWindow("count", clock, new TumblingWindowConfig({ length: SECOND }));
      windows.late.capture("late", new TestingOutputConfig(late));
      windows.windows.capture("counts", new TestingOutputConfig(out));
      await runWorkers(windows, workers);
      assertEquals(late, []);
      const results = out.map(([key, [{ openAt }, count]]) =>
        `${key} ${openAt.getTime() / SECOND} ${count}`
      );
      assertEquals(results.sort(), counted(files));
    });
  }
}
