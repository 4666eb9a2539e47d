import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { createLog } from "../../../../src/core/log.ts";
import { spawnLinked } from "../../../../src/runtime/process/group/spawn_linked.ts";
import { exists } from "../../../../src/core/system_error.ts";
import { pollUntil } from "../../../support/eventually.ts";

const NOWHERE = "file:///nonexistent/flow.ts";

/** Starts a process that ends at once. Resolves to how, with what was logged. */
async function start(flags: (folder: string | null) => string[]): Promise<[string, string[]]> {
  const lines: string[] = [];
  const exited = Promise.withResolvers<string>();
  spawnLinked(
    {
      worker: 0,
      moduleUrl: NOWHERE,
      preload: NOWHERE,
      first: { kind: "identityRefused", number: 0, reason: "" },
      flags,
      args: [],
      running: [],
      taps: { stderr: () => {} },
      log: createLog((level, message) => lines.push(`${level} ${message}`)),
    },
    { said: () => {}, exited: exited.resolve },
  );
  return [await exited.promise, lines];
}

Deno.test("a process whose folder cannot be removed has exited all the same", async () => {
  const { remove } = Deno;
  const folders: (string | URL)[] = [];
  Deno.remove = (path) => {
    folders.push(path);
    return Promise.reject(Object.assign(new Error("busy"), { code: "EACCES" }));
  };
  try {
    const [how, lines] = await start(() => []);
    assertEquals(how, "with code 1");
    assertEquals(lines.length, 1);
    assertMatch(lines[0], /^warn .* cannot be removed: this user lacks permission/);
  } finally {
    Deno.remove = remove;
  }
  await Deno.remove(folders[0], { recursive: true });
});

Deno.test("a process that cannot be started leaves no folder", async () => {
  const { execPath } = Deno;
  const folders: string[] = [];
  Deno.execPath = () => "/nonexistent/deno";
  try {
    await assertRejects(
      () =>
        start((folder) => {
          folders.push(folder!);
          return [];
        }),
      Error,
      "worker 0 cannot be started",
    );
  } finally {
    Deno.execPath = execPath;
  }
  const isGone = async () => !await exists(folders[0]);
  await pollUntil(isGone, "its folder is gone", { withinMs: 5_000 });
});
