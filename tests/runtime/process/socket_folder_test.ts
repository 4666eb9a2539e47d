import { assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import {
  chooseFolder,
  connectTo,
  listen,
  makeFolder,
  removeFolder,
} from "../../../src/runtime/process/socket_folder.ts";

/** What {@linkcode chooseFolder} gives where temporary files belong in `tmp`. */
function chosenIn(tmp: string): string {
  const before = Deno.env.get("TMPDIR");
  Deno.env.set("TMPDIR", tmp);
  try {
    return chooseFolder()!;
  } finally {
    if (before === undefined) Deno.env.delete("TMPDIR");
    else Deno.env.set("TMPDIR", before);
  }
}

function exists(path: string): Promise<boolean> {
  return Deno.lstat(path).then(() => true, () => false);
}

/** A folder with files and folders in it, as a run leaves none, but whoever has failed may. */
async function filled(): Promise<string> {
  const folder = chooseFolder()!;
  await makeFolder(folder);
  for (let i = 0; i < 20; i++) {
    await Deno.mkdir(`${folder}/${i}/deep`, { recursive: true });
    await Deno.writeTextFile(`${folder}/${i}/deep/file`, "x");
  }
  return folder;
}

Deno.test("chooseFolder() gives another name in the temporary folder each time, and makes nothing", async () => {
  const folders = [chosenIn("/tmp/here"), chosenIn("/tmp/here/")];
  for (const folder of folders) assertMatch(folder, /^\/tmp\/here\/millrace-[0-9a-f]{24}$/);
  assertNotEquals(folders[0], folders[1]);
  assertEquals(await exists(chosenIn("/tmp")), false);
});

Deno.test("chooseFolder() gives one in /tmp where the temporary folder's path is too long for sockets", () => {
  const longest = `/tmp/${"x".repeat(41)}`;
  assertMatch(chosenIn(longest), /^\/tmp\/x+\/millrace-[0-9a-f]{24}$/);
  assertMatch(chosenIn(`${longest}x`), /^\/tmp\/millrace-[0-9a-f]{24}$/);
});

Deno.test("chooseFolder() counts bytes, as sockets do", () => {
  assertMatch(chosenIn(`/tmp/${"ü".repeat(20)}`), /^\/tmp\/ü+\/millrace-/);
  assertMatch(chosenIn(`/tmp/${"ü".repeat(21)}`), /^\/tmp\/millrace-/);
});

Deno.test("chooseFolder() leaves room for the longest name of a socket", async () => {
  const tmp = await Deno.makeTempDir({ dir: "/tmp" });
  const inside = `${tmp}/${"x".repeat(46 - tmp.length - 1)}`;
  await Deno.mkdir(inside);
  const folder = chosenIn(inside);
  assertEquals([folder.startsWith(inside), folder.length], [true, 80]);
  await makeFolder(folder);
  const { listener, address } = listen(folder, "worker-1023");
  const [conn] = await Promise.all([connectTo(address), listener.accept().then((c) => c.close())]);
  conn.close();
  listener.close();
  await Deno.remove(tmp, { recursive: true });
});

Deno.test("makeFolder() makes a folder that only its user can enter, and takes none that is there", async () => {
  const folder = chooseFolder()!;
  await makeFolder(folder);
  assertEquals((await Deno.lstat(folder)).mode! & 0o777, 0o700);
  await assertRejects(() => makeFolder(folder), Deno.errors.AlreadyExists);
  await removeFolder(folder);
});

Deno.test("makeFolder() and removeFolder() do nothing where sockets need no folder", async () => {
  await makeFolder(null);
  await removeFolder(null);
});

Deno.test("removeFolder() removes all that is in it, and may be called again", async () => {
  const folder = await filled();
  using _ = listen(folder, "worker-0").listener;
  await removeFolder(folder);
  assertEquals(await exists(folder), false);
  await removeFolder(folder);
});

Deno.test("removeFolder() does not follow a link to somewhere else", async () => {
  const other = await filled();
  const folder = chooseFolder()!;
  await makeFolder(folder);
  await Deno.symlink(other, `${folder}/link`);
  await removeFolder(folder);
  assertEquals([await exists(folder), await exists(`${other}/19/deep/file`)], [false, true]);
  await removeFolder(other);
});

Deno.test("removeFolder() is no error when several are at it", async () => {
  for (let round = 0; round < 20; round++) {
    const folder = await filled();
    await Promise.all(Array.from({ length: 8 }, () => removeFolder(folder)));
    assertEquals(await exists(folder), false);
  }
});

Deno.test("removeFolder() says when a folder cannot be removed", async () => {
  const file = await Deno.makeTempFile();
  await assertRejects(() => removeFolder(`${file}/folder`), Deno.errors.NotADirectory);
  await Deno.remove(file);
});
