/** Files that are renamed, replaced, copied or cut, between runs and while a run reads them. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { gzipSync } from "node:zlib";
import { FileInputConfig } from "../../../src/connectors/files/file_input.ts";
import { LinesReader } from "../../../src/connectors/files/lines_reader.ts";
import type { Range } from "../../../src/connectors/files/ranges.ts";
import type { InputReader, Positions } from "../../../src/graph/contracts.ts";
import { openOnAll } from "../../support/runtime/open_input.ts";
import { testPlace } from "../../support/runtime/test_place.ts";
import { Random } from "../../support/values/random.ts";
import { bytesOf, planned, readOf } from "../../support/files/file_positions.ts";
import { type TempFolder, tempFolder } from "../../support/files/temp_folder.ts";

interface Run {
  readonly lines: string[];
  readonly positions: Positions;
  readonly logged: readonly string[];
}

interface RunOptions {
  readonly resume?: Positions;
  readonly workers?: number;
  readonly onReplaced?: "read" | "fail";
}

/** Returns the lines of a log, longer together than what is compared. */
function log(name: string, count = 40): string {
  return Array.from({ length: count }, (_, i) => `${name} ${i} ${"-".repeat(40)}\n`).join("");
}

function linesOf(text: string): string[] {
  return text.split("\n").slice(0, -1);
}

async function drain(reader: InputReader<string>): Promise<string[]> {
  const lines: string[] = [];
  try {
    for (let batch; (batch = reader.next()) !== null;) {
      lines.push(...batch);
      if (batch.length === 0) await reader.ready();
    }
    return lines;
  } finally {
    await reader.close();
  }
}

/** Reads everything that is there. */
async function run(
  path: string,
  { resume, workers = 1, onReplaced }: RunOptions = {},
): Promise<Run> {
  const place = testPlace();
  const config = new FileInputConfig(onReplaced === undefined ? { path } : { path, onReplaced });
  const readers = await openOnAll(config, workers, resume, place);
  const lines: string[] = [];
  for (const reader of readers) lines.push(...await drain(reader));
  const positions = new Map(readers.flatMap((reader) => [...reader.positions()]));
  return { lines, positions: structuredClone(positions), logged: place.logged };
}

/** As logrotate does with `copytruncate`. */
async function copyAndCut(from: string, to: string): Promise<void> {
  await Deno.copyFile(from, to);
  await Deno.truncate(from);
}

async function append(path: string, text: string): Promise<void> {
  await Deno.writeTextFile(path, text, { append: true });
}

/** Moves a log away, and begins a new one. */
async function rotate(folder: TempFolder, text: string): Promise<void> {
  await Deno.rename(folder.at("app.log"), folder.at("app.log.1"));
  await folder.write("app.log", text);
}

async function refusal(path: string, resume: Positions): Promise<string> {
  return (await assertRejects(() => run(path, { resume }), Error)).message;
}

for (const workers of [1, 3]) {
  Deno.test(`a log that was renamed is read to its end, and the new one from its start: ${workers} workers`, async () => {
    await using folder = await tempFolder();
    for (const pattern of ["app.log", "app.log*", "*.log"]) {
      const path = await folder.write("app.log", log("old"));
      const first = await run(folder.at(pattern), { workers });
      await append(path, "old, as it was renamed\n");
      await rotate(folder, log("new", 100));
      const second = await run(folder.at(pattern), { workers, resume: first.positions });
      const expected = ["old, as it was renamed", ...linesOf(log("new", 100))];
      assertEquals(second.lines.toSorted(), expected.toSorted(), pattern);
      await append(folder.at("app.log.1"), "old, behind\n");
      await append(path, "new, behind\n");
      const third = await run(folder.at(pattern), { workers, resume: second.positions });
      assertEquals(third.lines.toSorted(), ["new, behind", "old, behind"], pattern);
      for (const { logged } of [first, second, third]) {
        assertEquals(logged.filter((line) => !line.startsWith("info")), []);
      }
      await Deno.remove(folder.at("app.log.1"));
    }
  });
}

Deno.test("a few lines are enough to recognise a renamed log", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("app.log", "old 1\nold 2\n");
  const { positions } = await run(path);
  await rotate(folder, "new-file 1\nnew-file 2\nnew-file 3\n");
  const { lines } = await run(path, { resume: positions });
  assertEquals(lines, ["new-file 1", "new-file 2", "new-file 3"]);
});

Deno.test("a new log that begins like the old one is not mistaken for it", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("app.log", "time,message\n");
  const { positions } = await run(path);
  await append(path, "1,old\n");
  await rotate(folder, "time,message\n2,new\n");
  const { lines } = await run(path, { resume: positions });
  assertEquals(lines, ["1,old", "time,message", "2,new"]);
});

Deno.test("a renamed log is examined once more, since its writer may be late", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("app.log", log("old"));
  const first = await run(path);
  await rotate(folder, log("new"));
  const second = await run(path, { resume: first.positions });
  assertEquals([...second.positions.keys()], [folder.at("app.log.1"), path]);
  await append(folder.at("app.log.1"), "late\n");
  await Deno.rename(folder.at("app.log.1"), folder.at("app.log.2"));
  const third = await run(path, { resume: second.positions });
  assertEquals(third.lines, ["late"]);
  const fourth = await run(path, { resume: third.positions });
  assertEquals([fourth.lines, fourth.logged], [[], []]);
  assertEquals([...fourth.positions.keys()], [path]);
  await Deno.remove(folder.at("app.log.2"));
  const fifth = await run(path, { resume: third.positions });
  assertEquals([fifth.lines, fifth.logged], [[], []]);
});

Deno.test("a file that was renamed without another in its place is read on only if there is more", async () => {
  await using folder = await tempFolder();
  for (const rest of ["", "more\n"]) {
    const path = await folder.write("a.csv", log("a"));
    await folder.write("b.csv", "b\n");
    const { positions } = await run(folder.at("*.csv"));
    await append(path, rest);
    await Deno.rename(path, `${path}.done`);
    const { lines, logged } = await run(folder.at("*.csv"), { resume: positions });
    assertEquals(lines, linesOf(rest));
    assertEquals(logged.some((line) => line.startsWith("warn")), rest === "");
  }
});

Deno.test("logs that move up are read on, and the oldest may go", async () => {
  await using folder = await tempFolder();
  for (const [i, name] of ["app.log", "app.log.1", "app.log.2"].entries()) {
    await folder.write(name, log(`${i}`));
  }
  const { positions } = await run(folder.at("app.log*"));
  await append(folder.at("app.log.1"), "1, behind\n");
  await Deno.rename(folder.at("app.log.1"), folder.at("app.log.2"));
  await append(folder.at("app.log"), "0, behind\n");
  await rotate(folder, log("new"));
  const { lines, logged } = await run(folder.at("app.log*"), { resume: positions });
  assertEquals(lines, [...linesOf(log("new")), "0, behind", "1, behind"]);
  assertEquals(logged, [
    `warn: files that were read before are gone: "${folder.at("app.log.2")}"`,
  ]);
});

for (const workers of [1, 2]) {
  Deno.test(`files that are not asked for in one run keep their positions: ${workers} workers`, async () => {
    await using folder = await tempFolder();
    for (const name of ["a.txt", "b.txt", "c.txt"]) await folder.write(name, log(name));
    const [a, b] = [folder.at("a.txt"), folder.at("b.txt")];
    const first = await run(folder.at("[ac].txt"), { workers });
    const ends = bytesOf(first.positions);
    const second = await run(b, { workers, resume: first.positions });
    assertEquals(second.lines, linesOf(log("b.txt")));
    assertEquals(second.logged, [
      `warn: files that were read before do not match any more: their positions are kept: "${a}"`,
    ]);
    for (const [name, bytes] of ends) assertEquals(bytesOf(second.positions).get(name), bytes);
    await append(a, "a, behind\n");
    const other = { resume: second.positions, workers: 3 - workers };
    const third = await run(folder.at("*.txt"), other);
    assertEquals(third.lines, ["a, behind"]);
    assertEquals(third.logged, []);
  });
}

Deno.test("a file that is not asked for any more, and was replaced, is an error", async () => {
  await using folder = await tempFolder();
  const [a, b] = [await folder.write("a.txt", log("a")), await folder.write("b.txt", log("b"))];
  const first = await run(a);
  const second = await run(b, { resume: first.positions });
  await Deno.remove(a);
  await folder.write("a.txt", log("another"));
  const message = `"${a}" is not the file that was read`;
  await assertRejects(() => run(a, { resume: second.positions }), Error, message);
});

Deno.test("the position of a file that has moved away is not kept for the file that has its name", async () => {
  await using folder = await tempFolder();
  const [a, b] = [await folder.write("a.log", log("a")), await folder.write("b.log", log("b"))];
  const first = await run(folder.at("*.log"));
  await Deno.remove(a);
  await Deno.rename(b, a);
  const second = await run(folder.at("*.log"), { resume: first.positions });
  assertEquals([second.lines, [...second.positions.keys()]], [[], [a]]);
  assertEquals((await run(a, { resume: second.positions })).lines, []);
});

Deno.test("a replaced file is an error with its name, the difference and the cure", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("app.log", log("old"));
  const { positions } = await run(path);
  const { length } = log("old");
  const cases: [text: string, differs: string][] = [
    [log("new", 100), "the bytes before that place differ now"],
    [log("old", 20), `it has ${log("old", 20).length} bytes now`],
    ["", "it has 0 bytes now"],
    [log("old", 20) + log("new", 40), "the bytes before that place differ now"],
    // Only the first lines differ.
    [log("new", 20) + log("old", 40).slice(log("new", 20).length), "differ now"],
  ];
  for (const inPlace of [true, false]) {
    for (const [text, differs] of cases) {
      if (!inPlace) await Deno.remove(path);
      await folder.write("app.log", text);
      const message = await refusal(path, positions);
      assertStringIncludes(message, `"${path}" is not the file that was read up to byte ${length}`);
      for (const part of [differs, '"app.log*"', 'onReplaced: "read"']) {
        assertStringIncludes(message, part);
      }
      const read = await run(path, { resume: positions, onReplaced: "read" });
      assertEquals(read.lines, linesOf(text));
      assertEquals(read.logged.length, 1);
      assertStringIncludes(read.logged[0], `warn: "${path}" is not the file that was read up to`);
    }
  }
});

Deno.test("the advice for a small log that was copied and cut mentions that lines are read twice", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("app.log", "one\ntwo\n");
  const pattern = `${path}*`;
  const { positions } = await run(pattern);
  await append(path, "three\n");
  await copyAndCut(path, folder.at("app.log.1"));
  await append(path, "four\n");
  assertStringIncludes(
    await refusal(pattern, positions),
    'onReplaced: "read". Lines are then read twice if they are also in a copy that is found',
  );
  const read = await run(pattern, { resume: positions, onReplaced: "read" });
  assertEquals(read.lines, ["four", "one", "two", "three"]);
  assertStringIncludes(read.logged[0], "A copy of the old one that is found too is read again");
});

Deno.test("a file is not mistaken for another one with the same inode", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("app.log", log("old"));
  const { positions } = await run(path);
  await Deno.remove(path);
  await folder.write("app.log", log("new", 100));
  const { ino: inode } = await Deno.stat(path);
  const resume = new Map([...positions].map(([name, state]) => {
    const part = state as { file: object };
    return [name, { ...part, file: { ...part.file, inode } }];
  }));
  assertStringIncludes(await refusal(path, resume), "the bytes before that place differ now");
});

Deno.test("a copy of a file, or one that was written again with more in it, is read on", async () => {
  await using folder = await tempFolder();
  for (const text of ["one\ntwo\n", log("old")]) {
    for (const name of ["app.log", "app.gz"]) {
      const stored = (text: string) => name.endsWith(".gz") ? gzipSync(text) : text;
      const path = await folder.write(name, stored(text));
      const { positions } = await run(path);
      await Deno.rename(path, `${path}.backup`); // as some editors do
      await folder.write(name, stored(`${text}more\n`));
      const { lines } = await run(path, { resume: positions });
      assertEquals(lines, ["more"]);
      await folder.write(name, stored(`${text}and more\n`));
      assertEquals((await run(path, { resume: positions })).lines, ["and more"]);
    }
  }
});

for (const workers of [1, 3]) {
  Deno.test(`a log that was copied and cut is read to its end in the copy: ${workers} workers`, async () => {
    await using folder = await tempFolder();
    for (const pattern of ["app.log", "app.log*"]) {
      const path = await folder.write("app.log", log("old"));
      const { positions } = await run(folder.at(pattern), { workers });
      await append(path, "old, behind\n");
      await copyAndCut(path, folder.at("app.log.1"));
      await append(path, log("new", 100));
      const { lines, logged } = await run(folder.at(pattern), { workers, resume: positions });
      const expected = ["old, behind", ...linesOf(log("new", 100))];
      assertEquals(lines.toSorted(), expected.toSorted());
      assertEquals(logged.filter((line) => !line.startsWith("info")), []);
      await Deno.remove(folder.at("app.log.1"));
    }
  });
}

Deno.test("two files with the same content are not both looked for in one copy", async () => {
  await using folder = await tempFolder();
  for (const name of ["a.log", "b.log"]) await folder.write(name, log("old"));
  const { positions } = await run(folder.at("*.log"));
  await folder.write("copy", `${log("old")}old, behind\n`);
  for (const name of ["a.log", "b.log"]) await folder.write(name, log("new"));
  const message = await refusal(folder.at("*.log"), positions);
  assertStringIncludes(message, `"${folder.at("b.log")}" is not the file that was read`);
});

Deno.test("a log that was read too little to recognise its copy is an error", async () => {
  await using folder = await tempFolder();
  for (const pattern of ["app.log", "app.log*"]) {
    const path = await folder.write("app.log", "old 1\nold 2\n");
    const { positions } = await run(folder.at(pattern));
    await copyAndCut(path, folder.at("app.log.1"));
    await append(path, "new-file 1\nnew-file 2\nnew-file 3\n");
    assertStringIncludes(await refusal(folder.at(pattern), positions), "differ now");
    await Deno.remove(folder.at("app.log.1"));
  }
});

Deno.test("a log that was packed is read on from its position", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("app.log", log("old"));
  const first = await run(folder.at("app.log*"));
  await Deno.remove(path);
  await folder.write("app.log.1.gz", gzipSync(`${log("old")}old, behind\n`));
  await folder.write("app.log", log("new"));
  const second = await run(folder.at("app.log*"), { resume: first.positions });
  assertEquals(second.lines, [...linesOf(log("new")), "old, behind"]);
  await Deno.rename(folder.at("app.log.1.gz"), folder.at("app.log.2.gz"));
  await folder.write("app.log.1.gz", gzipSync(log("new")));
  await folder.write("app.log", log("newest"));
  const third = await run(folder.at("app.log*"), { resume: second.positions });
  assertEquals(third.lines, linesOf(log("newest")));
});

Deno.test("a gzip file that was replaced is an error", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("in.gz", gzipSync(log("old")));
  const { positions } = await run(path);
  for (const text of [log("new", 100), log("old", 20), log("old", 39) + log("new", 39)]) {
    await folder.write("in.gz", gzipSync(text));
    const message = await refusal(path, positions);
    assertStringIncludes(message, `"${path}" is not the file that was read up to byte`);
    const read = await run(path, { resume: positions, onReplaced: "read" });
    assertEquals(read.lines, linesOf(text));
  }
});

Deno.test("gaps between parts of a file are read where the file is now", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("app.log", log("old"));
  const line = log("old", 1).length;
  const resume = await readOf([[path, 0, 2 * line], [path, 5 * line, 8 * line]]);
  await rotate(folder, log("new"));
  const expected = [...linesOf(log("old")).toSpliced(5, 3).slice(2), ...linesOf(log("new"))];
  for (const workers of [1, 3]) {
    const { lines } = await run(path, { resume, workers });
    assertEquals(lines.toSorted(), expected.toSorted());
  }
  // Any part that differs makes it another file.
  const text = log("old").replace("old 7", "OLD 7");
  await Deno.remove(folder.at("app.log.1"));
  await folder.write("app.log", text);
  assertStringIncludes(await refusal(path, resume), "differ now");
});

Deno.test("a link to the newest log is read on when it leads to the next one", async () => {
  await using folder = await tempFolder();
  await folder.write("logs/monday.log", log("monday"));
  const path = folder.at("latest.log");
  await Deno.symlink(folder.at("logs/monday.log"), path);
  const { positions } = await run(path);
  await append(folder.at("logs/monday.log"), "monday, behind\n");
  await folder.write("logs/tuesday.log", log("tuesday"));
  await Deno.remove(path);
  await Deno.symlink(folder.at("logs/tuesday.log"), path);
  const { lines } = await run(path, { resume: positions });
  assertEquals(lines, ["monday, behind", ...linesOf(log("tuesday"))]);
});

Deno.test("a file that matches under several names is read once", async () => {
  await using folder = await tempFolder();
  const first = await folder.write("a.log", "a\n");
  await folder.write("b.log", "b\n");
  await Deno.symlink(first, folder.at("latest.log"));
  await Deno.link(folder.at("b.log"), folder.at("same.log"));
  const { lines, logged } = await run(folder.at("*.log"));
  assertEquals(lines, ["a", "b"]);
  assertEquals(logged, [
    `info: "${folder.at("latest.log")}" is the same file as "${first}": it is read once`,
    `info: "${folder.at("same.log")}" is the same file as "${folder.at("b.log")}": it is read once`,
  ]);
});

Deno.test("the rest of a line that had no end is reported, and a late line end belongs to it", async () => {
  await using folder = await tempFolder();
  const cases: [rest: string, lines: string[], isTorn: boolean][] = [
    ["", [], false],
    ["\n", [], false],
    ["\r\n", [], false],
    ["\nthree\n", ["three"], false],
    ["\r\nthree\n", ["three"], false],
    ["\n\nfour\n", ["", "four"], false],
    ["!\nthree\n", ["!", "three"], true],
  ];
  for (const name of ["in.txt", "in.gz"]) {
    const stored = (text: string) => name.endsWith(".gz") ? gzipSync(text) : text;
    for (const [rest, expected, isTorn] of cases) {
      for (const workers of [1, 3]) {
        const path = await folder.write(name, stored("one\ntwo"));
        const first = await run(path, { workers });
        assertEquals(first.lines, ["one", "two"]);
        await folder.write(name, stored(`one\ntwo${rest}`));
        const { lines, logged } = await run(path, { workers, resume: first.positions });
        assertEquals(lines, expected);
        const told = "warn: a line had no end when it was read, and continues now: it becomes two";
        assertEquals(logged, isTorn ? [told] : []);
      }
    }
  }
});

Deno.test("a line end that comes in two chunks belongs to the line before", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("in.txt", "one");
  const { positions } = await run(path);
  const sizes = { chunk: 1, ahead: 10, batch: 10, line: 100 };
  for (
    const [rest, lines] of [["\r\ntwo\n", ["two"]], ["\rtwo\n", ["\rtwo"]], ["\r", []]] as const
  ) {
    await folder.write("in.txt", `one${rest}`);
    const [ranges] = await planned(path, positions);
    assertEquals(await drain(new LinesReader(ranges, sizes)), lines);
  }
});

Deno.test("a store that an earlier version wrote is an error that says so", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("in.txt", "one\n");
  const earlier: Positions[] = [
    new Map([[path, 4]]),
    new Map([[`${path}/@2`, { path, from: 2, to: 4 }]]),
  ];
  for (const resume of earlier) {
    assertStringIncludes(await refusal(path, resume), "in the form of an earlier version");
    assertStringIncludes(await refusal(path, resume), "--from-scratch");
  }
});

Deno.test("a file that was renamed after it was planned is read under its new name", async () => {
  await using folder = await tempFolder();
  for (const name of ["app.log", "app.log.gz"]) {
    const path = await folder.write(name, name === "app.log" ? log("old") : gzipSync(log("old")));
    for (const isReplaced of [false, true]) {
      const shares = await planned(path, undefined, 3);
      await Deno.rename(path, `${path}.1`);
      if (isReplaced) await folder.write(name, log("new", 100));
      const readers = shares.map((share) => new LinesReader(share));
      const lines = await Promise.all(readers.map(drain));
      assertEquals(lines.flat(), linesOf(log("old")));
      const positions = new Map(readers.flatMap((reader) => [...reader.positions()]));
      await Deno.rename(`${path}.1`, path);
      assertEquals((await run(path, { resume: positions })).lines, []);
    }
  }
});

/** Returns the errors if files change after they were planned, for each share alone. */
async function errorsOf(
  shares: readonly Range[][],
  change: () => Promise<void>,
): Promise<(string | null)[]> {
  await change();
  return await Promise.all(shares.map((share) =>
    drain(new LinesReader(share)).then(
      () => null,
      (error: Error) => error.message,
    )
  ));
}

Deno.test("a file that was replaced after it was planned, and has gone, is an error", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("app.log", log("old"));
  const messages = await errorsOf(await planned(path, undefined, 3), async () => {
    await folder.write("app.log.new", log("new", 100));
    await Deno.rename(folder.at("app.log.new"), path);
  });
  for (const message of messages) {
    assertStringIncludes(message!, `"${path}" was replaced after the run had found it`);
  }
});

Deno.test("a file that was cut and written again after it was planned is an error for every later part", async () => {
  await using folder = await tempFolder();
  for (const text of [log("new", 100), log("new", 39), ""]) {
    const path = await folder.write("app.log", log("old"));
    const shares = await planned(path, undefined, 3);
    const messages = await errorsOf(shares, async () => {
      await Deno.truncate(path);
      await append(path, text);
    });
    for (const message of messages.slice(1)) assertStringIncludes(message!, path);
  }
});

for (const text of ["", "x\n", log("old", 20), log("new", 200)]) {
  Deno.test(`a file that is cut while it is read is an error, though it may have grown again: ${text.length} bytes`, async () => {
    await using folder = await tempFolder();
    const path = await folder.write("app.log", log("old", 100));
    const [share] = await planned(path);
    const reader = new LinesReader(share, { chunk: 100, ahead: 100, batch: 100, line: 1000 });
    const lines: string[] = [];
    while (lines.length < 50) {
      lines.push(...reader.next()!);
      await reader.ready();
    }
    await Deno.truncate(path);
    await append(path, text);
    const { message } = await assertRejects(async () => {
      while (true) {
        const batch = reader.next();
        if (batch === null) break;
        lines.push(...batch);
        await reader.ready();
      }
    }, Error);
    assertStringIncludes(message, `"${path}" was cut or written again while it was read, at byte`);
    assert(lines.every((line) => line.startsWith("old")), "a line of the new file");
    await reader.close();
  });
}

/** A log that is rotated in all ways at random, and runs that read it and stop anywhere. */
class RotatedLog {
  readonly #folder: TempFolder;
  readonly #random: Random;
  readonly #isKept: boolean; // whether a pattern finds all of its files
  readonly written: string[] = [];
  readonly read: string[] = [];
  #resume: Positions = new Map();

  constructor(folder: TempFolder, random: Random, isKept: boolean) {
    this.#folder = folder;
    this.#random = random;
    this.#isKept = isKept;
  }

  async write(): Promise<void> {
    const path = this.#folder.at("app.log");
    const info = await Deno.stat(path).catch(() => null);
    let text = "";
    for (let i = this.#random.below(20); i >= 0; i--) {
      // The first line alone is enough to recognise a copy.
      const isFirst = (info?.size ?? 0) + text.length === 0;
      const line = `line ${this.written.length} ${"x".repeat(isFirst ? 1100 : 30)}`;
      this.written.push(line);
      text += `${line}\n`;
    }
    await Deno.writeTextFile(path, text, { append: true });
  }

  async rotate(isRunning: boolean): Promise<void> {
    const at = (name: string) => this.#folder.at(name);
    if (this.#isKept) {
      for (let i = 20; i > 0; i--) {
        for (const end of ["", ".gz"]) {
          await Deno.rename(at(`app.log.${i}${end}`), at(`app.log.${i + 1}${end}`)).catch(
            isMissing,
          );
        }
      }
      const packed = await Deno.readFile(at("app.log.2")).catch(isMissing);
      if (packed !== undefined && !isRunning && this.#random.below(2) === 0) {
        await Deno.writeFile(at("app.log.2.gz"), gzipSync(packed));
        await Deno.remove(at("app.log.2"));
      }
    }
    if (isRunning || this.#random.below(2) === 0) await Deno.rename(at("app.log"), at("app.log.1"));
    else await copyAndCut(at("app.log"), at("app.log.1"));
    await this.write();
  }

  async run(stop: boolean, rotate = this.#isKept && this.#random.below(3) === 0): Promise<void> {
    const path = this.#folder.at(this.#isKept ? "app.log*" : "app.log");
    const shares = await planned(path, this.#resume, 1 + this.#random.below(4));
    if (rotate) await this.rotate(true);
    const sizes = { chunk: 200, ahead: 400, batch: 200, line: 5000 };
    const readers = shares.map((share) => new LinesReader(share, sizes));
    for (const reader of readers) {
      for (let left = stop ? this.#random.below(8) : Infinity; left > 0; left--) {
        const batch = reader.next();
        if (batch === null) break;
        this.read.push(...batch);
        if (batch.length === 0) await reader.ready();
      }
    }
    this.#resume = structuredClone(new Map(readers.flatMap((each) => [...each.positions()])));
    await Promise.all(readers.map((reader) => reader.close()));
  }
}

function isMissing(error: unknown): undefined {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

for (const isKept of [true, false]) {
  const pattern = isKept ? "app.log*" : "app.log";
  Deno.test(`every line of a log that is rotated at random is read once: ${pattern}`, async () => {
    const random = new Random(11);
    for (let round = 0; round < 10; round++) {
      await using folder = await tempFolder();
      const log = new RotatedLog(folder, random, isKept);
      await log.write();
      for (let i = 0; i < 8; i++) {
        const runs = isKept ? random.below(3) : 1 + random.below(2);
        for (let k = 0; k < runs; k++) await log.run(true);
        // Between two rotations, a single name has to be read to its end.
        if (!isKept) await log.run(false, random.below(3) === 0).then(() => log.run(false));
        if (random.below(2) === 0) await log.write();
        else await log.rotate(false);
      }
      await log.run(false);
      await log.run(false, false);
      const lost = log.written.filter((line) => !log.read.includes(line));
      const twice = log.read.filter((line, i) => log.read.indexOf(line) < i);
      assertEquals({ lost, twice }, { lost: [], twice: [] }, `round ${round}`);
    }
  });
}

Deno.test("the positions of a renamed log hold the name it was found under", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("app.log", log("old"));
  const first = await run(folder.at("app.log*"));
  await rotate(folder, log("new", 10));
  const second = await run(folder.at("app.log*"), { resume: first.positions });
  assertEquals(
    bytesOf(second.positions),
    new Map([
      [path, [0, log("new", 10).length] as const],
      [folder.at("app.log.1"), [0, log("old").length] as const],
    ]),
  );
});
