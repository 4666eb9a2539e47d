/** Files that are read side by side, kept together by times in their lines. */
import { assert, assertEquals, assertLess, assertRejects, assertStrictEquals } from "@std/assert";
import { gzipSync } from "node:zlib";
import { FileInputConfig } from "../../../src/connectors/files/file_input.ts";
import { SIZES } from "../../../src/connectors/files/lines_reader.ts";
import { nameOf, type Range } from "../../../src/connectors/files/ranges.ts";
import { SideBySideReader } from "../../../src/connectors/files/side_by_side.ts";
import type { InputReader, Positions } from "../../../src/graph/contracts.ts";
import { type TempFolder, tempFolder } from "../../support/files/temp_folder.ts";
import { within } from "../../support/kafka/reading.ts";
import { FakeAlignment } from "../../support/runtime/fake_alignment.ts";
import { testPlace } from "../../support/runtime/test_place.ts";

/** Sizes with which a batch is a few lines. */
const SMALL = { ...SIZES, chunk: 64, ahead: 64, batch: 32 };

/** The lines of a file: its number, and a time. They are `step` apart. */
const linesOf = (file: number, count: number, step = 1, begin = 0) =>
  Array.from({ length: count }, (_, i) => `${file} ${begin + i * step}`);

/** Writes files, and plans to read them on one worker. */
async function planOf(
  folder: TempFolder,
  files: readonly (readonly string[])[],
  pack?: (text: string) => Uint8Array,
): Promise<Range[]> {
  const suffix = pack === undefined ? "txt" : "txt.gz";
  for (const [i, lines] of files.entries()) {
    const text = lines.join("\n");
    const bytes = pack?.(text) ?? new TextEncoder().encode(text);
    await folder.write(`${String(i).padStart(3, "0")}.${suffix}`, bytes);
  }
  const config = new FileInputConfig({ path: folder.at(`*.${suffix}`) });
  const { shares } = await config.plan(testPlace(), new Map()) as { shares: Range[][] };
  return shares[0];
}

/** What a reader has returned, and how far apart its files were in time. */
interface ReadLines {
  readonly lines: string[][];
  readonly apart: number;
}

/** Reads to the end, or until some batches have come. */
async function readAll(
  reader: InputReader<string>,
  alignment: FakeAlignment,
  batches = Infinity,
): Promise<ReadLines> {
  alignment.reader = reader;
  const lines: string[][] = [];
  let apart = 0;
  for (let read = 0; read < batches;) {
    const batch = reader.next();
    if (batch === null) break;
    if (batch.length === 0) {
      await within(reader.ready(), "the reader was ready");
      continue;
    }
    read++;
    const source = reader.source!();
    for (const line of batch) {
      const [file, time] = line.split(" ").map(Number);
      (lines[file] ??= []).push(line);
      alignment.reached.set(source, time);
      const least = Math.min(
        ...reader.sources!().keys().map((name) => alignment.reached.get(name) ?? Infinity),
      );
      const hasAll = reader.sources!().keys().every((name) => alignment.reached.has(name));
      if (hasAll && least < Infinity) apart = Math.max(apart, time - least);
    }
  }
  return { lines, apart };
}

for (const mostOpen of [64, 3, 1]) {
  Deno.test(`files are read side by side and stay together, ${mostOpen} open at once`, async () => {
    await using folder = await tempFolder();
    const files = [linesOf(0, 10, 100), linesOf(1, 100, 10), linesOf(2, 1_000), linesOf(3, 500, 2)];
    const ranges = await planOf(folder, files);
    const alignment = new FakeAlignment({ drift: 50, most: 4 });
    const reader = new SideBySideReader(ranges, { alignment, sizes: SMALL, mostOpen });
    const { lines, apart } = await readAll(reader, alignment);
    assertEquals(lines, files);
    assertLess(apart, 50 + 100 * 4 + 1); // a batch goes on beyond the drift
    const { done, total } = reader.progress!()!;
    assertEquals(done, total);
    await reader.close();
  });
}

Deno.test("a few of many files that follow one another are open, and all have been begun early", async () => {
  await using folder = await tempFolder();
  const files = Array.from({ length: 30 }, (_, i) => linesOf(i, 50, 1, 50 * i));
  const ranges = await planOf(folder, files);
  const alignment = new FakeAlignment({ drift: 10, most: 5 });
  const reader = new SideBySideReader(ranges, { alignment, sizes: SMALL, mostOpen: 4 });
  // Something of each is read, and then the first one goes on.
  const first = await readAll(reader, alignment, 30);
  assertEquals(first.lines.length, 30);
  const next = await readAll(reader, alignment, 5);
  assertEquals(next.lines.flatMap((lines, file) => lines.length > 0 ? [file] : []), [0]);
  const { lines } = await readAll(reader, alignment);
  const all = files.map((_, i) => [first, next, { lines }].flatMap((part) => part.lines[i] ?? []));
  assertEquals(all, files);
  await reader.close();
});

Deno.test("the sources of many files are not listed again each time one ends", async () => {
  await using folder = await tempFolder();
  const ranges = await planOf(folder, Array.from({ length: 30 }, (_, i) => linesOf(i, 5)));
  const alignment = new FakeAlignment({ drift: 10, most: 5 });
  const reader = new SideBySideReader(ranges, { alignment, sizes: SMALL, mostOpen: 4 });
  alignment.reader = reader;
  const sources = reader.sources();
  assertEquals([...sources.keys()], ranges.map(nameOf));
  const left: number[] = [];
  for (let batch = reader.next(); batch !== null; batch = reader.next()) {
    if (batch.length === 0) await within(reader.ready(), "the reader was ready");
    for (const line of batch) alignment.reached.set(reader.source(), Number(line.split(" ")[1]));
    assertStrictEquals(reader.sources(), sources);
    left.push(sources.size);
  }
  assertEquals([left.at(-1), sources.ended.toSorted()], [0, ranges.map(nameOf).toSorted()]);
  assertEquals(left, left.toSorted((a, b) => b - a));
  await reader.close();
});

Deno.test("files that are packed go on where they were when they had to wait", async () => {
  await using folder = await tempFolder();
  const files = [linesOf(0, 200), linesOf(1, 200), linesOf(2, 200)];
  const ranges = await planOf(folder, files, (text) => gzipSync(text));
  const alignment = new FakeAlignment({ drift: 5, most: 4 });
  const reader = new SideBySideReader(ranges, { alignment, sizes: SMALL, mostOpen: 1 });
  const { lines } = await readAll(reader, alignment);
  assertEquals(lines, files);
  await reader.close();
});

Deno.test("positions of files that are open, parked and not begun are those to go on from", async () => {
  await using folder = await tempFolder();
  const files = [linesOf(0, 30), linesOf(1, 30), linesOf(2, 30)];
  await planOf(folder, files);
  const config = new FileInputConfig({ path: folder.at("*.txt") });
  for (let cut = 0; cut < 30; cut += 3) {
    let positions: Positions = new Map();
    const all: string[][] = [[], [], []];
    for (const batches of [cut, Infinity]) {
      const plan = await config.plan(testPlace(), positions) as { shares: Range[][] };
      const alignment = new FakeAlignment({ drift: 2, most: 2 });
      const reader = new SideBySideReader(plan.shares[0], { alignment, sizes: SMALL, mostOpen: 2 });
      const { lines } = await readAll(reader, alignment, batches);
      for (const [i, part] of lines.entries()) all[i].push(...part ?? []);
      positions = structuredClone(new Map(reader.positions()));
      await reader.close();
    }
    assertEquals(all, files);
    assertEquals(positions.size, 3);
  }
});

Deno.test("each range of a file is a source, named as its position", async () => {
  await using folder = await tempFolder();
  const path = folder.at("000.txt");
  await planOf(folder, [linesOf(0, 20_000)]);
  const config = new FileInputConfig({ path });
  const place = testPlace({ workerCount: 2 });
  const { shares } = await config.plan(place, new Map()) as { shares: Range[][] };
  const names = shares.map((ranges) => ranges.map(nameOf));
  assertEquals(names[0], [path]);
  assertEquals(names[1], [`${path}/@${shares[1][0].from}`]);
});

Deno.test("a reader of files that all have to wait is ready when that changes", async () => {
  await using folder = await tempFolder();
  const ranges = await planOf(folder, [linesOf(0, 3)]);
  const alignment = new FakeAlignment({ drift: 0 });
  alignment.hold(true);
  const reader = new SideBySideReader(ranges, { alignment });
  alignment.reader = reader;
  assertEquals([reader.next(), [...reader.sources!().values()]], [[], ["behind"]]);
  await within(reader.ready(), "its lines had come");
  assertEquals([reader.next(), reader.idle!()], [[], false]);
  const ready = reader.ready();
  alignment.hold(false);
  await within(ready, "it was ready");
  assertEquals((await readAll(reader, alignment)).lines, [linesOf(0, 3)]);
  assertEquals([reader.source!(), reader.sources!().size], [nameOf(ranges[0]), 0]);
  await reader.close();
});

Deno.test("a file that cannot be read is an error after its lines, whatever waits", async () => {
  await using folder = await tempFolder();
  const ranges = await planOf(folder, [linesOf(0, 3), linesOf(1, 3)]);
  await folder.write("001.txt", "another");
  const alignment = new FakeAlignment({ drift: 0 });
  const reader = new SideBySideReader(ranges, { alignment });
  await assertRejects(() => readAll(reader, alignment), Error, "001.txt");
  assert(reader.sources!().size > 0);
  await reader.close();
});
