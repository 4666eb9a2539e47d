import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import {
  type CliProcess,
  FLOW_CONFIG,
  flowFile,
  folderOf,
  runCli,
  startCli,
} from "../support/cli.ts";
import { eventually } from "../support/eventually.ts";

const flow = (name: string) => `${flowFile("workers.ts")}:${name}`;
const endless = (name: string) => `${flowFile("endless.ts")}:${name}`;

/** The pids that the workers print, once all have printed. */
async function workersOf(cli: CliProcess, count: number): Promise<number[]> {
  const pids = () => [...cli.stdout.text.matchAll(/^pid (\d+)$/gm)].map(([, pid]) => Number(pid));
  await eventually(() => new Set(pids()).size >= count, `${count} workers said who they are`);
  return [...new Set(pids())];
}

for (const workers of [1, 2, 3, 5]) {
  Deno.test(`examples/wordcount.ts counts the same with ${workers} workers`, async () => {
    const { code, stdout, stderr } = await runCli(["examples/wordcount.ts", `-w${workers}`]);
    const words = stdout.trim().split("\n").sort();
    assertEquals(words, ["and: 2", "be: 2", "of: 2", "or: 2", "the: 3", "to: 4"]);
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
  });
}

Deno.test("a step that fails on one of three workers ends the run, and is named with its worker", async () => {
  const started = performance.now();
  const { code, stdout: _, stderr } = await runCli([flow("fails"), "-w3"]);
  assertEquals(code, 1);
  const [first, cause, frame, ...rest] = stderr.trimEnd().split("\n");
  assertMatch(first, /^error: step "total" failed on worker [012] of 3$/);
  assertEquals(cause, "  RangeError: 1501 is too many");
  assertMatch(frame, /^ {4}at (StatefulMap\.)?addUp \(.*flows\/workers\.ts:\d+:\d+\)$/);
  assertEquals(rest, [`  item: [ "k3", 1501 ]`]);
  assertLess(performance.now() - started, 10_000);
});

Deno.test("a killed worker ends the run of three, with one line that says which", async () => {
  await using cli = startCli([endless("idles"), "-w3"]);
  const [pid] = await workersOf(cli, 3);
  const killed = performance.now();
  Deno.kill(pid, "SIGKILL");
  const { code, stderr } = await cli.finished();
  assertLess(performance.now() - killed, 8_000);
  assertEquals(code, 1);
  assertMatch(stderr, /^error: worker [012] ended by SIGKILL while it ran \(out of memory\?\)\n$/);
});

Deno.test("a worker whose process is stopped ends the run within ten seconds", async () => {
  await using cli = startCli([endless("counts"), "-w3"], { deadlineMs: 30_000 });
  const [, pid] = await workersOf(cli, 3);
  await cli.stdout.line(/^1$/);
  const stopped = performance.now();
  Deno.kill(pid, "SIGSTOP");
  const { code, stderr } = await cli.finished();
  assertLess(performance.now() - stopped, 10_000);
  assertEquals(code, 1);
  const error = stderr.split("\n").find((line) => line.startsWith("error:"));
  assertMatch(error!, new RegExp(`^error: worker [012] \\(process ${pid}\\) does not answer: `));
});

Deno.test("a worker that runs out of memory ends the run, which says so", async () => {
  const flags = "-A --v8-flags=--max-old-space-size=60";
  const { code, stderr } = await runCli([flow("swells"), "-w2", `--worker-flags=${flags}`]);
  assertEquals(code, 1);
  assertMatch(stderr, /^error: worker 1 ended .*\(out of memory\?\)$/m);
});

Deno.test("a flow that differs between workers is refused", async () => {
  const { code, stderr } = await runCli([flow("differs"), "-w2"]);
  assertEquals(code, 1);
  assertMatch(
    stderr,
    /^error: worker 1 has another flow than worker 0: it has input "numbers-\d+" in place of input "n/,
  );
});

for (const name of ["idles", "counts", "hangs", "spins", "loads"]) {
  Deno.test(`three workers end by themselves when the command line is killed: ${name}`, async () => {
    await using cli = startCli([endless(name), "-w3"]);
    await workersOf(cli, 3);
    const killed = performance.now();
    cli.kill("SIGKILL");
    const { code } = await cli.finished(); // this waits for the workers, too
    assertEquals(code, 137);
    assertLess(performance.now() - killed, 5_000);
  });
}

Deno.test("SIGTERM stops three workers gracefully: what was read is written", async () => {
  await using cli = startCli([endless("counts"), "-w3"]);
  await workersOf(cli, 3);
  await cli.stdout.line(/^1$/);
  cli.kill("SIGTERM");
  const { code, stdout, stderr } = await cli.finished();
  assertEquals(code, 0);
  const closed = [...stderr.matchAll(/^closed after (\d+)$/gm)].map(([, n]) => Number(n));
  assertEquals(closed.length, 3);
  const written = stdout.trimEnd().split("\n").filter((line) => /^\d+$/.test(line)).length;
  assertEquals(written, closed.reduce((sum, n) => sum + n, 0));
});

Deno.test("--restart starts a run that fails again, and gives up in the end", async () => {
  await using folder = await folderOf({ "letters": "" });
  const file = `${folder.path}/letters`;
  const args = (times: number) => [flow("recovers"), "-w2", "--restart=2", "--", file, `${times}`];
  const well = await runCli(args(2));
  assertEquals(well.code, 0);
  assertEquals(new Set(well.stdout.trim().split("\n")), new Set(["1", "2", "3"]));
  const restarts = well.stderr.split("\n").filter((line) => line.includes("is started again"));
  assertEquals(restarts.map((line) => /restart=(\d) of=2/.exec(line)?.[1]), ["1", "2"]);
  await Deno.writeTextFile(file, "");
  const badly = await runCli(args(9));
  assertEquals(badly.code, 1);
  assertMatch(
    badly.stderr,
    /^error: step "flaky" failed on worker [01] of 2\n {2}Error: failed 3 t/m,
  );
});

Deno.test("--restart does not retry a flow that cannot be loaded", async () => {
  const { code, stderr } = await runCli([flow("nothing"), "--restart=3"]);
  assertEquals(code, 2);
  assert(!stderr.includes("started again"), stderr);
});

Deno.test("two workers run a flow of another folder, from another folder, with spaces in both", async () => {
  await using folder = await folderOf({
    "my flows/count me.ts":
      `import { Dataflow, StdOutputConfig, TestingInputConfig } from "millrace";
export default new Dataflow("own").input("in", new TestingInputConfig([1, 2, 3, 4]))
  .keyOn((n) => String(n % 2)).countFinal("count").capture(new StdOutputConfig());`,
    "my flows/deno.json": FLOW_CONFIG,
    "some where/else.txt": "",
  });
  const path = `${folder.path}/my flows/count me.ts`;
  const cwd = `${folder.path}/some where`;
  const { code, stdout, stderr } = await runCli([path, "-w2"], { cwd });
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertEquals(stdout.trim().split("\n").sort(), [`["0",2]`, `["1",2]`]);
});
