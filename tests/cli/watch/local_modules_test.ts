import { assertEquals } from "@std/assert";
import { pathToFileURL } from "node:url";
import { filesIn, localModules } from "../../../src/cli/watch/local_modules.ts";
import { FLOW_CONFIG, folderOf } from "../../support/cli.ts";

async function namesOf(files: Readonly<Record<string, string>>, workerFlags: string[] = []) {
  await using folder = await folderOf(files);
  const root = await Deno.realPath(folder.path);
  const moduleUrl = pathToFileURL(`${root}/flow.ts`).href;
  const { paths, isComplete } = await localModules({ moduleUrl, workerFlags, cwd: root });
  return { names: paths.map((path) => path.replace(`${root}/`, "")).sort(), isComplete };
}

Deno.test("a flow is loaded from its file and all that it imports, but for our own modules", async () => {
  const flags = ["--allow-read", "--no-lock", "--cached-only", "--conditions=x", "--reload"];
  assertEquals(
    await namesOf({
      "deno.json": FLOW_CONFIG,
      "flow.ts": `import { Dataflow } from "millrace"; export * from "./lib/a.ts"; Dataflow;`,
      "lib/a.ts":
        `import data from "../d.json" with { type: "json" }; await import("./b.ts"); data;`,
      "lib/b.ts": `import type { T } from "./types.ts"; export type { T };`,
      "lib/types.ts": "export type T = 1;",
      "d.json": "{}",
      "other.ts": "",
    }, flags),
    { names: ["d.json", "flow.ts", "lib/a.ts", "lib/b.ts", "lib/types.ts"], isComplete: true },
  );
});

Deno.test("a module that is missing, or has an error, is one of them all the same", async () => {
  const missing = { "flow.ts": `import "./a.ts";` };
  assertEquals(await namesOf(missing), { names: ["a.ts", "flow.ts"], isComplete: false });
  const broken = { ...missing, "a.ts": "export const =" };
  assertEquals(await namesOf(broken), { names: ["a.ts", "flow.ts"], isComplete: false });
  const both = { "flow.ts": "export const =" };
  assertEquals(await namesOf(both), { names: ["flow.ts"], isComplete: false });
  assertEquals(await namesOf({}), { names: ["flow.ts"], isComplete: false });
});

Deno.test("modules from elsewhere, and of npm packages, are not watched", () => {
  const specifiers = [
    "https://example.com/a.ts",
    "npm:kafkajs@2.2.4",
    "file:///p/node_modules/x/index.js",
    "file:///p/a%20b.ts",
  ];
  const modules = specifiers.map((specifier) => ({ specifier }));
  assertEquals(filesIn({ modules }), { paths: ["/p/a b.ts"], isComplete: true });
});
