import { assert, assertEquals, assertMatch } from "@std/assert";
import { decodeValue } from "../../src/core/value_codec.ts";
import { SqliteInspector } from "../../src/recovery/sqlite/inspector.ts";
import { FLOW_CONFIG, flowFile, folderOf, runCli, startCli } from "../support/cli.ts";
import { Random } from "../support/values/random.ts";

const SEEDS = Number(Deno.env.get("RECOVERY_SEEDS") ?? 3);
const FIRST = Number(Deno.env.get("RECOVERY_SEED") ?? Math.floor(Math.random() * 1_000_000));
const KILLS = 12;
const COUNT = 60_000;

const flow = `${flowFile("resumable.ts")}:numbers`;

/**
 * The lines in the files of all workers, sorted, as the number of workers decides who writes what.
 */
async function linesIn(folder: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (!name.startsWith("out")) continue;
    lines.push(...(await Deno.readTextFile(`${folder}/${name}`)).trimEnd().split("\n"));
  }
  return lines.filter((line) => line !== "").sort();
}

/** The state of all keys. */
async function stateIn(path: string): Promise<Record<string, unknown>> {
  using store = await SqliteInspector.open(path);
  return Object.fromEntries(
    store.steps().map(({ step }) => [
      step,
      store.keys(step, 1_000).map(({ key, state }) => [key, decodeValue(state)]),
    ]),
  );
}

function args(folder: string, workers: number): string[] {
  return [
    flow,
    `-w${workers}`,
    `--recovery=${folder}/state.db`,
    "--epoch-interval=20ms",
    "--",
    `${folder}/out.txt`,
    `${COUNT}`,
  ];
}

/** The same, with a log that tells when the flow is running. */
function loud([flow, ...rest]: string[]): string[] {
  return [flow, "--log-level=info", ...rest];
}

for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
  Deno.test(`killed ${KILLS} times at random, a flow ends as if nothing had happened: RECOVERY_SEED=${seed}`, async () => {
    await using undisturbed = await folderOf({});
    assertEquals((await runCli(args(undisturbed.path, 1))).code, 0);
    const expected = await linesIn(undisturbed.path);
    assertEquals(expected.length, COUNT);

    await using folder = await folderOf({});
    const random = new Random(seed);
    let fired = 0;
    let epochs = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const given = args(folder.path, 1 + random.below(3));
      // Every second kill waits until the flow runs, as a busy machine needs long to start it.
      const waits = kill % 2 === 0;
      await using cli = startCli(waits ? loud(given) : given);
      if (waits) await cli.stderr.line(/flow running/);
      const afterMs = random.below(waits ? 300 : 700);
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      const isFired = await cli.killOne((pids) => random.pick(pids)) !== null;
      const { code } = await cli.finished();
      if (isFired && code !== 0) fired++;
      if (code !== 0) {
        using store = await SqliteInspector.open(`${folder.path}/state.db`).catch(() => null);
        if ((store?.epoch ?? 0) > epochs) epochs = store!.epoch!;
      }
    }
    const { code, stderr } = await runCli(args(folder.path, 2));
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
    assertEquals(await linesIn(folder.path), expected);
    assertEquals(
      await stateIn(`${folder.path}/state.db`),
      await stateIn(`${undisturbed.path}/state.db`),
    );
    assert(fired >= KILLS / 2, `only ${fired} of ${KILLS} kills came while a run was on`);
    assert(epochs > 0, "no killed run had committed an epoch");
  });
}

Deno.test("kill -9 loses nothing if the source keeps changing the position that it yielded", async () => {
  await using folder = await folderOf({});
  const count = 8_000;
  const args = [
    `${flowFile("resumable.ts")}:cursor`,
    `--recovery=${folder.path}/state.db`,
    "--epoch-interval=20ms",
    "--",
    `${folder.path}/out.txt`,
    `${count}`,
  ];
  let committed = 0;
  for (let kill = 0; kill < 2; kill++) {
    await using cli = startCli(args);
    const until = committed + 5;
    while (committed < until) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      using store = await SqliteInspector.open(`${folder.path}/state.db`).catch(() => null);
      committed = Math.max(committed, store?.epoch ?? 0);
    }
    for (const pid of cli.processes()) Deno.kill(pid, "SIGKILL");
    assertEquals((await cli.finished()).code, 137);
  }
  assertEquals(await runCli(args), { code: 0, stdout: "", stderr: "" });
  const numbers = Array.from({ length: count }, (_, n) => `${n}`).sort();
  assertEquals(await linesIn(folder.path), numbers);
});

Deno.test("a flow that is stopped continues where it was, with 1, 3, 2 and 1 workers", async () => {
  await using undisturbed = await folderOf({});
  await runCli(args(undisturbed.path, 1));
  await using folder = await folderOf({});
  for (const workers of [1, 3, 2, 1]) {
    await using cli = startCli([
      ...args(folder.path, workers).slice(0, 4),
      "--log-level=info",
      ...args(folder.path, workers).slice(4),
    ]);
    await cli.stderr.line(/flow running/);
    cli.kill("SIGTERM");
    assertEquals((await cli.finished()).code, 0);
  }
  assertEquals((await runCli(args(folder.path, 2))).code, 0);
  assertEquals(await linesIn(folder.path), await linesIn(undisturbed.path));
});

Deno.test("--restart continues from the last snapshot by itself", async () => {
  await using undisturbed = await folderOf({});
  await runCli(args(undisturbed.path, 2));
  await using folder = await folderOf({});
  const [flow, ...rest] = args(folder.path, 2);
  const marker = `${folder.path}/marker`;
  const { code, stderr } = await runCli([flow, "--restart=2", ...rest, marker]);
  assertEquals(code, 0);
  assertMatch(stderr, /error the run failed and is started again error="StepError: .*failed once/);
  assertEquals(stderr.trimEnd().split("\n").length, 1);
  assertEquals(await linesIn(folder.path), await linesIn(undisturbed.path));
  assertEquals(
    await stateIn(`${folder.path}/state.db`),
    await stateIn(`${undisturbed.path}/state.db`),
  );
});

Deno.test("a finished run that is started again has nothing to do, and reads what is new", async () => {
  await using folder = await folderOf({ "in.txt": "a\nb\n", "deno.json": FLOW_CONFIG });
  await Deno.writeTextFile(
    `${folder.path}/flow.ts`,
    `import { Dataflow, FileInputConfig, StdOutputConfig } from "millrace";
export default new Dataflow("lines")
  .input("in", new FileInputConfig({ path: "${folder.path}/in.txt" }))
  .keyOn(() => "all")
  .statefulMap("count", () => 0, (seen: number, line) => [seen + 1, line + (seen + 1)])
  .capture(new StdOutputConfig());`,
  );
  const run = () => runCli([`${folder.path}/flow.ts`, `--recovery=${folder.path}/state.db`]);
  assertEquals((await run()).stdout, `["all","a1"]\n["all","b2"]\n`);
  assertEquals((await run()).stdout, "");
  await Deno.writeTextFile(`${folder.path}/in.txt`, "c\n", { append: true });
  assertEquals((await run()).stdout, `["all","c3"]\n`);
});

Deno.test("a log and an output that were rotated: all lines are read, and the other file is not cut", async () => {
  const old = Array.from({ length: 40_000 }, (_, i) => `old ${i}`);
  const now = Array.from({ length: 60_000 }, (_, i) => `new ${i}`);
  await using folder = await folderOf({
    "app.log": old.map((line) => `${line}\n`).join(""),
    "deno.json": FLOW_CONFIG,
  });
  const { path } = folder;
  await Deno.writeTextFile(
    `${path}/flow.ts`,
    `import { Dataflow, FileInputConfig, FileOutputConfig } from "millrace";
export default new Dataflow("copy")
  .input("in", new FileInputConfig({ path: "${path}/app.log" }))
  .capture("out", new FileOutputConfig({ path: "${path}/out.txt" }));`,
  );
  const run = () => runCli([`${path}/flow.ts`, "-w2", `--recovery=${path}/state.db`]);
  assertEquals((await run()).code, 0);
  await Deno.writeTextFile(`${path}/app.log`, "old, behind\n", { append: true });
  await Deno.rename(`${path}/app.log`, `${path}/app.log.1`);
  await Deno.writeTextFile(`${path}/app.log`, now.map((line) => `${line}\n`).join(""));
  assertEquals(await run(), { code: 0, stdout: "", stderr: "" });
  assertEquals(await linesIn(path), [...old, "old, behind", ...now].toSorted());

  const other = "of another program\n".repeat(100_000);
  await Deno.rename(`${path}/out.0.txt`, `${path}/kept.0.txt`);
  await Deno.writeTextFile(`${path}/out.0.txt`, other);
  const { code, stderr } = await run();
  assertEquals(code, 1);
  assertMatch(stderr, /step "out" failed/);
  assertMatch(stderr, /snapshot has \d+ bytes of ".*out\.0\.txt", but its bytes before/);
  assertEquals(await Deno.readTextFile(`${path}/out.0.txt`), other);
});

Deno.test("two runs on one store: the second is refused, and the first continues", async () => {
  await using folder = await folderOf({});
  await using first = startCli([
    ...args(folder.path, 1).slice(0, 4),
    "--log-level=info",
    ...args(folder.path, 1).slice(4),
  ]);
  await first.stderr.line(/flow running/);
  const second = await runCli(args(folder.path, 1));
  assertEquals(second.code, 1);
  assertMatch(second.stderr, /^error: .*another run uses it/m);
  assertEquals((await first.finished()).code, 0);
});

Deno.test("state shows a store while a run uses it: an overview, a step's keys, one value", async () => {
  await using folder = await folderOf({});
  const state = (...rest: string[]) => runCli(["state", `${folder.path}/state.db`, ...rest]);
  await using running = startCli(loud(args(folder.path, 2)));
  await running.stderr.line(/flow running/);
  const during = await state();
  assertEquals({ code: during.code, stderr: during.stderr }, { code: 0, stderr: "" });
  assertMatch(during.stdout, /^flow {6}numbers\nepoch {5}/);
  assertEquals((await running.finished()).code, 0);

  const { stdout: overview } = await state();
  assertMatch(overview, /^flow {6}numbers\nepoch {5}\d+, committed 20/);
  assertMatch(overview, /^counts +5 +\d+$/m);
  assertMatch(overview, new RegExp(`^in +a +${COUNT / 4 - 1}$`, "m"));
  const each = COUNT / 5;
  const { stdout: keys } = await state("counts");
  assert(keys.startsWith(`key  state\nm0   ${each}\nm1   ${each}\n`), keys);
  assertEquals((await state("counts", "m3")).stdout, `${each}\n`);
  const { code, stderr } = await state("count");
  assertEquals([code, stderr], [
    2,
    `error: ${folder.path}/state.db has no state of a step "count"; it has counts, sums. Did you mean counts?\n`,
  ]);
});

Deno.test("state lists strange keys in JSON, and finds them by it", async () => {
  await using folder = await folderOf({});
  const store = `${folder.path}/state.db`;
  assertEquals((await runCli([flowFile("strange_keys.ts"), "--recovery", store])).code, 0);
  const { stdout } = await runCli(["state", store, "seen"]);
  const keys = [
    '""',
    String.raw`"\u001b[31mred"`,
    '" "',
    String.raw`"\"quoted\""`,
    String.raw`"a\nb"`,
    "plain",
    "two words",
    `${"x".repeat(60)}…`,
    String.raw`"\ud800"`,
  ];
  const lines = [["key", "state"], ...keys.map((key) => [key, "1"])];
  assertEquals(stdout, lines.map(([key, value]) => `${key.padEnd(61)}  ${value}\n`).join(""));
  for (const key of ["plain", "", "a\nb", '"a\\nb"', '"\\ud800"', '"quoted"', '"\\"quoted\\""']) {
    assertEquals((await runCli(["state", store, "seen", key])).stdout, "1\n", key);
  }
});

Deno.test("--from-scratch drops a store and nothing else, and only once the flow has been found", async () => {
  await using folder = await folderOf({ "notes.txt": "my precious notes\n" });
  const fromScratch = (flow: string, store: string) =>
    runCli([flow, `--recovery=${folder.path}/${store}`, "--from-scratch", "--yes"]);
  const first = await runCli(args(folder.path, 1));
  assertEquals(first.code, 0);
  const epochOf = async () =>
    (await runCli(["state", `${folder.path}/state.db`])).stdout.split("\n")[1];
  const epoch = await epochOf();
  const lost = await fromScratch("nosuch.ts", "state.db");
  assertEquals([lost.code, await epochOf()], [2, epoch]);
  const foreign = await fromScratch(flowFile("strange_keys.ts"), "notes.txt");
  assertEquals(foreign.code, 1);
  assertMatch(foreign.stderr, /notes\.txt: it is not a recovery store, so it is not dropped/);
  assertEquals(await Deno.readTextFile(`${folder.path}/notes.txt`), "my precious notes\n");
  // The store belongs to another flow, which is refused unless the store is dropped.
  const other = await fromScratch(flowFile("strange_keys.ts"), "state.db");
  assertEquals([other.code, other.stderr], [0, ""]);
  assertMatch((await runCli(["state", `${folder.path}/state.db`])).stdout, /^flow +strange$/m);
});

Deno.test("a renamed step is refused because of its store, and continues with --rename-step", async () => {
  const text = (step: string, file: string) => `
import { Dataflow, FileInputConfig, FileOutputConfig } from "millrace";
export default new Dataflow("renamed")
  .input("lines", new FileInputConfig({ path: "lines.txt" }))
  .keyOn((line) => line)
  .statefulMap("${step}", () => 0, (n: number) => [n + 1, n + 1])
  .map(([word, n]) => word + " " + n)
  .capture("${file}", new FileOutputConfig({ path: "out.txt" }));
`;
  await using folder = await folderOf({
    "before.ts": text("count", "out"),
    "after.ts": text("tally", "words"),
    "lines.txt": "a\nb\na\n",
    "deno.json": FLOW_CONFIG,
  });
  const cwd = folder.path;
  const store = "--recovery=state.db";
  assertEquals((await runCli(["before.ts", store], { cwd })).code, 0);
  await Deno.writeTextFile(`${cwd}/lines.txt`, "a\nb\na\na\nb\n");
  const refused = await runCli(["after.ts", store, "--restart=3"], { cwd });
  assertEquals(refused.code, 1);
  assertMatch(refused.stderr, /^error: .* stateful step "count", output "out"$/m);
  assertMatch(refused.stderr, /nothing is stored of stateful step "tally", output "words"/);
  assertMatch(refused.stderr, /--rename-step count=tally/);
  const renames = ["--rename-step=count=tally", "--rename-step=out=words"];
  const after = await runCli(["after.ts", "-w2", store, ...renames], { cwd });
  assertEquals(after, { code: 0, stdout: "", stderr: "" });
  assertEquals(await linesIn(cwd), ["a 1", "a 2", "a 3", "b 1", "b 2"]);
});
