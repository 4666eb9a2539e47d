import { assertEquals, assertRejects } from "@std/assert";
import { glob as nodeGlob } from "node:fs/promises";
import { glob, isPattern } from "../../../src/connectors/files/glob.ts";
import { tempFolder } from "../../support/files/temp_folder.ts";

const NAMES = [
  "a.txt",
  "b.txt",
  "ab.txt",
  "a+b.txt",
  "(a).txt",
  ".hidden.txt",
  "ü.txt",
  "x/a.txt",
  "x/b.log",
  "x/y/a.txt",
  "x/y/z/c.txt.gz",
  "x/.git/a.txt",
  "x-y/a.txt",
  "10/2.txt",
  "10/[a].txt",
];

const PATTERNS = [
  "*",
  "*.txt",
  "?.txt",
  "??.txt",
  "*b*",
  "[ab].txt",
  "[!a].txt",
  "[^a].txt",
  "[a-b]*.txt",
  "[[]a].txt",
  "10/[[]a].txt",
  "10/[]a[]*",
  ".*",
  "{a,b}.txt",
  "{a,x/{a,y/a}}.txt",
  "{x,10}/*",
  "{a}.txt",
  "{a,b.txt",
  "x/*",
  "*/a.txt",
  "x/*/a.txt",
  "**",
  "**/*.txt",
  "**/a.txt",
  "x/**",
  "x/**/a.txt",
  "x/**/z/**",
  "**/**/c*",
  "x/.git/*",
  "x//*",
  "missing/*",
  "a.txt/*",
  "x/**/missing",
  "**.txt",
];

Deno.test("glob finds the files that node's does, sorted", async () => {
  await using folder = await tempFolder();
  for (const name of NAMES) await folder.write(name, "");
  await Deno.symlink(folder.at("a.txt"), folder.at("link.txt"));
  for (const pattern of PATTERNS) {
    const path = folder.at(pattern);
    const expected: string[] = [];
    for await (const entry of nodeGlob(path, { withFileTypes: true })) {
      if (!entry.isDirectory()) expected.push(`${entry.parentPath}/${entry.name}`);
    }
    assertEquals(await glob(path), expected.sort(), pattern);
  }
});

Deno.test("glob returns paths that begin as the pattern does", async () => {
  await using folder = await tempFolder();
  await folder.write("x/a.txt", "");
  const name = folder.at("").split("/").at(-2)!;
  assertEquals(await glob(folder.at(`../${name}/./x/*`)), [folder.at(`../${name}/./x/a.txt`)]);
  assertEquals((await glob("*.ts")).includes("mod.ts"), true);
});

Deno.test("glob returns each path once", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("x/a.txt", "");
  assertEquals(await glob(folder.at("{x,?}/**/**/{a,*}.txt")), [path]);
});

Deno.test("glob follows a link in place of a folder, but not with **", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("x/a.txt", "");
  await Deno.symlink(folder.at("x"), folder.at("x/round"));
  assertEquals(await glob(folder.at("**/a.txt")), [path]);
  assertEquals(await glob(folder.at("x/*/a.txt")), [folder.at("x/round/a.txt")]);
});

Deno.test("glob matches a character outside of the basic plane as one", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("🦆.txt", "");
  assertEquals(await glob(folder.at("?.txt")), [path]);
  assertEquals(await glob(folder.at("[🦆].txt")), [path]);
});

Deno.test("glob fails on a malformed set", async () => {
  await assertRejects(() => glob("[z-a].txt"), SyntaxError);
});

Deno.test("isPattern tells patterns from paths", () => {
  for (const path of ["*", "a?", "[a]", "{a,b}"]) assertEquals(isPattern(path), true, path);
  for (const path of ["a.txt", "(a)", "a]b}", "../x"]) assertEquals(isPattern(path), false, path);
});
