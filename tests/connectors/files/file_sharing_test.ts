/** Several workers that read the same files, and restarts with other numbers of workers. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { gzipSync } from "node:zlib";
import { FileInputConfig } from "../../../src/connectors/files/file_input.ts";
import { LinesReader, type ReadSizes } from "../../../src/connectors/files/lines_reader.ts";
import { type Range, unreadRanges } from "../../../src/connectors/files/ranges.ts";
import { shareOut } from "../../../src/connectors/files/share_out.ts";
import type { InputReader, Positions } from "../../../src/graph/contracts.ts";
import { folderOf } from "../../support/cli.ts";
import { openOnAll } from "../../support/runtime/open_input.ts";
import { FakeAlignment } from "../../support/runtime/fake_alignment.ts";
import { testPlace } from "../../support/runtime/test_place.ts";
import { Random } from "../../support/values/random.ts";
import { bytesOf, planned, readOf } from "../../support/files/file_positions.ts";
import { type TempFolder, tempFolder } from "../../support/files/temp_folder.ts";

const FIRST_RUN: Positions = new Map();
const WORKERS = [1, 2, 3, 5, 8];
const encoder = new TextEncoder();

/** Waits for the next batch; `null` at the end. */
async function nextBatch(reader: InputReader<string>): Promise<string[] | null> {
  while (true) {
    const lines = reader.next();
    if (lines === null || lines.length > 0) return lines;
    await reader.ready();
  }
}

async function drain(reader: InputReader<string>): Promise<string[]> {
  const all: string[] = [];
  for (let lines; (lines = await nextBatch(reader)) !== null;) all.push(...lines);
  await reader.close();
  return all;
}

async function readRanges(ranges: readonly Range[], sizes?: ReadSizes): Promise<string[]> {
  return await drain(new LinesReader(ranges, sizes));
}

function union(readers: readonly InputReader<string>[]): Positions {
  const entries = readers.flatMap((reader) => [...reader.positions()]);
  const all = new Map(entries);
  assertEquals(all.size, entries.length, "two workers report one partition");
  return structuredClone(all);
}

function randomSizes(random: Random): ReadSizes {
  const chunk = 1 + random.below(20);
  return { chunk, ahead: 1 + random.below(30), batch: 1 + random.below(30), line: 10_000 };
}

/** Returns whole lines with everything that makes them difficult, each with a number of its own. */
function difficultLines(random: Random, first: number): string {
  const words = ["", "", "a", "grüße", "\r", "日本語", "🦆🦆", "\uFEFF", "x".repeat(60)];
  let text = "";
  for (let i = random.below(12); i > 0; i--) {
    if (random.below(4) === 0) text += random.pick(["\n", "\r\n"]);
    text += `${first + i}${random.pick(words)}${random.pick(words)}${random.pick(["\n", "\r\n"])}`;
  }
  return text;
}

/** Returns the lines of a text, found by a slow reference. */
function expectedLines(text: string): string[] {
  const lines = text.replace(/^\uFEFF/, "").split("\n");
  const last = lines.pop()!;
  const ended = lines.map((line) => line.replace(/\r$/, ""));
  return last === "" ? ended : [...ended, last];
}

/** Returns a range that was cut out of a file without looking. */
async function cutOut(path: string, from: number, to: number | null, size: number): Promise<Range> {
  const [[whole]] = await planned(path);
  return { ...whole, since: from === 0 ? 0 : null, from, to, bytes: (to ?? size) - from };
}

function offsetsOf(shares: readonly Range[][]): [number, number | null][][] {
  return shares.map((share) => share.map(({ from, to }) => [from, to]));
}

function unreadOf(path: string, size: number): Range[] {
  const file = { inode: null, headBytes: 0, headCrc: 0, packed: null };
  return unreadRanges({ path, size, file, parts: [], isFollowed: false });
}

Deno.test("a file yields the same lines in the same order wherever it is cut in two", async () => {
  await using folder = await tempFolder();
  const texts = [
    "",
    "one",
    "\n",
    "\n\n\n",
    "\r\n\r\n",
    "a\r\nb\nc\r\n\nd",
    "\uFEFF",
    "\uFEFFone\n\uFEFFtwo\n",
    "\uFEFF\n\n",
    "grüße\n日本語\r\n🦆\n",
    `${"x".repeat(50)}\ny`,
    `y\n${"🦆".repeat(20)}`,
  ];
  for (const text of texts) {
    const path = await folder.write("in.txt", text);
    const { length } = encoder.encode(text);
    for (let cut = 1; cut <= length; cut++) {
      for (const chunk of [1, 3, 1000]) {
        const sizes = { chunk, ahead: 8, batch: 8, line: 1000 };
        const ranges = [
          await cutOut(path, 0, cut, length),
          await cutOut(path, cut, null, length),
        ];
        assertEquals(
          await readRanges(ranges, sizes),
          expectedLines(text),
          `${JSON.stringify(text)} cut at ${cut}, chunks of ${chunk}`,
        );
      }
    }
  }
});

Deno.test("a line belongs to the range of its first byte", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("in.txt", "ab\ncd\r\nef\n"); // lines at 0, 3 and 7
  const owner = async (from: number, to: number) =>
    await readRanges([await cutOut(path, from, to, 10)]);
  assertEquals(await owner(0, 3), ["ab"]);
  assertEquals(await owner(0, 4), ["ab", "cd"]);
  assertEquals(await owner(1, 3), []);
  assertEquals(await owner(3, 4), ["cd"]);
  assertEquals(await owner(4, 7), []);
  assertEquals(await owner(6, 8), ["ef"]);
  assertEquals(await owner(8, 10), []);
});

Deno.test("workers that share files out read every line once, in order within each range", async () => {
  await using folder = await tempFolder();
  const random = new Random(5);
  for (let round = 0; round < 60; round++) {
    const texts = [0, 1, 2].map((file) => difficultLines(random, file * 100));
    texts[1] = `\uFEFF${texts[1]}last`;
    const paths = await Promise.all(texts.map((text, i) => folder.write(`${i}.txt`, text)));
    const expected = texts.map(expectedLines);
    for (const workers of WORKERS) {
      const shares = await planned(folder.at("*"), FIRST_RUN, workers);
      assertEquals(shares.length, workers);
      const lines = new Map<string, string[]>(paths.map((path) => [path, []]));
      const ranges = shares.flat().toSorted((a, b) => a.from - b.from);
      for (const range of ranges) {
        lines.get(range.path)!.push(...await readRanges([range], randomSizes(random)));
      }
      assertEquals([...lines.values()], expected, `round ${round}, ${workers} workers`);
    }
  }
});

/** Lets some workers read some batches each, until a random moment: then the run stops. */
async function readSome(
  shares: readonly Range[][],
  random: Random,
  most: number,
): Promise<{ lines: string[]; positions: Positions; ended: boolean }> {
  const readers = shares.map((share) => new LinesReader(share, randomSizes(random)));
  const lines: string[] = [];
  let ended = 0;
  for (const reader of readers) {
    const batches = most === Infinity ? Infinity : random.below(most + 1);
    for (let i = 0; i < batches; i++) {
      const batch = await nextBatch(reader);
      if (batch === null) {
        ended++;
        break;
      }
      lines.push(...batch);
    }
  }
  const positions = union(readers);
  await Promise.all(readers.map((reader) => reader.close()));
  return { lines, positions, ended: ended === readers.length };
}

Deno.test("every line is read once by runs with any number of workers that stop anywhere", async () => {
  const random = new Random(6);
  let restarts = 0;
  for (let round = 0; round < 60; round++) {
    await using folder = await tempFolder();
    const texts: Record<string, string> = {
      "a.txt": `\uFEFF${difficultLines(random, 100)}`,
      "b.txt": "",
      "c#3-7.txt": difficultLines(random, 200),
      "d.gz": difficultLines(random, 300),
    };
    const write = async () => {
      for (const [name, text] of Object.entries(texts)) {
        await folder.write(name, name.endsWith(".gz") ? gzipSync(text) : text);
      }
    };
    const lines: string[] = [];
    let resume = FIRST_RUN;
    let grows = 3;
    while (true) {
      await write();
      const workers = random.pick(WORKERS);
      const run = await readSome(await planned(folder.at("*"), resume, workers), random, 3);
      lines.push(...run.lines);
      resume = run.positions;
      restarts++;
      if (grows > 0) {
        grows--;
        const name = random.pick(Object.keys(texts));
        texts[name] += difficultLines(random, 1000 * (4 - grows));
      } else if (run.ended) break;
    }
    const expected = Object.values(texts).flatMap(expectedLines);
    assertEquals(lines.toSorted(), expected.toSorted(), `round ${round}`);
    // Everything is read: a restart finds nothing, and has one entry for each file.
    const last = await readSome(await planned(folder.at("*"), resume, 5), random, Infinity);
    const read = Object.entries(texts).filter(([, text]) => expectedLines(text).length > 0)
      .map(([name, text]) => [folder.at(name), [0, encoder.encode(text).length]] as const);
    assertEquals(last.lines, []);
    assertEquals(bytesOf(last.positions), new Map(read));
  }
  assert(restarts > 300, `${restarts} restarts`);
});

Deno.test("positions of files do not become more with every restart", async () => {
  await using folder = await tempFolder();
  const random = new Random(7);
  const text = Array.from({ length: 4000 }, (_, i) => `line ${i}\n`).join("");
  const path = await folder.write("in.txt", text);
  const lines: string[] = [];
  let resume = FIRST_RUN;
  let most = 0;
  for (let restart = 0; restart < 150; restart++) {
    const run = await readSome(await planned(path, resume, random.pick(WORKERS)), random, 2);
    lines.push(...run.lines);
    resume = run.positions;
    most = Math.max(most, resume.size);
  }
  const rest = await readSome(await planned(path, resume, 8), random, Infinity);
  assertEquals([...lines, ...rest.lines].toSorted(), expectedLines(text).toSorted());
  assert(lines.length < 3500 && most > 5, "the test stops in the middle of much");
  assert(most <= 48, `${most} positions`);
});

Deno.test("a part of a file is stored with its path and its bytes, one from the start as before", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("in.txt", "one\ntwo\nthree\nfour\n");
  const [first, second] = await planned(path, FIRST_RUN, 2); // cut at 10
  const readers = [new LinesReader(first), new LinesReader(second)];
  assertEquals(union(readers), new Map());
  await nextBatch(readers[0]);
  await nextBatch(readers[1]);
  const positions = union(readers);
  assertEquals(bytesOf(positions), new Map([[path, [0, 14]], [`${path}/@14`, [14, 19]]]));
  await Promise.all(readers.map((reader) => reader.close()));
  const [again] = await planned(path, positions, 1);
  const reader = new LinesReader(again);
  assertEquals(await drain(reader), []);
  assertEquals(bytesOf(reader.positions()), new Map([[path, [0, 19]]]));
});

Deno.test("files that have been read stay known while others are being read", async () => {
  await using folder = await tempFolder();
  const read = await folder.write("a.txt", "one\n");
  const packed = await folder.write("b.gz", gzipSync("two\n"));
  await folder.write("c.txt", "three\nfour\nfive\n");
  const resume = await readOf([[read, 0, 4], [packed, 0, 4]]);
  for (const workers of WORKERS) {
    const shares = await planned(folder.at("*"), resume, workers);
    const readers = shares.map((share) => new LinesReader(share));
    assertEquals(union(readers), resume, `${workers} workers`);
    await Promise.all(readers.map((reader) => reader.close()));
  }
});

Deno.test("several workers share one large file out evenly, in a range each", () => {
  const size = 1_000_003;
  for (const workers of WORKERS) {
    const shares = shareOut(unreadOf("in.txt", size), workers);
    let from = 0;
    for (const [i, share] of shares.entries()) {
      assertEquals(share.length, 1);
      assertEquals(share[0].from, from);
      assert(Math.abs(share[0].bytes - size / workers) <= 1, `${share[0].bytes}`);
      from = share[0].to ?? size;
      assertEquals(share[0].to === null, i === workers - 1);
    }
  }
});

Deno.test("a small file is not cut", () => {
  const small = shareOut(unreadOf("in.txt", 64 * 1024), 8);
  assertEquals(offsetsOf(small).flat(), [[0, null]]);
  const files = Array.from({ length: 6 }, (_, i) => unreadOf(`${i}.txt`, 1000)).flat();
  assertEquals(
    shareOut(files, 3).map((share) => share.map(({ path }) => path)),
    [["0.txt", "1.txt"], ["2.txt", "3.txt"], ["4.txt", "5.txt"]],
  );
});

Deno.test("a share begins with a file where that is about where it should begin", () => {
  const files = [["a", 510_000], ["b", 200_000], ["c", 290_000]] as const;
  const ranges = files.flatMap(([path, size]) => unreadOf(path, size));
  assertEquals(offsetsOf(shareOut(ranges, 2)), [[[0, null]], [[0, null], [0, null]]]);
});

Deno.test("gzip files are not cut, and the rest balances their weight", () => {
  const ranges = [
    ["a.gz", 3_000_000],
    ["b.txt", 2_000_000],
    ["c.gz", 1_000_000],
    ["d.txt", 2_000_000],
    ["e.gz", 0],
  ].flatMap(([path, size]) => unreadOf(path as string, size as number));
  const shares = shareOut(ranges, 4);
  const read = shares.map((share) => share.map(({ path, from, to }) => [path, from, to]));
  assertEquals(read, [
    [["a.gz", 0, null]],
    [["b.txt", 0, 666_667], ["c.gz", 0, null]],
    [["b.txt", 666_667, null], ["d.txt", 0, 333_333], ["e.gz", 0, null]],
    [["d.txt", 333_333, null]],
  ]);
});

Deno.test("one worker reads whole files in the order of their paths", () => {
  const ranges = ["a.gz", "b.txt", "c.gz", "d.txt"].flatMap((path, i) => unreadOf(path, i * 1e6));
  assertEquals(shareOut(ranges, 1), [ranges]);
  assertEquals(offsetsOf([ranges]).flat(), Array(4).fill([0, null]));
});

Deno.test("workers of a file input read one large file together", async () => {
  await using folder = await tempFolder();
  const text = Array.from({ length: 60_000 }, (_, i) => `Zeile nummer ${i} · ende\r\n`).join("");
  const path = await folder.write("in.txt", text);
  const size = encoder.encode(text).length;
  for (const workers of WORKERS) {
    const readers = await openOnAll(new FileInputConfig({ path }), workers);
    const shares = await Promise.all(readers.map(drain));
    assertEquals(shares.flat(), expectedLines(text));
    const progress = readers.map((reader) => reader.progress!()!);
    assertEquals(progress.reduce((sum, { total }) => sum + total, 0), size);
    for (const { done, total } of progress) {
      assertEquals(done, total);
      assert(Math.abs(total - size / workers) <= 1);
    }
  }
});

Deno.test("progress grows up to the worker's share, also with what was read before", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("in.txt", "0123456\n".repeat(100));
  const resume = await readOf([[path, 0, 80], [path, 400, 480]]);
  const shares = await planned(path, resume, 3); // 320 + 320 bytes are left, and 80 + 80 were read
  const totals = shares.map((share) => share.reduce((sum, { bytes }) => sum + bytes, 0));
  assertEquals(totals.reduce((a, b) => a + b), 800);
  for (const [i, share] of shares.entries()) {
    const reader = new LinesReader(share, { chunk: 16, ahead: 32, batch: 16, line: 100 });
    const seen: number[] = [];
    while (await nextBatch(reader) !== null) seen.push(reader.progress().done);
    assertEquals(reader.progress(), { done: totals[i], total: totals[i], unit: "bytes" });
    assertEquals(seen, seen.toSorted((a, b) => a - b));
    assert(new Set(seen).size > 10);
    if (i === 0) assertEquals(seen[0], 80 + 16);
    await reader.close();
  }
});

Deno.test("progress is not complete when a reader is closed before its end", async () => {
  await using folder = await tempFolder();
  await folder.write("a.txt", "\uFEFF");
  await folder.write("b.txt", "one\n");
  const [share] = await planned(folder.at("*"), FIRST_RUN, 1);
  const reader = new LinesReader(share);
  await reader.close();
  assertEquals(reader.progress(), { done: 0, total: 7, unit: "bytes" });
});

Deno.test("only the last range reads what was appended to a file", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("in.txt", "one\ntwo\nthree\nfour\n");
  const shares = await planned(path, FIRST_RUN, 2);
  await Deno.writeTextFile(path, "five\n", { append: true });
  assertEquals(await readRanges(shares[0]), ["one", "two", "three"]);
  assertEquals(await readRanges(shares[1]), ["four", "five"]);
});

Deno.test("a part that was read is not read again when a file ends within a line", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("in.txt", "one\ntwo");
  const shares = await planned(path, FIRST_RUN, 3);
  const readers = shares.map((share) => new LinesReader(share));
  assertEquals((await Promise.all(readers.map(drain))).flat(), ["one", "two"]);
  await Deno.writeTextFile(path, "!\nthree\n", { append: true });
  for (const workers of WORKERS) {
    const again = await planned(path, union(readers), workers);
    const lines = [];
    for (const share of again) lines.push(...await readRanges(share));
    assertEquals(lines, ["!", "three"]);
  }
});

/** Plans for three workers without opening. */
async function planThree(folder: TempFolder, name: string, resume: Positions) {
  const place = testPlace({ workerCount: 3 });
  await new FileInputConfig({ path: folder.at(name) }).plan(place, resume);
  return place.logged;
}

Deno.test("errors of files are found once, when their reading is planned", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("in.txt", "one\ntwo\n");
  await assertRejects(() => planThree(folder, "none.txt", FIRST_RUN), Error, "there is no file");
  await assertRejects(() => planThree(folder, "*.none", FIRST_RUN), Error, "no file matches");
  await assertRejects(() => planThree(folder, "", FIRST_RUN), Error, "is a folder");
  const part = await readOf([[path, 4, 8]]);
  assertEquals(await planThree(folder, "in.txt", part), []);
  await folder.write("in.txt", "one\ntwo");
  await assertRejects(
    () => planThree(folder, "in.txt", part),
    Error,
    `"${path}" is not the file that was read up to byte 8 before: it has 7 bytes now`,
  );
});

Deno.test("FileInputConfig.plan shares the bytes of files, also if windows use event time", async () => {
  await using folder = await folderOf({ "a.txt": "a\n".repeat(200_000), "b.txt": "b\n" });
  const config = new FileInputConfig({ path: `${folder.path}/*.txt` });
  const alignment = new FakeAlignment({ drift: 0 });
  const plan = await config.plan(testPlace({ workerCount: 2, alignment }), new Map());
  const { shares } = plan as { shares: { path: string }[][] };
  const names = shares.map((share) => share.map((range) => range.path.slice(-5)));
  assertEquals(names, [["a.txt"], ["a.txt", "b.txt"]]);
});
