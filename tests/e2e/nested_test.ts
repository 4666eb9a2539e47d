import { assertEquals, assertMatch } from "@std/assert";
import { type CliResult, FLOW_CONFIG, folderOf, runCli } from "../support/cli.ts";

const FLOW = `
const flow = new Dataflow("nested")
  .input("in", new TestingInputConfig(["an item"]))
  .capture(new StdOutputConfig());
export default flow;
`;

/**
 * Runs an export of a flow file that ends with `code`. Each process prints when it loads the file.
 */
async function runModule(
  code: string,
  args: readonly string[] = [],
  exportName = "default",
): Promise<CliResult> {
  const imports = "Dataflow, run, spawnCluster, StdOutputConfig, TestingInputConfig";
  const text = `import { ${imports} } from "millrace";\nconsole.log("loaded");\n${FLOW}\n${code}\n`;
  await using folder = await folderOf({ "flow.ts": text, "deno.json": FLOW_CONFIG });
  return await runCli([`${folder.path}/flow.ts:${exportName}`, ...args]);
}

const LOADED_ONCE = "loaded\n";

Deno.test("a flow that calls spawnCluster while a worker loads it fails, and the error says where it belongs", async () => {
  const { code, stdout, stderr } = await runModule(`await spawnCluster(import.meta.url);`);
  assertMatch(stderr, /^error: spawnCluster was called in a worker process\. .*import\.meta\.main/);
  assertMatch(stderr, /\n {4}at .*flow\.ts:\d+:\d+\n/);
  assertEquals({ code, stdout }, { code: 1, stdout: LOADED_ONCE });
});

Deno.test("a flow that calls run while two workers load it fails, and prints nothing twice", async () => {
  const { code, stdout, stderr } = await runModule(`await run(flow);`, ["-w2"]);
  assertMatch(stderr, /^error: run was called while a worker process loads .*import\.meta\.main/);
  assertEquals({ code, items: stdout.includes("an item") }, { code: 1, items: false });
});

Deno.test("a call under import.meta.main is left out in workers", async () => {
  const code = `if (import.meta.main) await spawnCluster(import.meta.url);`;
  assertEquals(await runModule(code), { code: 0, stdout: "loaded\nan item\n", stderr: "" });
});

Deno.test("a step may run a flow of its own: it is only forbidden while loading", async () => {
  const outer = `const outer = new Dataflow("outer")
  .input("in", new TestingInputConfig([1]))
  .mapAsync(() => run(flow))
  .map(({ stopped }) => stopped)
  .capture(new StdOutputConfig());
export { outer };`;
  const { code, stdout } = await runModule(outer, [], "outer");
  assertEquals({ code, stdout }, { code: 0, stdout: "loaded\nan item\nfalse\n" });
});

Deno.test("a flow that starts the command line on itself is refused the second time", async () => {
  const cli = new URL("../../cli.ts", import.meta.url).href;
  const { code, stdout, stderr } = await runModule(`
const command = new Deno.Command(Deno.execPath(), {
  args: ["run", "-A", ${JSON.stringify(cli)}, import.meta.url],
});
const { code } = await command.spawn().status;
console.log("code", code);`);
  assertMatch(
    stderr,
    /^error: the flow .*flow\.ts:default was started by one of its own workers/,
  );
  assertEquals({ code, stdout }, { code: 0, stdout: "loaded\ncode 1\nan item\n" });
});
