import {
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { createLog, silentLog } from "../../../src/core/log.ts";
import {
  connectTo,
  hasNoListener,
  listen,
  makeFolder,
  removeFolder,
  type RunFolder,
} from "../../../src/runtime/process/socket_folder.ts";
import { refuseWarning } from "../../support/refuse_warning.ts";

/** What {@linkcode makeFolder} makes where temporary files belong in `tmp`. */
function madeIn(tmp: string, log = silentLog): RunFolder {
  const before = Deno.env.get("TMPDIR");
  Deno.env.set("TMPDIR", tmp);
  try {
    return makeFolder(log)!;
  } finally {
    if (before === undefined) Deno.env.delete("TMPDIR");
    else Deno.env.set("TMPDIR", before);
  }
}

function exists(path: string): Promise<boolean> {
  return Deno.lstat(path).then(() => true, () => false);
}

/** A folder with files and folders in it. A run leaves none, but one that was killed may. */
async function filled(): Promise<RunFolder> {
  const folder = makeFolder(silentLog)!;
  for (let i = 0; i < 20; i++) {
    await Deno.mkdir(`${folder.path}/${i}/deep`, { recursive: true });
    await Deno.writeTextFile(`${folder.path}/${i}/deep/file`, "x");
  }
  return folder;
}

/** A folder of this name in `/tmp`, while something is done with it. */
async function withFolder(name: string, work: (path: string) => unknown): Promise<void> {
  const path = `/tmp/${name}`;
  await Deno.mkdir(path);
  try {
    await work(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

/** A name that nobody has, filled up to `length` characters. */
function newName(length: number, filler = "x"): string {
  return crypto.getRandomValues(new Uint8Array(6)).toHex().padEnd(length, filler);
}

Deno.test("makeFolder() makes another one in the temporary folder each time, for this user only", async () => {
  await withFolder(newName(12), (path) => {
    const folders = [madeIn(path), madeIn(`${path}/`)];
    for (const folder of folders) {
      assertMatch(folder.path, /^\/tmp\/\w+\/+millrace-[0-9a-f]{24}$/);
      const { mode, uid, isDirectory } = Deno.lstatSync(folder.path);
      assertEquals([isDirectory, mode! & 0o777, uid], [true, 0o700, Deno.uid()]);
      assertEquals(folder.owner, Deno.uid());
    }
    assertNotEquals(folders[0].path, folders[1].path);
    assertEquals([...Deno.readDirSync(path)].length, 2);
  });
});

/** What a stranger does with a folder of this name before it is made, or as soon as it is there. */
const STRANGERS: Record<
  string,
  { before?: (path: string) => void; after?: (path: string) => void }
> = {
  "made it first": { before: (path) => Deno.mkdirSync(path) },
  "put a link there first": { before: (path) => Deno.symlinkSync("/tmp", path) },
  "put a link in its place": {
    after: (path) => {
      Deno.removeSync(path);
      Deno.symlinkSync("/tmp", path);
    },
  },
  "has let everybody enter": { after: (path) => Deno.chmodSync(path, 0o777) },
};

for (const [does, { before, after }] of Object.entries(STRANGERS)) {
  Deno.test(`makeFolder() takes none where somebody ${does}`, async () => {
    await withFolder(newName(12), async (tmp) => {
      const { mkdirSync } = Deno;
      Deno.mkdirSync = (path, options) => {
        if (!String(path).startsWith(tmp)) return mkdirSync(path, options);
        before?.(String(path));
        mkdirSync(path, options);
        after?.(String(path));
      };
      try {
        const logged: string[] = [];
        const folder = madeIn(tmp, createLog((_level, message) => logged.push(message)));
        assertMatch(folder.path, /^\/tmp\/millrace-[0-9a-f]{24}$/);
        assertStringIncludes(logged.join(), `no temporary folder can be made in ${tmp}: `);
        await removeFolder(folder, refuseWarning);
      } finally {
        Deno.mkdirSync = mkdirSync;
      }
    });
  });
}

Deno.test("makeFolder() gives one in /tmp where the temporary folder's path is too long for sockets", async () => {
  await withFolder(newName(41), (path) => {
    assertMatch(madeIn(path).path, /^\/tmp\/\w+\/millrace-[0-9a-f]{24}$/);
  });
  await withFolder(newName(42), async (path) => {
    const folder = madeIn(path);
    await removeFolder(folder, refuseWarning);
    assertMatch(folder.path, /^\/tmp\/millrace-[0-9a-f]{24}$/);
  });
});

Deno.test("makeFolder() counts bytes, as sockets do", async () => {
  await withFolder(newName(26, "ü"), (path) => {
    assertMatch(madeIn(path).path, /^\/tmp\/[^/]+ü\/millrace-/);
  });
  await withFolder(newName(27, "ü"), async (path) => {
    const folder = madeIn(path);
    await removeFolder(folder, refuseWarning);
    assertMatch(folder.path, /^\/tmp\/millrace-/);
  });
});

Deno.test("makeFolder() gives one in /tmp where none can be made in the temporary folder, and says so", async () => {
  const cases: [tmp: string, reason: string][] = [
    ["/nonexistent", "it is not there"],
    ["/dev/null", "a part of its path is a file"],
    ["/proc", "it is not there"],
  ];
  for (const [tmp, reason] of cases) {
    const logged: string[] = [];
    const log = createLog((level, message) => logged.push(`${level}: ${message}`));
    const folder = madeIn(tmp, log);
    await removeFolder(folder, refuseWarning);
    assertMatch(folder.path, /^\/tmp\/millrace-[0-9a-f]{24}$/);
    assertEquals(logged.length, 1);
    assertStringIncludes(logged[0], `warn: no temporary folder can be made in ${tmp}: ${reason}`);
    assertStringIncludes(logged[0], "/tmp is used. Set TMPDIR to a folder that may be written");
  }
});

Deno.test("makeFolder() says what to set where none can be made anywhere", () => {
  const { mkdirSync } = Deno;
  Deno.mkdirSync = (path) => {
    const error = new Error(`Read-only file system (os error 30): mkdir '${path}'`);
    throw Object.assign(error, { code: "EROFS" });
  };
  try {
    const { message } = assertThrows(() => madeIn("/nonexistent"), Error);
    for (
      const part of ["/nonexistent: its file system is read-only", "in /tmp:", "Set TMPDIR to"]
    ) {
      assertStringIncludes(message, part);
    }
  } finally {
    Deno.mkdirSync = mkdirSync;
  }
});

Deno.test("makeFolder() leaves room for the longest name of a socket", async () => {
  const tmp = await Deno.makeTempDir({ dir: "/tmp" });
  const inside = `${tmp}/${"x".repeat(46 - tmp.length - 1)}`;
  await Deno.mkdir(inside);
  const folder = madeIn(inside);
  assertEquals([folder.path.startsWith(inside), folder.path.length], [true, 80]);
  const { listener, address } = listen(folder, "worker-1023");
  const [conn] = await Promise.all([connectTo(address), listener.accept().then((c) => c.close())]);
  conn.close();
  listener.close();
  await Deno.remove(tmp, { recursive: true });
});

Deno.test("removeFolder() does nothing where sockets need no folder", async () => {
  await removeFolder(null, refuseWarning);
});

Deno.test("removeFolder() leaves a folder alone that somebody else has made in its place", async () => {
  const folder = await filled();
  await removeFolder({ ...folder, owner: folder.owner! + 1 }, refuseWarning);
  assertEquals(await exists(`${folder.path}/19/deep/file`), true);
  await removeFolder(folder, refuseWarning);
});

Deno.test("removeFolder() removes all that is in it, and may be called again", async () => {
  const folder = await filled();
  using _ = listen(folder, "worker-0").listener;
  await removeFolder(folder, refuseWarning);
  assertEquals(await exists(folder.path), false);
  await removeFolder(folder, refuseWarning);
});

Deno.test("removeFolder() does not follow a link to somewhere else", async () => {
  const other = await filled();
  const folder = makeFolder(silentLog)!;
  await Deno.symlink(other.path, `${folder.path}/link`);
  await removeFolder(folder, refuseWarning);
  assertEquals([await exists(folder.path), await exists(`${other.path}/19/deep/file`)], [
    false,
    true,
  ]);
  await removeFolder(other, refuseWarning);
});

Deno.test("removeFolder() does not fail when several call it at once", async () => {
  for (let round = 0; round < 20; round++) {
    const folder = await filled();
    await Promise.all(Array.from({ length: 8 }, () => removeFolder(folder, refuseWarning)));
    assertEquals(await exists(folder.path), false);
  }
});

Deno.test("removeFolder() says when a folder cannot be removed, and fails nothing", async () => {
  const file = await Deno.makeTempFile();
  const warned: string[] = [];
  await removeFolder(
    { path: `${file}/folder`, owner: Deno.uid() },
    (text) => warned.push(text),
  );
  assertEquals(warned.length, 1);
  assertStringIncludes(warned[0], `${file}/folder cannot be removed: a part of its path is a file`);
  await Deno.remove(file);
});

Deno.test("hasNoListener() tells that nobody listens: not yet, not any more, or not for long enough", async () => {
  const tmp = await Deno.makeTempDir();
  const unix = `${tmp}/control`;
  const refusal = () => connectTo({ unix }).then((conn) => conn.close(), (error) => error);
  assertEquals(hasNoListener(await refusal()), true);
  const closing = Deno.listen({ transport: "unix", path: unix });
  const reset = refusal();
  closing.close(); // before the connection is accepted
  assertEquals(hasNoListener(await reset), true);
  assertEquals(hasNoListener(await refusal()), true); // of the socket that is left
  assertEquals(hasNoListener(new Deno.errors.PermissionDenied()), false);
  await Deno.remove(tmp, { recursive: true });
});
