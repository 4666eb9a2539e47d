/** Files of several gzip files that are damaged somewhere. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { gzipSync } from "node:zlib";
import { LinesReader } from "../../../src/connectors/files/lines_reader.ts";
import { createLog } from "../../../src/core/log.ts";
import { planned } from "../../support/files/file_positions.ts";
import { tempFolder } from "../../support/files/temp_folder.ts";

const first = gzipSync("one\ntwo\n");
const second = gzipSync("three\nfour\n");
const LINES = ["one", "two", "three", "four"];

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

/** Returns the lines of a file, and what is logged. */
async function read(path: string, chunk: number): Promise<{ lines: string[]; logged: string[] }> {
  const [ranges] = await planned(path);
  const logged: string[] = [];
  const log = createLog((level, message, { bytes }) =>
    logged.push(`${level}: ${message}: ${bytes}`)
  );
  const reader = new LinesReader(ranges, { chunk, ahead: 1000, batch: 1000, line: 1000 }, log);
  const lines: string[] = [];
  try {
    for (let batch; (batch = reader.next()) !== null;) {
      lines.push(...batch);
      if (batch.length === 0) await reader.ready();
    }
  } finally {
    await reader.close();
  }
  return { lines, logged };
}

Deno.test("damage in a file of several gzip files never drops the rest silently", async () => {
  await using folder = await tempFolder();
  const whole = joined(first, second);
  const damages: [name: string, bytes: Uint8Array][] = [];
  for (let i = first.length; i < whole.length; i++) {
    damages.push([`byte ${i} is zero`, whole.with(i, 0)]);
    damages.push([`byte ${i} is another`, whole.with(i, whole[i] ^ 0xff)]);
    // The last three bytes are zeros already: with nothing else there, they would be padding.
    if (i < whole.length - 3) {
      damages.push([`zeros up to byte ${i}`, whole.slice().fill(0, first.length, i)]);
    }
    if (i > first.length) damages.push([`cut off at byte ${i}`, whole.subarray(0, i)]);
  }
  let refused = 0;
  for (const [name, bytes] of damages) {
    const path = await folder.write("in.gz", bytes);
    for (const chunk of [1, 7, 1000]) {
      try {
        // Some bytes in a header mean nothing.
        assertEquals((await read(path, chunk)).lines, LINES, `${name}, chunks of ${chunk}`);
      } catch (error) {
        assertStringIncludes((error as Error).message, `"${path}" cannot be unpacked`, name);
        refused++;
      }
    }
  }
  assertEquals(refused > damages.length * 3 / 2, true);
});

Deno.test("a damaged byte after a gzip file is found, however soon the next ones are read", async () => {
  await using folder = await tempFolder();
  const path = await folder.write(
    "in.gz",
    joined(first, second).fill(0, first.length, first.length + 1),
  );
  for (let n = 0; n < 50; n++) { // zlib works in a thread of its own
    const { message } = await assertRejects(() => read(path, 1), Error);
    assertStringIncludes(message, `begins at byte ${first.length}, after a whole gzip file`);
  }
});

Deno.test("a gzip file whose second one has become zeros says where it is damaged", async () => {
  await using folder = await tempFolder();
  const bytes = joined(first, new Uint8Array(50), second);
  const path = await folder.write("in.gz", bytes);
  const { message } = await assertRejects(() => read(path, 1000), Error);
  assertStringIncludes(message, `begins at byte ${first.length}, after a whole gzip file`);
  assertStringIncludes(message, `there is more at byte ${first.length + 50}`);
});

Deno.test("zeros after a gzip file are treated as padding, with a warning", async () => {
  await using folder = await tempFolder();
  for (const zeros of [1, 63, 2000]) {
    const path = await folder.write("in.gz", joined(first, second, new Uint8Array(zeros)));
    for (const chunk of [1, 7, 1000]) {
      assertEquals(await read(path, chunk), {
        lines: LINES,
        logged: [`warn: a gzip file is followed by zeros: they are treated as padding: ${zeros}`],
      });
    }
  }
});
