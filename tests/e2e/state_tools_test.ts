/**
 * The state tools as users run them, on a store in a file.
 */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { exists } from "../../src/core/system_error.ts";
import { FLOW_CONFIG, flowFile, folderOf, runCli, startCli } from "../support/cli.ts";

/** Counts words of a file into another one. */
const flowText = (step: string) => `
import { Dataflow, FileInputConfig, FileOutputConfig } from "millrace";
export default new Dataflow("words")
  .input("lines", new FileInputConfig({ path: "lines.txt" }))
  .keyOn((line) => line)
  .statefulMap("${step}", () => 0, (n: number) => [n + 1, n + 1])
  .map(([word, n]) => word + " " + n)
  .capture("out", new FileOutputConfig({ path: "out.txt" }));
`;

/** A folder with flows, and a store that the first has left. */
async function ran() {
  const folder = await folderOf({
    "deno.json": FLOW_CONFIG,
    "count.ts": flowText("count"),
    "tally.ts": flowText("tally"),
    "lines.txt": "a\nb\na\n",
  });
  const cwd = folder.path;
  const cli = (...args: string[]) => runCli(args, { cwd });
  const run = (flow: string, store: string) => cli(flow, `--recovery=${store}`);
  assertEquals(await run("count.ts", "state.db"), { code: 0, stdout: "", stderr: "" });
  return {
    cwd,
    cli,
    run,
    keys: async (store: string, step: string) => {
      const { stdout } = await cli("state", store, step, "--json");
      const { keys }: { keys: { key: string; value: unknown }[] } = JSON.parse(stdout);
      return Object.fromEntries(keys.map(({ key, value }) => [key, value]));
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

Deno.test("every state tool is refused while a run holds the store", async () => {
  await using folder = await folderOf({});
  const path = `${folder.path}/state.db`;
  await using cli = startCli([
    `${flowFile("endless.ts")}:takes`,
    `--recovery=${path}`,
    "--log-level=info",
  ]);
  await cli.stderr.line(/flow running/);
  const file = `${folder.path}/export.jsonl`;
  const head = { millrace: "state", version: 1, flow: "takes", epoch: 0, steps: null };
  await Deno.writeTextFile(file, `${JSON.stringify(head)}\n{"end":true}\n`);
  const tools = [
    ["rename-step", path, "queue", "other"],
    ["drop-step", path, "queue"],
    ["export", path],
    ["import", path, file],
    ["rewind", path, "queue=start"],
    ["drop-step", path, "queue", "--dry-run"],
  ];
  for (const args of tools) {
    const { code, stdout, stderr } = await runCli(["state", ...args]);
    assertEquals([code, stdout], [1, ""]);
    const cure = args[0] === "export"
      ? `stop it first, or export a copy: backup ${path} COPY, and state export COPY`
      : `state ${args[0]} needs the store for itself: stop the run first`;
    assertEquals(stderr, `error: recovery store ${path}: a run uses it: ${cure}\n`);
  }
  cli.kill("SIGTERM");
  assertEquals((await cli.finished()).code, 0);
});

Deno.test("a renamed step continues in the changed flow, and a dropped one begins without state", async () => {
  await using at = await ran();
  const refused = await at.run("tally.ts", "state.db");
  assertEquals(refused.code, 1);
  assertStringIncludes(refused.stderr, "state rename-step PATH count tally");
  const rename = ["state", "rename-step", "state.db", "count", "tally"];
  const dry = await at.cli(...rename, "--dry-run");
  assertEquals(dry, {
    code: 0,
    stdout: "",
    stderr: 'step "count" would be renamed to "tally": 2 keys, 0 positions\n' +
      "nothing was changed: --dry-run\n",
  });
  assertEquals(await at.keys("state.db", "count"), { a: 2, b: 1 });
  assertEquals((await at.cli(...rename)).stderr.split(":")[0], 'step "count" renamed to "tally"');
  await Deno.writeTextFile(`${at.cwd}/lines.txt`, "a\n", { append: true });
  // The option that the error has named as well does no harm.
  const option = "--rename-step=count=tally";
  const after = await at.cli("tally.ts", "--recovery=state.db", option);
  assertEquals(after.code, 0);
  assertStringIncludes(after.stderr, "by an earlier run: the option can go");
  assertEquals(await at.keys("state.db", "tally"), { a: 3, b: 1 });
  const again = await at.cli(...rename);
  assertEquals([again.code, again.stderr], [
    2,
    'error: nothing is stored of step "count"; the store has lines, out, tally\n',
  ]);
  assertEquals((await at.cli("state", "drop-step", "state.db", "tally")).code, 0);
  await Deno.writeTextFile(`${at.cwd}/lines.txt`, "b\n", { append: true });
  assertEquals((await at.run("tally.ts", "state.db")).code, 0);
  assertEquals(await at.keys("state.db", "tally"), { b: 1 });
});

Deno.test("a run continues from an imported store, and a rewound input is read again", async () => {
  await using at = await ran();
  const exported = await at.cli("state", "export", "state.db");
  assertEquals([exported.code, exported.stderr], [0, 'flow "words" exported: 6 lines\n']);
  await Deno.writeTextFile(`${at.cwd}/export.jsonl`, exported.stdout);
  const dry = await at.cli("state", "import", "copy.db", "export.jsonl", "--dry-run");
  assertMatch(dry.stderr, /^flow "words" would be imported into copy.db: 2 keys, 2 positions\n/);
  assertEquals(await exists(`${at.cwd}/copy.db`), false);
  assertEquals((await at.cli("state", "import", "copy.db", "export.jsonl")).code, 0);
  assertEquals((await at.cli("state", "export", "copy.db")).stdout, exported.stdout);
  await Deno.writeTextFile(`${at.cwd}/lines.txt`, "a\n", { append: true });
  assertEquals((await at.run("count.ts", "copy.db")).code, 0);
  assertEquals(await at.keys("copy.db", "count"), { a: 3, b: 1 });

  const time = await at.cli("state", "rewind", "copy.db", "lines=2026-11-28");
  assertEquals(time.code, 2);
  assertMatch(time.stderr, /^error: step "lines" does not read Kafka.*give lines=start/);
  const { code, stderr } = await at.cli("state", "rewind", "copy.db", "lines=start");
  assertEquals(code, 0);
  assertMatch(stderr, /^step "lines" rewound:\n {2}lines.txt: byte 8 -> as in a first run\n$/);
  assertEquals((await at.run("count.ts", "copy.db")).code, 0);
  assertEquals(await at.keys("copy.db", "count"), { a: 6, b: 2 });
  // The output keeps its position: what was written stays, and the items come again.
  const lines = (await Deno.readTextFile(`${at.cwd}/out.txt`)).trim().split("\n");
  assertEquals(lines, ["a 1", "b 1", "a 2", "a 3", "a 4", "b 2", "a 5", "a 6"]);
});

Deno.test("an import that does not fit is refused, and leaves the store as it was", async () => {
  await using at = await ran();
  const before = (await at.cli("state", "export", "state.db")).stdout;
  const importing = async (text: string, ...options: string[]) => {
    await Deno.writeTextFile(`${at.cwd}/f.jsonl`, text);
    const { code, stderr } = await at.cli("state", "import", "state.db", "f.jsonl", ...options);
    assertEquals(code, 2);
    return stderr;
  };
  assertStringIncludes(await importing(before), 'of steps "count", "lines", "out": import into a');
  assertStringIncludes(
    await importing(before.replace('"flow":"words"', '"flow":"other"'), "--replace"),
    'f.jsonl is of the flow "other", and state.db of "words"',
  );
  assertStringIncludes(
    await importing(before.slice(0, -20), "--replace"),
    "f.jsonl, line 5: this is not a line of an export",
  );
  assertEquals((await at.cli("state", "export", "state.db")).stdout, before);
  const missing = await at.cli("state", "import", "state.db", "nosuch.jsonl");
  assertMatch(missing.stderr, /^error: nosuch.jsonl cannot be read: /);
  const nowhere = await at.cli("state", "drop-step", "nosuch.db", "count");
  assertMatch(nowhere.stderr, /there is no such file/);
  assertEquals(await exists(`${at.cwd}/nosuch.db`), false);
});
