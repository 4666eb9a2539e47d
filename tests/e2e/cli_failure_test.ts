import { assertEquals, assertMatch } from "@std/assert";
import {
  type CliOptions,
  type CliResult,
  FLOW_CONFIG,
  flowFile,
  folderOf,
  runCli,
} from "../support/cli.ts";

/** The stderr of a failed run. It must not have frames of the engine. */
async function failed(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const result = await runCli(args, options);
  assertEquals(result.code, 1);
  assertMatch(result.stderr, /^error: /);
  for (const engine of [/\/src\//, /worker_main/, /millrace-chain/, /\bnode:/, /\bext:/]) {
    assertEquals(engine.exec(result.stderr), null, result.stderr);
  }
  return result;
}

/** The same for a flow in a file of its own. The run starts in the folder of the file. */
async function failedText(name: string, files: Record<string, string>): Promise<string> {
  await using folder = await folderOf(files);
  const { stdout, stderr } = await failed([name], { cwd: folder.path });
  assertEquals(stdout, "");
  return stderr;
}

/** The place of some code of a fixture, in the form that an error shows. */
function placeOf(file: string, code: string): string {
  const lines = Deno.readTextFileSync(`${import.meta.dirname}/flows/${file}`).split("\n");
  const line = lines.findIndex((line) => line.includes(code));
  return `${flowFile(file)}:${line + 1}:${lines[line].indexOf(code) + 1}`;
}

Deno.test("--check shows the errors of a flow's types, and runs nothing of it", async () => {
  const flow = `import { Dataflow, StdOutputConfig, TestingInputConfig } from "millrace";
console.log("loaded");
const orders = [{ amount: 1 }];
export default new Dataflow("f")
  .input("in", new TestingInputConfig(orders))
  .map((order) => order.amuont)
  .capture(new StdOutputConfig());
`;
  await using folder = await folderOf({ "flow.ts": flow, "deno.json": FLOW_CONFIG });
  // Deno checks the types of the whole engine, which takes long on a busy machine.
  const options = { cwd: folder.path, deadlineMs: 120_000 };
  const { stdout, stderr } = await failed(["flow.ts", "--check"], options);
  assertEquals(stdout, "");
  assertMatch(
    stderr,
    /^error: the flow was not run, as Deno refuses its types:\n {2}TS\d+ \[ERROR\]/,
  );
  assertMatch(stderr, /did you mean 'amount'\?\n/i);
  assertMatch(stderr, / at flow\.ts:6:25\n/);
  await Deno.writeTextFile(`${folder.path}/flow.ts`, flow.replace("amuont", "amount"));
  const right = await runCli(["flow.ts"], { ...options, env: { MILLRACE_CHECK: "1" } });
  assertEquals(right, { code: 0, stdout: "loaded\n1\n", stderr: "" });
});

Deno.test("a file that does not compile is shown with the line and the place, once", async () => {
  const text = await failedText("broken.ts", { "broken.ts": "const a = 1;\nconst b = ;\n" });
  assertEquals(
    text,
    `error: SyntaxError: Expression expected
    |
  2 | const b = ;
    |           ~
    at broken.ts:2:11
`,
  );
});

Deno.test("a missing module is named, with the import that needs it", async () => {
  const text = await failedText("my flow.ts", {
    "my flow.ts": `import "./helper.ts";\n`,
    "helper.ts": `// helps\nimport { help } from "./nowhere.ts";\nexport default help;\n`,
  });
  assertEquals(text, `error: Module not found "nowhere.ts".\n    at helper.ts:2:22\n`);
});

Deno.test("an undeclared package is named, with the import that needs it", async () => {
  const text = await failedText("flow.ts", { "flow.ts": `import "left-pad";\n` });
  assertMatch(text, /^error: Import "left-pad" not a dependency[^\n]*\n {4}hint: [^\n]*\n/);
  assertEquals(text.split("\n").slice(2), ["    at flow.ts:1:8", ""]);
});

Deno.test("an export that an imported module does not have is named, with the place", async () => {
  const text = await failedText("flow.ts", {
    "flow.ts": `import { Dataflaw } from "millrace";\nexport default Dataflaw;\n`,
    "deno.json": FLOW_CONFIG,
  });
  assertMatch(text, /^error: SyntaxError: [^\n]* 'Dataflaw' at flow\.ts:1:10\n$/);
});

Deno.test("a file that throws while it loads is shown with the user's own stack", async () => {
  const text = await failedText("a flow.ts", {
    "a flow.ts": `function fail(): never {\n  throw new RangeError("too far");\n}\nfail();\n`,
  });
  assertEquals(
    text,
    "error: RangeError: too far\n    at fail (a flow.ts:2:9)\n    at a flow.ts:4:1\n",
  );
});

Deno.test("a file that throws a value that is not an error is shown with that value, once", async () => {
  const text = await failedText("flow.ts", { "flow.ts": `throw { code: 7 };\n` });
  assertEquals(text, "error: thrown: { code: 7 }\n");
});

Deno.test("a flow that was put together wrongly is shown with the line that did it", async () => {
  const twins = await failed([`${flowFile("incomplete.ts")}:sameIdTwice`]);
  assertMatch(twins.stderr, /^error: step id "in" is used twice in flow "twins": [^\n]+\n/);
  assertEquals(twins.stderr.split("\n").slice(1), [
    `    at sameIdTwice (${placeOf("incomplete.ts", `capture("in"`)})`,
    "",
  ]);
  const half = await failed([`${flowFile("incomplete.ts")}:withoutOutput`]);
  assertMatch(half.stderr, /^error: flow "half" has no output: [^\n]+\n$/);
});

Deno.test("an exception in a step is shown with the step, the item and the user's stack", async () => {
  const { stderr } = await failed([`${flowFile("failing.ts")}:inMap`]);
  assertEquals(
    stderr,
    `error: step "check" failed
  RangeError: ten is too many
    at check (${placeOf("failing.ts", "new RangeError")})
  caused by Error: nine is the most
    at check (${placeOf("failing.ts", `new Error("nine`)})
  item: 10
`,
  );
});

Deno.test("a rejection in mapAsync is shown with the step, the item and the place", async () => {
  const { stderr } = await failed([`${flowFile("failing.ts")}:inMapAsync`]);
  const [headline, message, frame, item, ...rest] = stderr.split("\n");
  assertEquals(
    [headline, message, item, rest],
    [`error: step "mapAsync-1" failed`, "  Error: the service is away", "  item: 10", [""]],
  );
  assertMatch(frame, new RegExp(`^ {4}at .*${placeOf("failing.ts", `new Error("the service`)}`));
});

Deno.test("a predicate that returns 1 gets an error that tells what it should return", async () => {
  const { stderr } = await failed([`${flowFile("failing.ts")}:inFilter`]);
  assertEquals(
    stderr,
    `error: step "filter-1" failed
  TypeError: the predicate of filter must return true or false; got 1 (write Boolean(…) or !! where truthiness is meant)
  item: 1
`,
  );
});

Deno.test("an input that does not yield pairs gets an error that tells what it should yield", async () => {
  const { stdout, stderr } = await failed([`${flowFile("failing.ts")}:inInput`]);
  assertEquals(stdout, "");
  assertEquals(
    stderr,
    `error: step "no-pairs" failed
  TypeError: a manual input must yield [state, item] pairs; got "no pair" (yield [null, item] if there is no state to continue after)
`,
  );
});

Deno.test("what a generator yielded before it throws comes out, and then the run fails", async () => {
  for (const workers of [1, 2]) {
    const flow = `${flowFile("failing.ts")}:inGenerator`;
    const { stdout, stderr } = await failed([flow, `-w${workers}`]);
    const numbers = stdout.trimEnd().split("\n").map(Number).sort((a, b) => a - b);
    assertEquals(numbers, Array.from({ length: 1_500 }, (_, i) => i + 1));
    assertMatch(stderr, /^error: step "queue" failed.*\n {2}Error: the queue is gone\n/);
  }
});

Deno.test("an exception in an output is shown with the step, the item and the place", async () => {
  const { stderr } = await failed([`${flowFile("failing.ts")}:inOutput`]);
  assertEquals(
    stderr,
    `error: step "disk" failed
  Error: the disk is full
    at ${placeOf("failing.ts", `new Error("the disk`)}
  item: 3
`,
  );
});

Deno.test("a value that a step throws and that is not an error is shown once", async () => {
  const { stderr } = await failed([`${flowFile("failing.ts")}:throwsText`]);
  assertEquals(stderr, `error: step "map-1" failed\n  Error: thrown: "just text"\n  item: 3\n`);
});

Deno.test("an unhandled rejection ends the run, and is shown with its place", async () => {
  const { stderr } = await failed([`${flowFile("failing.ts")}:besideIt`]);
  const place = placeOf("failing.ts", `new Error("nobody`);
  assertEquals(stderr, `error: nobody waits for this\n    at besideIt (${place})\n`);
});

Deno.test("an exception in a timer ends the run, and is shown with its place", async () => {
  const { stderr } = await failed([`${flowFile("failing.ts")}:inATimer`]);
  const [headline, frame, ...rest] = stderr.split("\n");
  assertEquals([headline, rest], ["error: the timer broke", [""]]);
  assertMatch(frame, new RegExp(`^ {4}at .*${placeOf("failing.ts", `new Error("the timer`)}`));
});

Deno.test("a flow that calls Deno.exit fails the run, whatever the code", async () => {
  const withCode = async (name: string) =>
    (await failed([`${flowFile("failing.ts")}:${name}`])).stderr;
  const why = "while it ran (does the flow call Deno.exit?)";
  assertEquals(await withCode("leaves"), `error: worker 0 ended with code 3 ${why}\n`);
  assertEquals(
    await withCode("leavesAsIfAllWereWell"),
    `error: worker 0 ended with code 0 ${why}\n`,
  );
});

Deno.test("a run continues if the folder for temporary files does not exist, and says so", async () => {
  await using folder = await folderOf({ "in.txt": "one\n", "deno.json": FLOW_CONFIG });
  await Deno.symlink("gone", `${folder.path}/latest.txt`);
  await Deno.writeTextFile(
    `${folder.path}/flow.ts`,
    `import { Dataflow, FileInputConfig, StdOutputConfig } from "millrace";
export default new Dataflow("copy").input("in", new FileInputConfig({ path: "${folder.path}/*.txt" }))
  .capture(new StdOutputConfig());`,
  );
  const { code, stdout, stderr } = await runCli([`${folder.path}/flow.ts`], {
    env: { TMPDIR: "/nonexistent" },
  });
  assertEquals([code, stdout], [0, "one\n"]);
  assertMatch(stderr, /warn +no temporary folder can be made in \/nonexistent: .* Set TMPDIR to/);
  assertMatch(stderr, /warn +".*latest\.txt" is left out: it is a link to "gone"/);
});

Deno.test("--restart starts a run again whose input has failed, also without a store", async () => {
  const { code, stderr } = await runCli([`${flowFile("failing.ts")}:inGenerator`, "--restart=1"]);
  assertEquals(code, 1);
  assertMatch(stderr, /the run failed and is started again error="StepError: .*the queue is gone"/);
  assertMatch(stderr, /^error: step "queue" failed/m);
});
