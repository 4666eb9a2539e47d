/** Files of an output that others replace, cut or write to. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Dataflow, run, StepError, TestingInputConfig } from "millrace";
import { FileInputConfig } from "../../../src/connectors/files/file_input.ts";
import { FileOutputConfig } from "../../../src/connectors/files/file_output.ts";
import type { OutputWriter, Positions } from "../../../src/graph/contracts.ts";
import { testPlace } from "../../support/runtime/test_place.ts";
import { tempFolder } from "../../support/files/temp_folder.ts";

const FIRST_RUN: Positions = new Map();

async function open(path: string, resume = FIRST_RUN): Promise<OutputWriter<unknown>> {
  return await new FileOutputConfig({ path }).open(testPlace(), resume);
}

/** Writes lines that are in the snapshot, and some that are not, like a run that is killed. */
async function written(path: string, lines: readonly string[]): Promise<Positions> {
  const writer = await open(path);
  await writer.prepare(0);
  if (lines.length > 0) await writer.write(lines, 1);
  const positions = structuredClone(await writer.prepare(1)) as Positions;
  await writer.write(["behind the snapshot"], 2);
  await writer.close();
  return positions;
}

/** Continues after the snapshot. */
async function goOn(path: string, resume: Positions): Promise<void> {
  const writer = await open(path, resume);
  try {
    await writer.write(["again"], 2);
    await writer.prepare(2);
  } finally {
    await writer.close();
  }
}

const few = ["one", "two"];
const many = Array.from({ length: 100 }, (_, i) => `line ${i} of the output`);

for (const lines of [few, many]) {
  const text = `${lines.join("\n")}\n`;
  Deno.test(`a file output leaves a file alone that has taken the place of its own: ${lines.length} lines`, async () => {
    await using folder = await tempFolder();
    const path = folder.at("out.txt");
    const others: [content: string, differs: string][] = [
      ["", "it has 0 bytes"],
      ["x", "it has 1 byte:"],
      ["x".repeat(text.length), "its bytes before that place differ"],
      ["x".repeat(text.length) + text, "its bytes before that place differ"],
    ];
    for (const isRotated of [true, false]) {
      for (const [content, differs] of others) {
        const resume = await written(path, lines);
        if (isRotated) await Deno.rename(path, `${path}.1`);
        await folder.write("out.txt", content);
        const { message } = await assertRejects(() => goOn(path, resume), Error);
        for (const part of [`${text.length} bytes of "${path}"`, differs, "another path"]) {
          assertStringIncludes(message, part);
        }
        assertEquals(await Deno.readTextFile(path), content);
      }
    }
  });

  Deno.test(`a file output goes on in a copy of its file, and in a file that was put back: ${lines.length} lines`, async () => {
    await using folder = await tempFolder();
    const path = folder.at("out.txt");
    const resume = await written(path, lines);
    await Deno.rename(path, `${path}.1`);
    await Deno.rename(`${path}.1`, path);
    await goOn(path, resume);
    assertEquals(await Deno.readTextFile(path), `${text}again\n`);
    await Deno.remove(path);
    await folder.write("out.txt", text); // from a backup
    await goOn(path, resume);
    assertEquals(await Deno.readTextFile(path), `${text}again\n`);
  });
}

Deno.test("a file output does not cut another file that begins like its own", async () => {
  await using folder = await tempFolder();
  const path = folder.at("out.txt");
  for (const lines of [[], few]) {
    const resume = await written(path, lines);
    const content = lines.map((line) => `${line}\n`).join("") + "of another program\n";
    await Deno.rename(path, `${path}.1`);
    await folder.write("out.txt", content);
    const { message } = await assertRejects(() => goOn(path, resume), Error);
    assertStringIncludes(message, "it is another file");
    assertEquals(await Deno.readTextFile(path), content);
    await Deno.remove(path);
  }
});

Deno.test("a file output begins a new file if it had written nothing, and the file has gone", async () => {
  await using folder = await tempFolder();
  const path = folder.at("out.txt");
  const resume = await written(path, []);
  await Deno.remove(path);
  await goOn(path, resume);
  assertEquals(await Deno.readTextFile(path), "again\n");
});

Deno.test("a file output leaves a file of an earlier run alone if that is another one now", async () => {
  await using folder = await tempFolder();
  const path = folder.at("out.txt");
  const left = folder.at("out.0.txt");
  const resume = await written(left, many);
  await folder.write("out.0.txt", "of another program\n".repeat(1000));
  const place = testPlace();
  const writer = await new FileOutputConfig({ path }).open(place, resume);
  await writer.write(["new"], 2);
  assertEquals([...(await writer.prepare(2)).keys()], [path]);
  await writer.close();
  assertEquals(await Deno.readTextFile(left), "of another program\n".repeat(1000));
  assertEquals(place.logged.length, 1);
  assertStringIncludes(
    place.logged[0],
    `warn: "${left}" is not what an earlier run wrote any more`,
  );
});

Deno.test("a file that is taken away while it is written is an error at the end of the epoch", async () => {
  await using folder = await tempFolder();
  const path = folder.at("out.txt");
  const changes: [change: () => Promise<void>, differs: string][] = [
    [() => Deno.remove(path), "it is not there any more"],
    [() => Deno.rename(path, `${path}.1`), "it is not there any more"],
    [() => Deno.truncate(path), "bytes and not the"],
    [() => Deno.writeTextFile(path, "of others\n", { append: true }), "bytes and not the"],
    [async () => {
      const { size } = await Deno.stat(path);
      await Deno.rename(path, `${path}.1`);
      await folder.write("out.txt", "x".repeat(size + "three\n".length));
    }, "another file has its name now"],
  ];
  for (const [change, differs] of changes) {
    const writer = await open(path);
    await writer.write(few, 0);
    await writer.prepare(0);
    await change();
    await writer.write(["three"], 1);
    const { message } = await assertRejects(() => writer.prepare(1), Error);
    assertStringIncludes(message, `"${path}" is being written, but`);
    assertStringIncludes(message, differs);
    await writer.close();
  }
});

Deno.test("a file that is not written any more is missed at the end of the epoch, too", async () => {
  await using folder = await tempFolder();
  const path = folder.at("out.txt");
  const writer = await open(path);
  await writer.write(few, 0);
  await writer.prepare(0);
  await Deno.rename(path, `${path}.1`);
  await assertRejects(() => writer.prepare(1), Error, "it is not there any more");
  await writer.close();
});

Deno.test("a store that an earlier version wrote is an error of a file output", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("out.txt", "one\n");
  const resume = new Map([[path, { bytes: 2 }]]);
  await assertRejects(() => goOn(path, resume), Error, "in the form of an earlier version");
  assertEquals(await Deno.readTextFile(path), "one\n");
});

Deno.test("a flow that would read the file that it writes is refused, and the file stays", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("in.txt", "one\ntwo\n");
  await Deno.symlink(path, folder.at("link.txt"));
  await folder.write("other.txt", "other\n");
  for (const [from, to] of [["in.txt", "in.txt"], ["*.txt", "in.txt"], ["in.txt", "link.txt"]]) {
    const flow = new Dataflow("circle")
      .input("in", new FileInputConfig({ path: folder.at(from) }))
      .capture("out", new FileOutputConfig({ path: folder.at(to) }));
    const error = await assertRejects(
      () => run(flow),
      StepError,
      "is written by an output of this",
    );
    assertEquals(error.stepId, "in");
    assertEquals(await Deno.readTextFile(path), "one\ntwo\n");
  }
});

Deno.test("a flow may read a file that another flow writes", async () => {
  await using folder = await tempFolder();
  const path = folder.at("between.txt");
  const writer = await open(path);
  await writer.write(few, 0);
  await run(
    new Dataflow("reads").input("in", new FileInputConfig({ path }))
      .capture(new FileOutputConfig({ path: folder.at("out.txt") })),
  );
  await writer.close();
  assertEquals(await Deno.readTextFile(folder.at("out.txt")), "one\ntwo\n");
});

Deno.test("a flow without items empties the file of a run before", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("out.txt", "of a run before\n");
  const flow = new Dataflow("empty").input("in", new TestingInputConfig<string>([]))
    .capture(new FileOutputConfig({ path }));
  await run(flow);
  assertEquals(await Deno.readTextFile(path), "");
});
