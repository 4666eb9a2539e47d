import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { FLOW_CONFIG, flowFile, folderOf, runCli } from "../support/cli.ts";

Deno.test("graph draws a flow without running it", async () => {
  const { code, stdout, stderr } = await runCli(["graph", "examples/sessions.ts"]);
  assertEquals([code, stderr], [0, ""]);
  const [, shown] = /```mermaid\n([^`]*)```/.exec(await Deno.readTextFile("docs/running.md"))!;
  assertEquals(stdout, shown); // the picture in the docs
});

Deno.test("graph draws in other formats, and shows stages", async () => {
  const draw = async (...args: string[]) => {
    const { code, stdout, stderr } = await runCli(["graph", "examples/sessions.ts", ...args]);
    assertEquals([code, stderr], [0, ""]);
    return stdout;
  };
  assertMatch(await draw("--format", "dot", "--stages"), /^digraph "sessions" \{\n.*cluster/s);
  assertStringIncludes(await draw("--format=svg"), "<svg");
  const { name, steps } = JSON.parse(await draw("--format=json", "-w", "1"));
  assertEquals([name, steps.length], ["sessions", 8]);
  assertEquals(steps[3].from, [{ step: "keyOn-1", stream: null, isExchanged: false }]);
});

Deno.test("graph gives a flow its arguments, and shows what it prints as it is loaded", async () => {
  await using folder = await folderOf({
    "deno.json": FLOW_CONFIG,
    "flow.ts": `
      import { Dataflow, StdOutputConfig, TestingInputConfig } from "millrace";
      console.log("loading");
      setInterval(() => {}, 1_000);
      export const named = (args) =>
        new Dataflow(args[0]).input(args[1], new TestingInputConfig([1]))
          .capture(new StdOutputConfig());
    `,
  });
  const flow = `${folder.path}/flow.ts:named`;
  const { code, stdout, stderr } = await runCli([
    "graph",
    flow,
    "--format=json",
    "--worker-flags=--allow-env=X",
    "--",
    "a",
    "b",
  ]);
  assertEquals([code, stderr], [0, "loading\n"]);
  const { name, steps: [{ id }] } = JSON.parse(stdout);
  assertEquals([name, id], ["a", "b"]);
});

Deno.test("graph says what is wrong with a flow", async () => {
  const wrong = await runCli(["graph", `${flowFile("numbers.ts")}:notAFlow`]);
  assertEquals([wrong.code, wrong.stdout], [2, ""]);
  assertMatch(wrong.stderr, /^error: export notAFlow is not a Dataflow but/);
  await using folder = await folderOf({
    "throws.ts": `throw new Error("no config");`,
    "exits.ts": `Deno.exit(3);`,
  });
  const throwing = await runCli(["graph", `${folder.path}/throws.ts`]);
  assertEquals(throwing.code, 1);
  assertMatch(throwing.stderr, /^error: no config\n/);
  const exiting = await runCli(["graph", `${folder.path}/exits.ts`]);
  assertEquals(exiting.code, 1);
  assertMatch(exiting.stderr, /ended its process with code 3 .*Deno\.exit/);
});

Deno.test("graph accepts its own options only", async () => {
  for (
    const [args, error] of [
      [["graph"], /graph needs one flow/],
      [["graph", "a.ts", "b.ts"], /graph needs one flow/],
      [["graph", "a.ts", "--recovery=x"], /unknown option --recovery/],
      [["graph", "a.ts", "--format=png"], /--format must be mermaid or dot or json or svg/],
    ] as const
  ) {
    const { code, stderr } = await runCli(args);
    assertEquals(code, 2);
    assertMatch(stderr, error);
  }
});
