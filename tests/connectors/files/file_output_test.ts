import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { pathToFileURL } from "node:url";
import { Dataflow, ItemError, run, StepError, TestingInputConfig } from "millrace";
import { FileInputConfig } from "../../../src/connectors/files/file_input.ts";
import { FileOutputConfig } from "../../../src/connectors/files/file_output.ts";
import type { FilePosition } from "../../../src/connectors/files/file_writer.ts";
import { crcOf, lastBytes } from "../../../src/connectors/files/fingerprint.ts";
import type { OutputWriter, Positions } from "../../../src/graph/contracts.ts";
import { testPlace } from "../../support/runtime/test_place.ts";
import { tempFolder } from "../../support/files/temp_folder.ts";

const FIRST_RUN: Positions = new Map();

async function open(
  path: string | URL,
  { resume = FIRST_RUN, ...place }: {
    resume?: Positions;
    workerIndex?: number;
    workerCount?: number;
  } = {},
): Promise<OutputWriter<unknown>> {
  return await new FileOutputConfig({ path }).open(testPlace(place), resume);
}

/** Returns the bytes of each file according to positions. */
function bytesOf(positions: Positions): Map<string, number> {
  const entries = [...positions] as [string, FilePosition][];
  return new Map(entries.map(([path, { bytes }]) => [path, bytes]));
}

/** Returns the stored position of a file that was written up to there. */
async function writtenTo(path: string, bytes: number): Promise<Positions> {
  const content = await Deno.readFile(path);
  const crc = crcOf(lastBytes(new Uint8Array(), content.subarray(0, bytes)));
  return new Map([[path, { bytes, crc, inode: (await Deno.stat(path)).ino }]]);
}

/** Writes everything at once, and returns the positions. */
async function writeAll(
  path: string | URL,
  items: readonly unknown[],
  options: Parameters<typeof open>[1] = {},
): Promise<Positions> {
  const writer = await open(path, options);
  try {
    await writer.write(items, 0);
    return await writer.prepare(0);
  } finally {
    await writer.close();
  }
}

Deno.test("a file output writes one line per item", async () => {
  await using folder = await tempFolder();
  const path = folder.at("out.txt");
  await writeAll(path, ["text", { a: [1n] }, null, "", new Map([["k", 1]])]);
  assertEquals(await Deno.readTextFile(path), 'text\n{"a":[1]}\nnull\n\n[["k",1]]\n');
});

Deno.test("a file output accepts a file: URL", async () => {
  await using folder = await tempFolder();
  const path = folder.at("with space.txt");
  await writeAll(pathToFileURL(path), ["one"]);
  assertEquals(await Deno.readTextFile(path), "one\n");
});

Deno.test("a file output replaces what was in the file on a first run", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("out.txt", "of a run before, and longer\n");
  await writeAll(path, ["new"]);
  assertEquals(await Deno.readTextFile(path), "new\n");
});

Deno.test("a file output has written everything, and reports how much, when it is prepared", async () => {
  await using folder = await tempFolder();
  const path = folder.at("out.txt");
  const writer = await open(path);
  assertEquals(bytesOf(await writer.prepare(0)), new Map([[path, 0]]));
  await writer.write(["grüße", "zwei"], 1);
  await writer.write(["drei"], 1);
  assertEquals(bytesOf(await writer.prepare(1)), new Map([[path, 18]]));
  assertEquals(await Deno.readTextFile(path), "grüße\nzwei\ndrei\n");
  assertEquals(bytesOf(await writer.prepare(2)), new Map([[path, 18]]));
  await writer.close();
});

Deno.test("a file output cuts off what came after the snapshot, and continues there", async () => {
  await using folder = await tempFolder();
  const path = folder.at("out.txt");
  const first = await open(path);
  await first.write(["grüße"], 0);
  const resume = await first.prepare(0);
  await first.write(["not in the snapshot", "nor this"], 1);
  await first.close();
  assertEquals((await Deno.readTextFile(path)).includes("nor this"), true);

  const positions = await writeAll(path, ["again"], { resume });
  assertEquals(await Deno.readTextFile(path), "grüße\nagain\n");
  assertEquals(bytesOf(positions), new Map([[path, 14]]));
});

Deno.test("a file output fails if the file is shorter than in the snapshot", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("out.txt", "one\n\n");
  const resume = await writtenTo(path, 5);
  const belong = `the snapshot has 5 bytes of "${path}", but it`;
  await Deno.writeTextFile(path, "one\n");
  await assertRejects(() => open(path, { resume }), Error, `${belong} has 4 bytes`);
  assertEquals(await Deno.readTextFile(path), "one\n");
  await Deno.remove(path);
  await assertRejects(() => open(path, { resume }), Error, `${belong} is not there`);
});

Deno.test("file outputs of several workers write a file each", async () => {
  await using folder = await tempFolder();
  const path = folder.at("out.d/out.txt");
  await Deno.mkdir(folder.at("out.d"));
  for (const workerIndex of [0, 1]) {
    await writeAll(path, [`of ${workerIndex}`], { workerIndex, workerCount: 2 });
  }
  assertEquals(await Deno.readTextFile(folder.at("out.d/out.0.txt")), "of 0\n");
  assertEquals(await Deno.readTextFile(folder.at("out.d/out.1.txt")), "of 1\n");
  const positions = await writeAll(folder.at("out.d/plain"), [], { workerCount: 2 });
  assertEquals([...positions.keys()], [folder.at("out.d/plain.0")]);
});

Deno.test("a file holds each line once also after a run with fewer workers", async () => {
  await using folder = await tempFolder();
  const path = folder.at("out.txt");
  const resume = new Map<string, unknown>();
  for (const workerIndex of [0, 1]) {
    const writer = await open(path, { workerIndex, workerCount: 2 });
    await writer.write(["kept"], 0);
    for (const [file, position] of await writer.prepare(0)) resume.set(file, position);
    await writer.write(["after the snapshot"], 1);
    await writer.close();
  }

  const one = await writeAll(path, ["again"], { resume });
  assertEquals(await Deno.readTextFile(path), "again\n");
  assertEquals(await Deno.readTextFile(folder.at("out.0.txt")), "kept\n");
  assertEquals(await Deno.readTextFile(folder.at("out.1.txt")), "kept\n");

  await writeAll(path, ["more"], { resume: one, workerIndex: 1, workerCount: 2 });
  assertEquals(await Deno.readTextFile(folder.at("out.1.txt")), "kept\nmore\n");
  assertEquals(await Deno.readTextFile(path), "again\n");
});

Deno.test("a file output leaves the files of its fellow workers alone", async () => {
  await using folder = await tempFolder();
  const path = folder.at("out.txt");
  const resume = await writtenTo(await folder.write("out.1.txt", "kept\n"), 5);
  await writeAll(path, ["more"], { resume, workerIndex: 1, workerCount: 2 });
  const positions = await writeAll(path, [], { resume, workerIndex: 0, workerCount: 2 });
  assertEquals(await Deno.readTextFile(folder.at("out.1.txt")), "kept\nmore\n");
  assertEquals([...positions.keys()], [folder.at("out.0.txt")]);
});

Deno.test("a file output leaves files alone that are not its own", async () => {
  await using folder = await tempFolder();
  const names = ["other.txt", "out.x.txt", "out.1.log", "out.txt.1", "output.1.txt"];
  const resume = new Map<string, unknown>();
  for (const name of [...names, "out.7.txt"]) {
    const [[path, position]] = await writtenTo(await folder.write(name, "whole\n"), 2);
    resume.set(path, position);
  }
  await Deno.remove(folder.at("out.7.txt"));
  const path = folder.at("out.txt");
  const kept = [...(await writeAll(path, [], { resume })).keys()];
  assertEquals(kept, [...names.map((name) => folder.at(name)), path]);
  for (const name of names) assertEquals(await Deno.readTextFile(folder.at(name)), "whole\n", name);
});

Deno.test("a file output refuses an item that would become several lines", async () => {
  await using folder = await tempFolder();
  const path = folder.at("out.txt");
  const writer = await open(path);
  const error = await assertRejects(
    async () => await writer.write(["fine", "two\nlines"], 0),
    ItemError,
    "JSON.stringify",
  );
  assertEquals(error.item, "two\nlines");
  await writer.close();
});

Deno.test("two file outputs cannot write to one file", async () => {
  await using folder = await tempFolder();
  const path = folder.at("out.txt");
  const first = await open(path);
  await first.write(["kept"], 0);
  await Deno.symlink(path, folder.at("link.txt"));
  for (const same of [path, folder.at("./out.txt"), folder.at("link.txt")]) {
    await assertRejects(() => open(same), TypeError, "is written by another output already");
  }
  await first.prepare(0);
  await first.close();
  assertEquals(await Deno.readTextFile(path), "kept\n");
  await writeAll(path, ["free again"]);
  assertEquals(await Deno.readTextFile(path), "free again\n");
});

Deno.test("a file output fails if it cannot write", async () => {
  await using folder = await tempFolder();
  await folder.write("folder/file", "");
  const cases: [string, string][] = [
    [folder.at("missing/out.txt"), `there is no folder "${folder.at("missing")}"`],
    [folder.at("folder/file/out.txt"), `there is no folder "${folder.at("folder/file")}"`],
    [folder.at("folder"), `"${folder.at("folder")}" is a folder: give the path of a file`],
    ["/dev/null", '"/dev/null" is not a file'],
  ];
  for (const [path, message] of cases) await assertRejects(() => open(path), Error, message);
  await writeAll(folder.at("folder/file"), []); // a failure keeps no file claimed
  await assertRejects(() => open("/dev/null"), Error, "is not a file");
});

Deno.test("a file output on a full disk names the file and the cure", async () => {
  await using folder = await tempFolder();
  const path = folder.at("out.txt");
  const { write } = Deno.FsFile.prototype;
  Deno.FsFile.prototype.write = () => {
    const error = new Error("No space left on device (os error 28)");
    return Promise.reject(Object.assign(error, { code: "ENOSPC" }));
  };
  try {
    const writer = await open(path);
    const message = `"${path}" cannot be written: the disk is full: make room (No space left`;
    await assertRejects(async () => await writer.write(["one"], 0), Error, message);
    await writer.close();
  } finally {
    Deno.FsFile.prototype.write = write;
  }
});

Deno.test("a file output that is closed while it works waits for that", async () => {
  await using folder = await tempFolder();
  const path = folder.at("out.txt");
  const lines = new Array(10_000).fill("x".repeat(1000));
  const done: string[] = [];
  const writing = await open(path);
  Promise.resolve(writing.write(lines, 0)).then(() => done.push("write"));
  await writing.close();
  const preparing = await open(path);
  await preparing.write(lines, 0);
  preparing.prepare(0).then(() => done.push("prepare"));
  await preparing.close();
  assertEquals(done, ["write", "prepare"]);
});

Deno.test("a file output syncs what was written before it is prepared, and only then", async () => {
  await using folder = await tempFolder();
  const { syncData } = Deno.FsFile.prototype;
  let synced = 0;
  Deno.FsFile.prototype.syncData = function () {
    synced++;
    return syncData.call(this);
  };
  try {
    const writer = await open(folder.at("out.txt"));
    await writer.write(["one"], 0);
    await writer.prepare(0);
    assertEquals(synced, 1);
    await writer.prepare(1);
    assertEquals(synced, 1);
    await writer.write(["two"], 2);
    await writer.prepare(2);
    assertEquals(synced, 2);
    await writer.close();
  } finally {
    Deno.FsFile.prototype.syncData = syncData;
  }
});

Deno.test("a file output checks its options", () => {
  const wrong: [unknown, string][] = [
    [{}, "path of FileOutputConfig must be a text"],
    [{ path: "out.txt", append: true }, 'has no option "append"; it has: path'],
    [{ path: "out.txt.gz" }, "FileOutputConfig does not write gzip"],
  ];
  for (const [options, message] of wrong) {
    assertThrows(() => new FileOutputConfig(options as { path: string }), TypeError, message);
  }
});

Deno.test("a flow copies a file line by line", async () => {
  await using folder = await tempFolder();
  const text = Array.from({ length: 20_000 }, (_, i) => `line ${i}, grüße\n`).join("");
  const path = await folder.write("in.txt", text);
  const flow = new Dataflow("copy")
    .input("lines", new FileInputConfig({ path }))
    .capture(new FileOutputConfig({ path: folder.at("out.txt") }));
  await run(flow, { epoch: { interval: 1 } });
  assertEquals(await Deno.readTextFile(folder.at("out.txt")), text);
});

Deno.test("a flow fails with the item that would become several lines", async () => {
  await using folder = await tempFolder();
  const flow = new Dataflow("write")
    .input("in", new TestingInputConfig(["fine", "a\nb"]))
    .capture("out", new FileOutputConfig({ path: folder.at("out.txt") }));
  const error = await assertRejects(() => run(flow), StepError, "would become several lines");
  assertEquals([error.stepId, error.item], ["out", '"a\\nb"']);
});

Deno.test("a flow with two outputs on one file fails", async () => {
  await using folder = await tempFolder();
  const output = new FileOutputConfig({ path: folder.at("out.txt") });
  const items = new Dataflow("write").input("in", new TestingInputConfig(["one"]));
  items.capture("first", output);
  items.capture("second", output);
  const error = await assertRejects(() => run(items), StepError, "merge the streams");
  assertEquals(error.stepId, "second");
});

for (const workerCount of [1, 2]) {
  Deno.test(`a file output with another path keeps the position of the old file: ${workerCount} workers`, async () => {
    await using folder = await tempFolder();
    const [old, other] = [folder.at("out.txt"), folder.at("other.txt")];
    const first = await writeAll(old, ["1", "2"]);
    await Deno.writeTextFile(old, "after the snapshot\n", { append: true });
    const second = new Map<string, unknown>();
    for (let workerIndex = 0; workerIndex < workerCount; workerIndex++) {
      const options = { workerIndex, workerCount, resume: first };
      for (const [path, state] of await writeAll(other, ["x"], options)) {
        assertEquals(second.has(path), false, "no position is kept twice");
        second.set(path, state);
      }
    }
    assertEquals(await Deno.readTextFile(old), "1\n2\nafter the snapshot\n");
    assertEquals(second.get(old), first.get(old));
    const third = await writeAll(old, ["3"], { resume: second });
    assertEquals(await Deno.readTextFile(old), "1\n2\n3\n");
    assertEquals(third.size, 1 + workerCount);
  });
}

Deno.test("a file output forgets a file of another path that has gone", async () => {
  await using folder = await tempFolder();
  const first = await writeAll(folder.at("out.txt"), ["1"]);
  await Deno.remove(folder.at("out.txt"));
  const second = await writeAll(folder.at("other.txt"), ["x"], { resume: first });
  assertEquals([...second.keys()], [folder.at("other.txt")]);
});
