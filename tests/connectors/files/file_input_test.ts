import {
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { Dataflow, run, StepError, TestingOutputConfig } from "millrace";
import { FileInputConfig } from "../../../src/connectors/files/file_input.ts";
import { FileOutputConfig } from "../../../src/connectors/files/file_output.ts";
import { LinesReader, type ReadSizes } from "../../../src/connectors/files/lines_reader.ts";
import type { Range } from "../../../src/connectors/files/ranges.ts";
import type { InputReader, Positions } from "../../../src/graph/contracts.ts";
import { openAlone } from "../../support/runtime/open_input.ts";
import { testPlace } from "../../support/runtime/test_place.ts";
import { Random } from "../../support/values/random.ts";
import { bytesOf, planned, readOf } from "../../support/files/file_positions.ts";
import { tempFolder } from "../../support/files/temp_folder.ts";

const FIRST_RUN: Positions = new Map();
const TINY: ReadSizes = { chunk: 5, ahead: 10, batch: 12, line: 100 };

/** Returns everything that a reader yields: each batch with the positions after it. */
async function drain(reader: InputReader<string>): Promise<[lines: string[], after: Positions][]> {
  const batches: [string[], Positions][] = [];
  try {
    while (true) {
      const lines = reader.next();
      if (lines === null) return batches;
      if (lines.length === 0) await reader.ready();
      else batches.push([lines, reader.positions()]);
    }
  } finally {
    await reader.close();
  }
}

async function linesOf(path: string | URL, resume = FIRST_RUN): Promise<string[]> {
  return allLines(await drain(await openAlone(new FileInputConfig({ path }), resume)));
}

/** Returns what a single worker has to read. */
async function rangesOf(path: string, resume = FIRST_RUN): Promise<Range[]> {
  return (await planned(path, resume))[0];
}

async function drainTiny(path: string, resume = FIRST_RUN, sizes = TINY) {
  return await drain(new LinesReader(await rangesOf(path, resume), sizes));
}

function allLines(batches: [string[], Positions][]): string[] {
  return batches.flatMap(([lines]) => lines);
}

/** Returns text with everything that makes lines difficult. */
function difficultText(random: Random): string {
  const ends = ["\n", "\n", "\r\n", "\n\n"];
  const words = ["", "a", "grüße", "\r", "日本語", "🦆🦆", "\uFEFF", "x".repeat(20), "tab\t", " "];
  let text = "";
  for (let i = random.below(12); i > 0; i--) {
    for (let k = random.below(3); k > 0; k--) text += random.pick(words);
    text += random.pick(ends);
  }
  return random.below(2) === 0 ? text : text + random.pick(words);
}

/** Returns the lines of a text, found by a slow reference. */
function expectedLines(text: string): string[] {
  const lines = text.split("\n");
  const last = lines.pop()!;
  const ended = lines.map((line) => line.replace(/\r$/, ""));
  return last === "" ? ended : [...ended, last];
}

Deno.test("a file input returns the lines of a file", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("in.txt", "one\ntwo\n\nfour\n");
  assertEquals(await linesOf(path), ["one", "two", "", "four"]);
});

Deno.test("a file input accepts a file: URL", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("with space.txt", "one\n");
  assertEquals(await linesOf(pathToFileURL(path)), ["one"]);
});

Deno.test("a file input counts a last line without a line end", async () => {
  await using folder = await tempFolder();
  assertEquals(await linesOf(await folder.write("in.txt", "one\ntwo")), ["one", "two"]);
});

Deno.test("a file input returns nothing for an empty file", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("in.txt", "");
  assertEquals(await linesOf(path), []);
  assertEquals(await linesOf(await folder.write("mark.txt", "\uFEFF")), []);
  assertEquals(await linesOf(await folder.write("in.gz", gzipSync(""))), []);
});

Deno.test("a file input drops a carriage return before a line end, and no other", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("in.txt", "one\r\ntwo\nthr\ree\r\r\n\r\nlast\r");
  assertEquals(await linesOf(path), ["one", "two", "thr\ree\r", "", "last\r"]);
});

Deno.test("a file input drops a byte order mark at the start of a file, and no other", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("in.txt", "\uFEFFone\n\uFEFFtwo\n");
  assertEquals(await linesOf(path), ["one", "\uFEFFtwo"]);
  assertEquals(allLines(await drainTiny(path, FIRST_RUN, { ...TINY, chunk: 1 })), [
    "one",
    "\uFEFFtwo",
  ]);
});

Deno.test("a file input returns the same lines with any sizes of chunks and batches", async () => {
  await using folder = await tempFolder();
  const random = new Random(1);
  for (let round = 0; round < 60; round++) {
    const text = difficultText(random);
    const content = new TextEncoder().encode(text);
    const chunk = 1 + random.below(8);
    const sizes = { chunk, ahead: 1 + random.below(30), batch: 1 + random.below(30), line: 500 };
    const expected = expectedLines(text.replace(/^\uFEFF/, ""));
    for (const path of ["in.txt", "in.gz"]) {
      const stored = path === "in.gz" ? gzipSync(content) : content;
      const batches = await drainTiny(await folder.write(path, stored), FIRST_RUN, sizes);
      assertEquals(allLines(batches), expected, `round ${round}, ${path}: ${text}`);
    }
  }
});

Deno.test("a file input resumes after any batch exactly where it was", async () => {
  await using folder = await tempFolder();
  const random = new Random(2);
  for (let round = 0; round < 15; round++) {
    await folder.write("a.txt", difficultText(random));
    await folder.write("b.gz", gzipSync(difficultText(random)));
    await folder.write("c.txt", difficultText(random));
    const sizes = { chunk: 1 + random.below(8), ahead: 9, batch: 1 + random.below(20), line: 500 };
    const pattern = folder.at("*");
    const batches = await drainTiny(pattern, FIRST_RUN, sizes);
    for (let i = 0; i < batches.length; i++) {
      const rest = await drainTiny(pattern, batches[i][1], sizes);
      assertEquals(
        allLines(rest),
        allLines(batches.slice(i + 1)),
        `round ${round}, batch ${i}`,
      );
    }
  }
});

Deno.test("a file input stores offsets in bytes under the paths of the files", async () => {
  await using folder = await tempFolder();
  const plain = await folder.write("a.txt", "grüße\nzwei");
  const packed = await folder.write("b.gz", gzipSync("eins\n"));
  const reader = await openAlone(new FileInputConfig({ path: folder.at("*") }));
  const batches = await drain(reader);
  assertEquals(bytesOf(batches.at(-1)![1]), new Map([[plain, [0, 12]], [packed, [0, 5]]]));
});

Deno.test("a file input reads what was appended to a file since the snapshot", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("in.txt", "one\n");
  const [[, after]] = await drain(
    await openAlone(new FileInputConfig({ path })),
  );
  assertEquals(await linesOf(path, after), []);
  await Deno.writeTextFile(path, "two\n", { append: true });
  assertEquals(await linesOf(path, after), ["two"]);
});

Deno.test("a file input unpacks a gzip file that consists of several", async () => {
  await using folder = await tempFolder();
  const parts = [gzipSync("one\ntw"), gzipSync("o\nthree\n")];
  const path = await folder.write("in.txt.gz", new Uint8Array(parts.flatMap((part) => [...part])));
  assertEquals(await linesOf(path), ["one", "two", "three"]);
});

Deno.test("a file input reads the files of a pattern sorted by path, and no folders", async () => {
  await using folder = await tempFolder();
  await folder.write("b.txt", "b\n");
  await folder.write("a/2.txt", "a/2\n");
  await folder.write("a/10.txt", "a/10\n");
  await folder.write("c.txt/in.log", "no\n");
  await Deno.symlink(folder.at("a"), folder.at("d.txt"));
  assertEquals(await linesOf(folder.at("**/*.txt")), ["a/10", "a/2", "b"]);
});

Deno.test("a file input reads a path literally if there is such a file", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("in[1].txt", "literal\n");
  await folder.write("in1.txt", "matching\n");
  assertEquals(await linesOf(path), ["literal"]);
  await Deno.remove(path);
  assertEquals(await linesOf(path), ["matching"]);
});

Deno.test("a file input returns at most some thousand lines at once", async () => {
  await using folder = await tempFolder();
  const text = Array.from({ length: 50_000 }, (_, i) => `line number ${i} of many\n`).join("");
  const path = await folder.write("in.txt", text);
  const batches = await drain(await openAlone(new FileInputConfig({ path })));
  assertEquals(allLines(batches), expectedLines(text));
  assertEquals(Math.max(...batches.map(([lines]) => lines.length)) < 5_000, true);
});

Deno.test("a file input reads no further ahead than allowed", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("in.txt", "0123456\n".repeat(1000));
  const sizes = { chunk: 64, ahead: 128, batch: 64, line: 100 };
  const reader = new LinesReader(await rangesOf(path), sizes);
  await reader.ready();
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setTimeout(resolve, 10));
  let lines = 0;
  for (let batch = reader.next(); batch!.length > 0; batch = reader.next()) lines += batch!.length;
  assertEquals(lines, 16);
  await reader.close();
});

Deno.test("a file input fails on a line that is too long, and names the place", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("in.txt", `short\n${"x".repeat(100)}\n${"y".repeat(101)}\n`);
  assertEquals(allLines(await drainTiny(path, FIRST_RUN, { ...TINY, line: 101 })).length, 3);
  await assertRejects(
    () => drainTiny(path),
    RangeError,
    `the line at byte 107 of "${path}" has more than 100 bytes`,
  );
});

Deno.test("a file input accepts a line of many chunks", async () => {
  await using folder = await tempFolder();
  const long = "ü".repeat(1_500_000);
  const path = await folder.write("in.txt", `a\n${long}\nb\n`);
  assertEquals(await linesOf(path), ["a", long, "b"]);
});

Deno.test("a file input fails on bytes that are not UTF-8, and names the place", async () => {
  await using folder = await tempFolder();
  const before = new TextEncoder().encode("fine\ngrüße\n");
  const content = new Uint8Array([...before, 0x61, 0xff, 0x0a, 0x62, 0x0a]);
  const message = (path: string) => `the line at byte 13 of "${path}" is not UTF-8`;
  const plain = await folder.write("in.txt", content);
  await assertRejects(() => linesOf(plain), TypeError, message(plain));
  const packed = await folder.write("in.gz", gzipSync(content));
  await assertRejects(() => linesOf(packed), TypeError, message(packed));
  const smallBatches = { ...TINY, chunk: 64 };
  await assertRejects(() => drainTiny(plain, FIRST_RUN, smallBatches), TypeError, message(plain));
  const cut = await folder.write("cut.txt", before.slice(0, -3)); // ends in the middle of ß
  await assertRejects(() => linesOf(cut), TypeError, `the line at byte 5 of "${cut}"`);
});

Deno.test("a file input returns the lines before a failure", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("in.txt", "a\nb\n" + "x".repeat(200));
  const reader = new LinesReader(await rangesOf(path), TINY);
  await reader.ready();
  assertEquals(reader.next(), ["a", "b"]);
  await reader.ready();
  assertThrows(() => reader.next(), RangeError);
  await reader.close();
});

Deno.test("a file input returns the lines before one that is not UTF-8, with any batches", async () => {
  await using folder = await tempFolder();
  const content = new Uint8Array([...new TextEncoder().encode("a\nb\nc\n"), 0xff, 0x0a, 0x64]);
  const path = await folder.write("in.txt", content);
  for (const batch of [1, 4, 1024]) {
    const reader = new LinesReader(await rangesOf(path), { ...TINY, chunk: 64, batch });
    const lines: string[] = [];
    const error = await assertRejects(async () => {
      for (let next = reader.next(); next !== null; next = reader.next()) {
        lines.push(...next);
        await reader.ready();
      }
    }, TypeError) as Error;
    assertStringIncludes(error.message, `the line at byte 6 of "${path}" is not UTF-8`);
    assertEquals(lines, ["a", "b", "c"]);
    await reader.close();
  }
});

Deno.test("a file input fails on files that do not exist", async () => {
  await using folder = await tempFolder();
  await folder.write("folder/in.txt", "");
  const cases: [string, string][] = [
    ["missing.txt", `there is no file "${folder.at("missing.txt")}"`],
    ["folder/in.txt/below", "there is no file"],
    ["*.nothing", `no file matches "${folder.at("*.nothing")}"`],
    ["missing/*", "no file matches"],
    ["*", "no file matches"], // a folder only
    ["folder", `"${folder.at("folder")}" is a folder`],
  ];
  for (const [path, message] of cases) {
    await assertRejects(() => linesOf(folder.at(path)), Error, message);
  }
});

Deno.test("a file input leaves out a broken link, with a warning", async () => {
  await using folder = await tempFolder();
  await folder.write("a.log", "one\n");
  await folder.write("sub/last.log", "two\n");
  await Deno.symlink("gone", folder.at("latest.log"));
  await Deno.symlink("round.log", folder.at("round.log"));
  await Deno.symlink("gone", folder.at("sub.log"));
  await Deno.mkdir(folder.at("other"));
  await Deno.symlink("../gone", folder.at("other/last.log"));
  await Deno.symlink("circle", folder.at("circle"));
  const linesAndLog = async (pattern: string): Promise<[string[], string[]]> => {
    const place = testPlace();
    const config = new FileInputConfig({ path: folder.at(pattern) });
    const lines = allLines(await drain(await openAlone(config, FIRST_RUN, place)));
    return [lines, place.logged];
  };
  const leftOut = (name: string, target: string) =>
    `warn: "${folder.at(name)}" is left out: it is a link to "${target}", and that is not there`;
  assertEquals(await linesAndLog("*.log"), [["one"], [
    leftOut("latest.log", "gone"),
    leftOut("round.log", "round.log"),
    leftOut("sub.log", "gone"),
  ]]);
  assertEquals(await linesAndLog("*/last.log"), [["two"], [leftOut("other/last.log", "../gone")]]);
  for (const name of ["latest.log", "round.log"]) {
    const message = `there is no file "${folder.at(name)}": it is a link to "`;
    await assertRejects(() => linesOf(folder.at(name)), Deno.errors.NotFound, message);
  }
  await assertRejects(() => linesOf(folder.at("l*.log")), Deno.errors.NotFound, "no file matches");
});

Deno.test("a file input leaves out a file that is removed during the search", async () => {
  await using folder = await tempFolder();
  await folder.write("a.log", "one\n");
  const path = await folder.write("b.log", "two\n");
  const place = testPlace();
  const { open } = Deno;
  Deno.open = async (of, options) => {
    if (of === path) await Deno.remove(path);
    return await open(of, options);
  };
  try {
    const config = new FileInputConfig({ path: folder.at("*.log") });
    assertEquals(allLines(await drain(await openAlone(config, FIRST_RUN, place))), ["one"]);
  } finally {
    Deno.open = open;
  }
  assertEquals(place.logged, [`warn: "${path}" is left out: it is not there any more`]);
});

Deno.test("an error of the system names the file and the cure", async () => {
  await using folder = await tempFolder();
  const read = await folder.write("read.txt", "one\n");
  await folder.write("locked/in.txt", "one\n");
  await Deno.chmod(read, 0);
  await Deno.chmod(folder.at("locked"), 0);
  const output = (path: string) => new FileOutputConfig({ path }).open(testPlace(), FIRST_RUN);
  const may = "this user lacks permission; `ls -ld` shows who has it (Permission denied";
  const cases: [work: () => Promise<unknown>, message: string][] = [
    [() => linesOf(read), `"${read}" cannot be read: ${may}`],
    [() => linesOf(folder.at("*.txt")), `"${read}" cannot be read: ${may}`],
    [() => linesOf(folder.at("*/*.txt")), `"${folder.at("locked/")}" cannot be read: ${may}`],
    [() => output(read), `"${read}" cannot be written: ${may}`],
    [() => output(folder.at("out.txt")), `"${folder.at("out.txt")}" cannot be written: ${may}`],
  ];
  const root = Deno.uid() === 0;
  await Deno.chmod(folder.at("."), 0o555);
  if (root) process.seteuid!(65534); // what root may do, no mode forbids
  try {
    for (const [work, message] of cases) await assertRejects(work, Error, message);
  } finally {
    if (root) process.seteuid!(0);
    await Deno.chmod(folder.at("."), 0o755);
    await Deno.chmod(folder.at("locked"), 0o755);
  }
  if (Deno.build.os === "linux") {
    const failed = "cannot be read: the disk or network drive failed";
    await assertRejects(() => linesOf("/proc/self/mem"), Error, failed);
  }
  await assertRejects(
    () => linesOf(folder.at("[z-a]*")),
    SyntaxError,
    '"[z-a]*" is not a valid pattern',
  );
});

Deno.test("a file input fails on a file that is not gzip, or not all of it", async () => {
  await using folder = await tempFolder();
  const whole = gzipSync("one\ntwo\n");
  for (const content of ["plain text", whole.subarray(0, -3), ""]) {
    const path = await folder.write("in.gz", content);
    await assertRejects(() => linesOf(path), Error, `"${path}" cannot be unpacked`);
  }
});

Deno.test("a file input warns of files that were read before and have gone", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("a.txt", "one\ntwo\n");
  const place = testPlace();
  const gone = await folder.write("b.txt", "b\nb\n");
  const resume = await readOf([[path, 0, 4], [gone, 0, 2]]);
  await Deno.remove(gone);
  const reader = await openAlone(new FileInputConfig({ path }), resume, place);
  assertEquals(allLines(await drain(reader)), ["two"]);
  assertEquals(place.logged, [
    `warn: files that were read before are gone: "${gone}"`,
  ]);
});

Deno.test("the progress of a file input grows with each batch, up to the total", async () => {
  await using folder = await tempFolder();
  const text = "0123456\n".repeat(50);
  await folder.write("a.txt", `\uFEFF${text}`);
  const packed = gzipSync(text);
  await folder.write("b.gz", packed);
  await folder.write("c.txt", "\uFEFF");
  const total = 3 + text.length + packed.length + 3;
  const reader = new LinesReader(await rangesOf(folder.at("*")), TINY);
  assertEquals(reader.progress(), { done: 0, total, unit: "bytes" });
  const seen: number[] = [];
  for (let batch = reader.next(); batch !== null; batch = reader.next()) {
    if (batch.length === 0) await reader.ready();
    else seen.push(reader.progress().done);
  }
  assertEquals(reader.progress(), { done: total, total, unit: "bytes" });
  assertEquals(seen, seen.toSorted((a, b) => a - b));
  assertEquals(new Set(seen).size > 20, true);
  await reader.close();
});

Deno.test("the progress of a file input counts what was read before the snapshot", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("in.txt", "one\ntwo\n");
  const resume = await readOf([[path, 0, 4]]);
  const reader = await openAlone(new FileInputConfig({ path }), resume);
  await reader.ready();
  assertEquals(reader.progress?.(), { done: 4, total: 8, unit: "bytes" });
  await reader.close();
});

Deno.test("a file input can be closed at any time, and leaves nothing open", async (t) => {
  await using folder = await tempFolder();
  const random = new Random(3);
  const numbers = Array.from({ length: 300_000 }, () => random.below(1e9)); // hard to pack
  const text = numbers.join("\n");
  await folder.write("a.txt", text);
  await folder.write("b.gz", gzipSync(text));
  await folder.write("c.gz", "not gzip");
  for (const path of ["a.txt", "b.gz", "c.gz", "*"]) {
    for (const [batches, idleMs] of [[0, 0], [0, 30], [1, 0], [1, 30], [12, 0], [12, 30]]) {
      // The sanitizers see what is left at the end of each step.
      await t.step(`${path}, ${batches} batches, ${idleMs} ms later`, async () => {
        const reader = await openAlone(new FileInputConfig({ path: folder.at(path) }));
        for (let i = 0; i < batches; i++) {
          await reader.ready();
          if (path !== "c.gz") reader.next();
        }
        if (idleMs > 0) await new Promise((resolve) => setTimeout(resolve, idleMs));
        await reader.close();
      });
    }
  }
});

Deno.test("a file input can be closed while ready is pending", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("in.gz", gzipSync("some line\n".repeat(100_000)));
  const reader = await openAlone(new FileInputConfig({ path }));
  const ready = reader.ready();
  await reader.close();
  await ready;
});

Deno.test("a file input checks its options", () => {
  const wrong: [unknown, string][] = [
    [undefined, "needs { path }"],
    ["in.txt", "needs { path }"],
    [{}, "path of FileInputConfig must be a text that is not empty, or a URL; got undefined"],
    [{ path: "" }, "must be a text that is not empty"],
    [{ path: ["a", "b"] }, 'got [ "a", "b" ]'],
    [{ path: new URL("https://example.com/in.txt") }, "must be a file: URL"],
    [{ path: "in.txt", gzip: true }, 'FileInputConfig has no option "gzip"; it has: path'],
    [{ path: "in.txt", onReplaced: true }, 'onReplaced must be "fail" or "read"; got true'],
  ];
  for (const [options, message] of wrong) {
    assertThrows(() => new FileInputConfig(options as { path: string }), TypeError, message);
  }
});

Deno.test("a flow reads a large file in order", async () => {
  await using folder = await tempFolder();
  const text = Array.from({ length: 100_000 }, (_, i) => `line ${i}\n`).join("");
  const path = await folder.write("in.txt", text);
  const out: string[] = [];
  const flow = new Dataflow("read")
    .input("lines", new FileInputConfig({ path }))
    .capture(new TestingOutputConfig(out));
  await run(flow);
  assertEquals(out, expectedLines(text));
});

Deno.test("a flow fails with the step and the file if there is none", async () => {
  await using folder = await tempFolder();
  const flow = new Dataflow("read")
    .input("lines", new FileInputConfig({ path: folder.at("missing.txt") }))
    .capture(new TestingOutputConfig<string>([]));
  const error = await assertRejects(() => run(flow), StepError, "missing.txt");
  assertEquals(error.stepId, "lines");
  assertInstanceOf(error.cause, Deno.errors.NotFound);
});

Deno.test("a flow that is stopped in the middle of a file leaves it closed", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("in.txt", "some line\n".repeat(500_000));
  const stop = new AbortController();
  let lines = 0;
  const flow = new Dataflow("read")
    .input("lines", new FileInputConfig({ path }))
    .inspect(() => {
      if (++lines === 1000) stop.abort();
    })
    .capture(new TestingOutputConfig<string>([]));
  const { stopped } = await run(flow, { signal: stop.signal });
  assertEquals(stopped, true);
  assertEquals(lines < 500_000, true);
});
