import { assertEquals } from "@std/assert";
import { flowFile, folderOf, runCli } from "../support/cli.ts";

Deno.test("windows over a large ordered file miss no line, with any number of workers", async () => {
  const lines = Array.from({ length: 100_000 }, (_, i) => `key-${i % 5} ${i}\n`);
  await using folder = await folderOf({ "lines.txt": lines.join("") });
  const run = async (workers: number) => {
    const args = [flowFile("file_windows.ts"), `-w${workers}`, "--", `${folder.path}/lines.txt`];
    const { code, stdout } = await runCli(args);
    assertEquals(code, 0);
    return stdout.trim().split("\n").sort();
  };
  const expected = await run(1);
  assertEquals(expected.length, 5 * Math.ceil(100_000 / 3_600));
  for (const workers of [2, 3]) assertEquals(await run(workers), expected);
});
