/** The lines of a large file, compared with the ways that Deno and Node have to read them. */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { Dataflow, FileInputConfig, run } from "millrace";
import { batchOutput, compare } from "./support.ts";

const LINES = 2_000_000;

const path = await Deno.makeTempFile({ suffix: ".jsonl" });
try {
  await writeOrders(path);
  await compare("lines of a file of JSON, not parsed", { what: "lines", count: LINES }, [
    { name: "whole file at once, split", run: () => readWhole(path) },
    { name: "node:readline", run: () => readLines(path) },
    { name: "millrace, FileInputConfig", run: () => readWithFlow(path) },
  ]);
} finally {
  await Deno.remove(path);
}

async function writeOrders(path: string): Promise<void> {
  using file = await Deno.open(path, { write: true, truncate: true });
  const writer = file.writable.getWriter();
  const encoder = new TextEncoder();
  const PER_WRITE = 10_000;
  for (let from = 0; from < LINES; from += PER_WRITE) {
    const lines = Array.from({ length: PER_WRITE }, (_, i) => {
      const order = { id: from + i, user: `user-${i % 1_000}`, amount: i / 4, note: "standard" };
      return `${JSON.stringify(order)}\n`;
    });
    await writer.write(encoder.encode(lines.join("")));
  }
  await writer.close();
}

/** The characters of all lines: each way has to find the same. */
async function readWhole(path: string): Promise<number> {
  const lines = (await Deno.readTextFile(path)).trimEnd().split("\n");
  return lines.reduce((sum, { length }) => sum + length, 0);
}

async function readLines(path: string): Promise<number> {
  let characters = 0;
  for await (const line of createInterface({ input: createReadStream(path) })) {
    characters += line.length;
  }
  return characters;
}

async function readWithFlow(path: string): Promise<number> {
  let characters = 0;
  const flow = new Dataflow("lines")
    .input("in", new FileInputConfig({ path }))
    .capture(batchOutput((batch) => {
      for (const { length } of batch) characters += length;
    }));
  await run(flow);
  return characters;
}
