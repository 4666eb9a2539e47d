import { assertEquals, assertThrows } from "@std/assert";
import { fileURLToPath } from "node:url";
import { UsageError } from "../../../src/core/errors.ts";
import {
  permissionFlags,
  refusePermissionSets,
  type RunFacts,
} from "../../../src/runtime/process/worker_flags.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const RUN: RunFacts = { folder: "/tmp/run", moduleUrl: "file:///my%20flows/flow.ts", workers: 2 };

/** What a worker needs: its variable, the modules and the run's sockets. */
const NEEDS = {
  env: "--allow-env=MILLRACE_WORKER",
  read: `--allow-read=/tmp/run,/my flows/,${ROOT}`,
  write: "--allow-write=/tmp/run",
  net: "--allow-net=unix:/tmp/run/control,unix:/tmp/run/worker-0,unix:/tmp/run/worker-1",
} as const;

/** The flags that are added to those given, which all are still there, first. */
function added(given: readonly string[], run: RunFacts = RUN): string[] {
  const flags = permissionFlags(given, run);
  assertEquals(flags.slice(0, given.length), given);
  return flags.slice(given.length);
}

Deno.test("permissionFlags() gives all permissions where the user says nothing", () => {
  assertEquals(permissionFlags(null, RUN), ["-A"]);
});

Deno.test("permissionFlags() adds what no worker can do without, and has nobody asked", () => {
  const { env, read, write, net } = NEEDS;
  assertEquals(added([]), [env, read, write, net, "--no-prompt"]);
  const given = ["--allow-net=kafka:9092", "--allow-env=HOME", "--v8-flags=--max-old-space-size=9"];
  assertEquals(added(given), [env, read, write, net, "--no-prompt"]);
});

Deno.test("permissionFlags() adds no permission to all of them", () => {
  for (const all of ["-A", "--allow-all"]) assertEquals(added([all]), ["--no-prompt"]);
});

Deno.test("permissionFlags() adds nothing to a permission without a list, which would be narrowed", () => {
  const { env, read, write, net } = NEEDS;
  const cases: [string, string[]][] = [
    ["--allow-read", [env, write, net]],
    ["-R", [env, write, net]],
    ["--allow-write", [env, read, net]],
    ["-W", [env, read, net]],
    ["--allow-env", [read, write, net]],
    ["-E", [read, write, net]],
    ["--allow-net", [env, read, write]],
    ["-N", [env, read, write]],
  ];
  for (const [given, needs] of cases) assertEquals(added([given]), [...needs, "--no-prompt"]);
});

Deno.test("permissionFlags() understands short flags in one", () => {
  const { env, read, write, net } = NEEDS;
  assertEquals(added(["-RW"]), [env, net, "--no-prompt"]);
  assertEquals(added(["-qNE"]), [read, write, "--no-prompt"]);
  assertEquals(added(["-qA"]), ["--no-prompt"]);
  assertEquals(added(["-ER=/data"]), [read, write, net, "--no-prompt"]);
  assertEquals(added(["-R=/data/EWN"]), [env, read, write, net, "--no-prompt"]);
});

Deno.test("permissionFlags() does not take a flag that denies for one that allows", () => {
  const { env, read, write, net } = NEEDS;
  assertEquals(added(["--deny-read"]), [env, read, write, net, "--no-prompt"]);
});

Deno.test("permissionFlags() says only once that nobody is asked", () => {
  assertEquals(added(["--no-prompt", "-A"]), []);
});

Deno.test("permissionFlags() allows the loopback interface where there are no sockets in folders", () => {
  assertEquals(added([], { ...RUN, folder: null }), [
    NEEDS.env,
    `--allow-read=/my flows/,${ROOT}`,
    "--allow-net=127.0.0.1",
    "--no-prompt",
  ]);
});

Deno.test("permissionFlags() allows no folder to be read for a flow that is not a file", () => {
  const [, read] = added([], { ...RUN, moduleUrl: "https://example.com/flow.ts" });
  assertEquals(read, `--allow-read=/tmp/run,${ROOT}`);
});

Deno.test("permissionFlags() refuses a path with a comma, unless it needs not name it", () => {
  const run = { ...RUN, moduleUrl: "file:///a,b/flow.ts" };
  assertThrows(
    () => permissionFlags([], run),
    UsageError,
    `no permission can name the path "/a,b/", as it has a comma in it`,
  );
  assertEquals(added(["--allow-read"], run).length, 4);
  assertEquals(permissionFlags(null, run), ["-A"]);
});

Deno.test("refusePermissionSets() refuses them in every spelling, and no other flag", () => {
  for (
    const set of ["-P", "-P=kafka", "-qP", "-RP=kafka", "--permission-set", "--permission-set=a"]
  ) {
    assertThrows(
      () => refusePermissionSets(["--no-prompt", set], "workerFlags"),
      UsageError,
      "workerFlags cannot take -",
    );
  }
  refusePermissionSets(
    ["-R=/P", "--allow-read=-P", "--v8-flags=-P", "-A", "--quiet"],
    "workerFlags",
  );
});
