import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import settings from "../../deno.json" with { type: "json" };
import { type CliOptions, FLOW_CONFIG, flowFile, folderOf, runCli } from "../support/cli.ts";

/** Checks the output of a successful run: nothing on stderr. */
async function printed(args: readonly string[], options: CliOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await runCli(args, options);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  return stdout;
}

Deno.test("cli.ts runs the first example, and prints only its output", async () => {
  const counts = ["to: 4", "be: 2", "or: 2", "the: 3", "and: 2", "of: 2"];
  assertEquals(await printed(["examples/wordcount.ts"]), counts.join("\n") + "\n");
});

Deno.test("cli.ts runs the export after the colon", async () => {
  assertEquals(await printed([flowFile("numbers.ts")]), "2\n4\n6\n");
  assertEquals(await printed([`${flowFile("numbers.ts")}:letters`]), "a\nb\n");
});

Deno.test("cli.ts calls an export that is a function with the arguments after --", async () => {
  const file = flowFile("arguments.ts");
  assertEquals(
    await printed([`${file}:called`, "--", "one", "-w", "--help"]),
    "called with one\ncalled with -w\ncalled with --help\n",
  );
  assertEquals(await printed([`${file}:awaited`, "--", "two"]), "called with two\n");
});

Deno.test("cli.ts passes the arguments after -- to the flow as Deno.args", async () => {
  assertEquals(
    await printed([flowFile("arguments.ts"), "--", "a b", "--version", "--", "c"]),
    "a b\n--version\n--\nc\n",
  );
});

Deno.test("cli.ts ends with the flow, whatever timers it left, and keeps its secrets from it", async () => {
  const flow = `${flowFile("arguments.ts")}:environment`;
  const options = { env: { MILLRACE_LOG_LEVEL: "error" } };
  assertEquals(await printed([flow], options), "MILLRACE_LOG_LEVEL\nMILLRACE_TEST_RUN\n");
});

Deno.test("cli.ts ends with the exit code that the flow has set, on any worker", async () => {
  const flow = `${flowFile("arguments.ts")}:withExitCode`;
  const codes = [["process", "7", 1], ["deno", "3", 1], ["deno", "4", 2], [
    "deno",
    "0",
    1,
  ]] as const;
  for (const [by, code, workers] of codes) {
    const result = await runCli([flow, `-w${workers}`, "--", by, code]);
    assertEquals(result, { code: Number(code), stdout: `${code}\n`, stderr: "" });
  }
});

Deno.test("cli.ts ends with the exit code that a failing flow has set, on any worker", async () => {
  const flow = `${flowFile("arguments.ts")}:failingWithExitCode`;
  for (
    const [code, setBy, failing, expected] of [[7, 0, 0, 7], [7, 0, 1, 7], [7, 1, 0, 7], [
      0,
      0,
      0,
      1,
    ]]
  ) {
    const args = [code, setBy, failing].map(String);
    const result = await runCli([flow, `-w${Math.max(setBy, failing) + 1}`, "--", ...args]);
    assertEquals([result.code, result.stdout], [expected, ""]);
    assertStringIncludes(result.stderr, "it cannot go on");
  }
});

Deno.test("cli.ts accepts a file:// URL as well as a path", async () => {
  const url = new URL("flows/numbers.ts", import.meta.url).href;
  assertEquals(await printed([`${url}:letters`]), "a\nb\n");
});

for (const workers of [1, 2]) {
  Deno.test(`cli.ts hands its standard input to the flow, whole, with ${workers} workers`, async () => {
    const stdin = "to be\nor not\n".repeat(100_000);
    const stdout = await printed([flowFile("stdin.ts"), `-w${workers}`], { stdin });
    assertEquals(stdout === stdin.toUpperCase(), true); // no diff of a megabyte
  });
}

Deno.test("three workers share a file that is the standard input, by its path", async () => {
  const lines = Array.from({ length: 50_000 }, (_, i) => `line ${i}`);
  await using folder = await folderOf({ "lines.txt": lines.join("\n") });
  const { stdout } = await new Deno.Command("sh", {
    args: [
      "-c",
      `exec "$0" run -A cli.ts ${flowFile("stdin.ts")}:lines -w3 < ${folder.path}/lines.txt`,
      Deno.execPath(),
    ],
    cwd: `${import.meta.dirname}/../..`,
  }).output();
  const read = new TextDecoder().decode(stdout).trimEnd().split("\n");
  assertEquals(read.length, lines.length);
  assertEquals(new Set(read).symmetricDifference(new Set(lines)), new Set());
});

Deno.test("cli.ts loses nothing of 200,000 lines of output", async () => {
  const numbers = Array.from({ length: 200_000 }, (_, i) => `${i + 1}\n`).join("");
  const stdout = await printed([flowFile("many.ts")]);
  assertEquals(stdout.length, numbers.length);
  assertEquals(stdout === numbers, true); // no diff of a megabyte
});

Deno.test("cli.ts runs a flow of another folder from a folder with a space in its name", async () => {
  const flow = `
    import { Dataflow, StdOutputConfig, TestingInputConfig } from "millrace";
    export default new Dataflow("elsewhere")
      .input("in", new TestingInputConfig([Deno.cwd()]))
      .map((cwd) => cwd.slice(cwd.lastIndexOf("/") + 1))
      .capture(new StdOutputConfig());`;
  await using folder = await folderOf({
    "my flows/a #1 flow.ts": flow,
    "my flows/deno.json": FLOW_CONFIG,
    "the cwd/.keep": "",
  });
  const cwd = `${folder.path}/the cwd`;
  assertEquals(await printed(["../my flows/a #1 flow.ts"], { cwd }), "the cwd\n");
  assertEquals(await printed([`${folder.path}/my flows/a #1 flow.ts`], { cwd }), "the cwd\n");
});

Deno.test("--help and -h show the options, their environment variables and the exit codes", async () => {
  const help = await printed(["--help"]);
  assertEquals(await printed(["-h"]), help);
  for (const option of ["-w, --workers N", "    --log-level LEVEL", "-h, --help"]) {
    assertStringIncludes(help, `\n  ${option} `);
  }
  assertStringIncludes(help, "MILLRACE_LOG_LEVEL");
  assertStringIncludes(help, "Exit codes: 0 ");
});

Deno.test("--version and -V show the versions of Millrace and Deno", async () => {
  const line = `millrace ${settings.version} (deno ${Deno.version.deno})\n`;
  assertEquals(await printed(["--version"]), line);
  assertEquals(await printed(["-V"]), line);
});

Deno.test("--help wins over a wrong command line that it could explain", async () => {
  assertMatch(await printed(["a.ts", "b.ts", "--help"]), /^Usage: /m);
});

/** Checks the answer to a wrong command line: one line on stderr, no stdout, and exit code 2. */
async function refused(args: readonly string[], options: CliOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await runCli(args, options);
  assertEquals({ code, stdout }, { code: 2, stdout: "" });
  assertMatch(stderr, /^error: [^\n]+\n$/);
  return stderr.slice("error: ".length, -1);
}

Deno.test("cli.ts asks for a flow if none is given", async () => {
  const which = "which flow? Give its file: deno run -A cli.ts flow.ts (see --help)";
  assertEquals(await refused([]), which);
  assertEquals(await refused(["--", "numbers.ts"]), which);
});

Deno.test("cli.ts refuses two flows, and tells where arguments go", async () => {
  assertEquals(
    await refused(["a.ts", "b"]),
    "one flow at a time: got a.ts and b (arguments of the flow go after --, as in a.ts -- b)",
  );
});

Deno.test("cli.ts refuses a file that does not exist, and a folder", async () => {
  const cwd = await Deno.realPath(`${import.meta.dirname}/../..`);
  assertEquals(await refused(["nowhere.ts"]), `no such file: nowhere.ts (looked in ${cwd})`);
  assertEquals(await refused(["nowhere.ts:flow"]), `no such file: nowhere.ts (looked in ${cwd})`);
  assertEquals(await refused(["tests"]), "tests is a folder: give the flow's file");
});

Deno.test("cli.ts refuses unknown options, and suggests the one that was meant", async () => {
  assertEquals(await refused(["a.ts", "--fast"]), "unknown option --fast (see --help)");
  assertEquals(await refused(["a.ts", "-x"]), "unknown option -x (see --help)");
  assertEquals(
    await refused(["a.ts", "--epoch=1s"]),
    "unknown option --epoch=1s: did you mean --epoch-interval? (see --help)",
  );
});

Deno.test("cli.ts refuses options without a value, and values that are not valid", async () => {
  const flow = flowFile("numbers.ts");
  const cases = {
    "-w": "option -w (--workers) needs a value: --workers N",
    "--workers=": "option -w (--workers) needs a value: --workers N",
    "--epoch-interval": "option --epoch-interval needs a value: --epoch-interval TIME",
    "--workers=0": `--workers must be a whole number from 1 to 1024; got "0"`,
    "-w=many": `--workers must be a whole number from 1 to 1024; got "many"`,
    "--epoch-interval=10": `--epoch-interval must look like 500ms, 10s, 5m or 1h; got "10"`,
    "--log-level=loud": `--log-level must be debug or info or warn or error; got "loud"`,
    "--log-format=xml": `--log-format must be text or json; got "xml"`,
  };
  for (const [option, message] of Object.entries(cases)) {
    assertEquals(await refused([flow, option]), message);
  }
});

Deno.test("cli.ts reads options from MILLRACE_… variables, and names them if they are wrong", async () => {
  const flow = flowFile("numbers.ts");
  assertEquals(
    await refused([flow], { env: { MILLRACE_WORKERS: "2.5" } }),
    `MILLRACE_WORKERS must be a whole number from 1 to 1024; got "2.5"`,
  );
  const env = { MILLRACE_WORKERS: "no", MILLRACE_LOG_LEVEL: "info", MILLRACE_LOG_FORMAT: "json" };
  const { code, stdout, stderr } = await runCli([flow, "-w", "1"], { env });
  // The option wins over the variable.
  assertEquals({ code, stdout }, { code: 0, stdout: "2\n4\n6\n" });
  assertEquals(JSON.parse(stderr.split("\n")[0]).level, "info");
});

Deno.test("cli.ts refuses an export that does not exist, and lists those that do", async () => {
  assertEquals(
    await refused([`${flowFile("only_named.ts")}:third`]),
    "only_named.ts has no export third (it exports first, second)",
  );
});

Deno.test("cli.ts lists the flows of a file without a default one", async () => {
  assertEquals(
    await refused([flowFile("only_named.ts")]),
    "only_named.ts has no default export; say which flow: only_named.ts:first or only_named.ts:second",
  );
});

Deno.test("cli.ts tells how to export a flow if a file has none", async () => {
  await using folder = await folderOf({
    "none.ts": "export {};",
    "other.ts": "export const n = 1;",
  });
  const expected = "exports no flow: end it with `export default flow;`";
  assertEquals(
    await refused([`${folder.path}/none.ts`]),
    `none.ts ${expected} (it exports nothing)`,
  );
  assertEquals(await refused([`${folder.path}/other.ts`]), `other.ts ${expected} (it exports n)`);
});

Deno.test("cli.ts shows an export that is not a flow, on one line", async () => {
  const [left, right] = ["l", "r"].map((letter) => `"${letter.repeat(60)}"`);
  const exports = "(it exports default, letters, makesNoFlow, notAFlow)";
  assertEquals(
    await refused([`${flowFile("numbers.ts")}:notAFlow`]),
    `export notAFlow is not a Dataflow but { left: ${left}, right: ${right} } ${exports}`,
  );
  assertEquals(
    await refused([`${flowFile("numbers.ts")}:makesNoFlow`]),
    `what makesNoFlow() returned is not a Dataflow but "flow" ${exports}`,
  );
});

Deno.test("without a terminal, the log tells on stderr how the run went", async () => {
  const { code, stdout, stderr } = await runCli([flowFile("numbers.ts")], { ownLog: true });
  assertEquals({ code, stdout }, { code: 0, stdout: "2\n4\n6\n" });
  const lines = stderr.trimEnd().split("\n");
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /;
  for (const line of lines) assertMatch(line, time);
  assertEquals(lines.map((line) => line.replace(time, "")), [
    `info  flow loaded flow="numbers" steps=3`,
    `info  flow running workers=1`,
    `info  flow finished stopped=false in=3 out=3`,
  ]);
});

Deno.test("--log-format json makes each line of log an object", async () => {
  const args = [flowFile("numbers.ts"), "--log-level=info", "--log-format=json"];
  const { code, stdout, stderr } = await runCli(args);
  assertEquals({ code, stdout }, { code: 0, stdout: "2\n4\n6\n" });
  const lines = stderr.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(lines.map(({ time: _, ...line }) => line), [
    { level: "info", message: "flow loaded", flow: "numbers", steps: 3 },
    { level: "info", message: "flow running", workers: 1 },
    { level: "info", message: "flow finished", stopped: false, in: 3, out: 3 },
  ]);
  for (const { time } of lines) assertEquals(new Date(time).toISOString(), time);
});
