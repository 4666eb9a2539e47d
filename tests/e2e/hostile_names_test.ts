import { assert, assertEquals, assertMatch } from "@std/assert";
import { FLOW_CONFIG, folderOf, runCli } from "../support/cli.ts";

/** Clears the screen, and begins a line that looks like one of the log. */
const FORGED = "x\n2026-01-02T03:04:05.067Z error forged\r\x1b[2J\x9b2J\u202e";

const FLOW = `
import { Dataflow, TestingInputConfig, TestingOutputConfig } from "millrace";
const name = ${JSON.stringify(FORGED)};
const items = [[name, 1], [name, 2]];
const totals = (last) => new Dataflow(name).input(name, new TestingInputConfig(items))
  .statefulMap("step " + name, () => 0, (sum, n) => {
    if (n === last) throw new Error("refused " + name);
    return [sum + n, sum + n];
  });
export const ends = totals(3).capture(new TestingOutputConfig([]));
export const fails = totals(2).capture(new TestingOutputConfig([]));
`;

/** Fails if a line is not one of ours, or holds an escape that a terminal would act upon. */
function assertSafe(text: string, line: RegExp): void {
  for (const each of text.trimEnd().split("\n")) {
    assert(!/[\p{Cc}\p{Bidi_Control}]/u.test(each), JSON.stringify(each));
    assertMatch(each, line);
  }
}

Deno.test("names, keys and messages cannot forge lines or reach the terminal as escapes", async () => {
  await using folder = await folderOf({ "flow.js": FLOW, "deno.json": FLOW_CONFIG });
  const store = `${folder.path}/state.db`;
  const run = (...args: string[]) => runCli([...args, "--log-level=debug", "-w2"]);

  const ended = await run(`${folder.path}/flow.js:ends`, `--recovery=${store}`);
  assertEquals(ended.code, 0);
  const own = / (debug|info|warn) +[a-z]/;
  assertSafe(ended.stderr, own);
  assertMatch(ended.stderr, /flow loaded .*flow="x\\n2026/);

  const failed = await run(`${folder.path}/flow.js:fails`);
  assertEquals(failed.code, 1);
  assertSafe(
    failed.stderr,
    /^([-\dT:.]+Z error step "step x\\n2026| {2}|.* (debug|info|warn) +[a-z])/,
  );

  const asJson = await run(`${folder.path}/flow.js:fails`, "--log-format=json");
  assertSafe(asJson.stderr, /^\{"time":"[^"]+","level":"[a-z]+","message":".*\}$/);
  for (const line of asJson.stderr.trimEnd().split("\n")) JSON.parse(line);

  for (const args of [[], [`step ${FORGED}`], [`step ${FORGED}`, FORGED], ["none"]]) {
    const { stdout, stderr } = await runCli(["state", store, ...args]);
    assertSafe(stdout + stderr, /^(?!2026-01-02)/);
  }
});
