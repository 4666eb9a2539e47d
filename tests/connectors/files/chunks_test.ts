import { assertEquals, assertRejects } from "@std/assert";
import { chunksOf } from "../../../src/connectors/files/chunks.ts";
import { idle } from "../../support/eventually.ts";
import { tempFolder } from "../../support/files/temp_folder.ts";

/** Reads a file that changes once its first chunk, which is all of it, has been given out. */
async function readWhile(path: string, change: () => void): Promise<string> {
  const source = { path, file: null, offset: 0, before: null, size: 6 };
  const chunks = chunksOf(source, { chunkBytes: 64, tally: { bytes: 0 } });
  let text = "";
  let hasChanged = false;
  for await (const { bytes } of chunks) {
    text += new TextDecoder().decode(bytes);
    if (hasChanged) continue;
    await idle(); // the next chunk is read meanwhile
    change();
    hasChanged = true;
  }
  return text;
}

Deno.test("chunksOf() looks again at an end that it had read ahead: the file may have grown", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("in.log", "a\nb\nc\n");
  const grow = () => Deno.writeTextFileSync(path, "d\n", { append: true });
  assertEquals(await readWhile(path, grow), "a\nb\nc\nd\n");
});

Deno.test("chunksOf() looks again at an end that it had read ahead: the file may have been cut", async () => {
  await using folder = await tempFolder();
  for (const left of ["", "new\n", "longer than it was\n"]) {
    const path = await folder.write("in.log", "a\nb\nc\n");
    const cut = () => Deno.writeTextFileSync(path, left);
    await assertRejects(() => readWhile(path, cut), Error, "was cut or written again");
  }
});
