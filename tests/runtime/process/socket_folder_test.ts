import {
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { createLog, silentLog } from "../../../src/core/log.ts";
import {
  chooseFolder,
  connectTo,
  listen,
  makeFolder,
  removeFolder,
} from "../../../src/runtime/process/socket_folder.ts";

/** What {@linkcode chooseFolder} gives where temporary files belong in `tmp`. */
function chosenIn(tmp: string, log = silentLog): string {
  const before = Deno.env.get("TMPDIR");
  Deno.env.set("TMPDIR", tmp);
  try {
    return chooseFolder(log)!;
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
  const folder = chooseFolder(silentLog)!;
  await makeFolder(folder);
  for (let i = 0; i < 20; i++) {
    await Deno.mkdir(`${folder}/${i}/deep`, { recursive: true });
    await Deno.writeTextFile(`${folder}/${i}/deep/file`, "x");
  }
  return folder;
}

/** A folder of this name in `/tmp`, while something is done with it. */
async function withFolder(name: string, work: (path: string) => void): Promise<void> {
  const path = `/tmp/${name}`;
  await Deno.mkdir(path);
  try {
    work(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

/** A name that nobody has, filled up to so many characters. */
function newName(length: number, filler = "x"): string {
  return crypto.getRandomValues(new Uint8Array(6)).toHex().padEnd(length, filler);
}

Deno.test("chooseFolder() gives another name in the temporary folder each time, and makes nothing", async () => {
  await withFolder(newName(12), (path) => {
    const folders = [chosenIn(path), chosenIn(`${path}/`)];
    for (const folder of folders) assertMatch(folder, /^\/tmp\/\w+\/millrace-[0-9a-f]{24}$/);
    assertNotEquals(folders[0], folders[1]);
    assertEquals([...Deno.readDirSync(path)], []);
  });
  assertEquals(await exists(chosenIn("/tmp")), false);
});

Deno.test("chooseFolder() gives one in /tmp where the temporary folder's path is too long for sockets", async () => {
  await withFolder(newName(41), (path) => {
    assertMatch(chosenIn(path), /^\/tmp\/\w+\/millrace-[0-9a-f]{24}$/);
  });
  await withFolder(newName(42), (path) => {
    assertMatch(chosenIn(path), /^\/tmp\/millrace-[0-9a-f]{24}$/);
  });
});

Deno.test("chooseFolder() counts bytes, as sockets do", async () => {
  await withFolder(newName(26, "ü"), (path) => {
    assertMatch(chosenIn(path), /^\/tmp\/[^/]+ü\/millrace-/);
  });
  await withFolder(newName(27, "ü"), (path) => {
    assertMatch(chosenIn(path), /^\/tmp\/millrace-/);
  });
});

Deno.test("chooseFolder() gives one in /tmp where none can be made in the temporary folder, and says so", () => {
  const cases: [tmp: string, reason: string][] = [
    ["/nonexistent", "it is not there"],
    ["/dev/null", "a part of its path is a file"],
    ["/proc", "it is not there"],
  ];
  for (const [tmp, reason] of cases) {
    const logged: string[] = [];
    const log = createLog((level, message) => logged.push(`${level}: ${message}`));
    assertMatch(chosenIn(tmp, log), /^\/tmp\/millrace-[0-9a-f]{24}$/);
    assertEquals(logged.length, 1);
    assertStringIncludes(logged[0], `warn: no temporary folder can be made in ${tmp}: ${reason}`);
    assertStringIncludes(logged[0], "/tmp is used. Set TMPDIR to a folder that may be written");
  }
});

Deno.test("chooseFolder() says what to set where none can be made anywhere", () => {
  const { mkdirSync } = Deno;
  Deno.mkdirSync = (path) => {
    const error = new Error(`Read-only file system (os error 30): mkdir '${path}'`);
    throw Object.assign(error, { code: "EROFS" });
  };
  try {
    const { message } = assertThrows(() => chosenIn("/nonexistent"), Error);
    for (
      const part of ["/nonexistent: its file system is read-only", "in /tmp:", "Set TMPDIR to"]
    ) {
      assertStringIncludes(message, part);
    }
  } finally {
    Deno.mkdirSync = mkdirSync;
  }
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
  const folder = chooseFolder(silentLog)!;
  await makeFolder(folder);
  assertEquals((await Deno.lstat(folder)).mode! & 0o777, 0o700);
  const { message } = await assertRejects(() => makeFolder(folder), Error);
  assertStringIncludes(message, `${folder}, where the processes of the run meet, cannot be made`);
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
  const folder = chooseFolder(silentLog)!;
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
