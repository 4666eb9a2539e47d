import { assert, assertEquals, assertMatch } from "@std/assert";
import { type CliProcess, folderOf, runCli } from "../support/cli.ts";
import { type Project, project, watch } from "../support/watch.ts";

/** Counts for each key, out of two partitions. Each line is `mark key count`. */
const COUNTS = `
  import { Dataflow, PartitionedInputConfig, StdOutputConfig } from "millrace";
  import { mark } from "./mark.ts";

  const input = new PartitionedInputConfig<number, number>({
    partitions: () => ["a", "b"],
    build: async function* (_partition, resume) {
      for (let i = (resume ?? -1) + 1;; i++) {
        if (i % 4 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
        yield [i, i];
      }
    },
  });
  export default new Dataflow("counts").input("in", input)
    .keyOn((n) => "k" + n % 5)
    .statefulMap("count", () => 0, (seen: number) => [seen + 1, seen + 1])
    .map(([key, count]) => mark(key) + " " + key + " " + count)
    .capture("out", new StdOutputConfig());
`;

const marking = (mark: string) => `export const mark = (_key: string) => "${mark}";`;

function counting(mark = "v0"): Promise<Project> {
  return project({ "flow.ts": COUNTS, "mark.ts": marking(mark) });
}

/** Stops the command, and checks that each key was counted without a gap, and nothing twice. */
async function assertExact(cli: CliProcess): Promise<void> {
  cli.kill("SIGINT");
  const { code, stdout } = await cli.finished();
  assertEquals(code, 0);
  const lines = stdout.trimEnd().split("\n").map((line) => line.split(" "));
  for (const key of ["k0", "k1", "k2", "k3", "k4"]) {
    const counts = lines.filter(([, of]) => of === key).map(([, , count]) => Number(count));
    assert(counts.length > 0);
    assertEquals(counts, counts.map((_, i) => i + 1), key);
  }
}

for (
  const { args, store } of [
    { args: ["-w1"], store: false },
    { args: ["-w2"], store: false },
    { args: ["-w2"], store: true },
  ]
) {
  const where = store ? "a store" : "its own memory";
  Deno.test(`--watch ${args} keeps the counts in ${where} over reloads`, async () => {
    await using folder = await counting();
    const recovery = store ? [`--recovery=${folder.path}/state.db`] : [];
    await using cli = watch(folder, ...args, ...recovery);
    await cli.stdout.line(/^v0 /);
    for (const mark of ["v1", "v2"]) {
      await folder.write("mark.ts", marking(mark));
      await cli.stdout.line(new RegExp(`^${mark} k4 `));
    }
    await assertExact(cli);
  });
}

Deno.test("--watch shows what is wrong with new code, and the old run goes on", async () => {
  await using folder = await counting();
  await using cli = watch(folder);
  await cli.stdout.line(/^v0 /);
  const wrong: [string, string, RegExp][] = [
    ["mark.ts", "export const mark = ", /SyntaxError: Expression expected/],
    ["mark.ts", `${marking("")} if (Date.now() > 0) throw new Error("no");`, /^\S+ error no$/],
    [
      "mark.ts",
      "export const other = 1;",
      /does not provide an export named/,
    ],
    ["flow.ts", COUNTS.replace(`"count"`, `"sum"`), /no step for: stateful step "count"/],
    ["flow.ts", COUNTS.replace(`"counts"`, `"other"`), /the flow is called "other" now/],
  ];
  for (const [name, text, error] of wrong) {
    await folder.write("mark.ts", marking("v0"));
    await folder.write(name, text);
    await cli.stderr.line(error);
  }
  await folder.write("flow.ts", COUNTS);
  await folder.write("mark.ts", marking("last"));
  await cli.stdout.line(/^last /);
  const refused = cli.stderr.text.match(/the new code is not run: the old run goes on/g) ?? [];
  assert(refused.length >= wrong.length);
  assertMatch(cli.stderr.text, /--drop-step count drops what is stored of it/);
  await assertExact(cli);
});

Deno.test("--watch does not run code whose types --check refuses", async () => {
  // It never loads, so that nothing but the check can refuse it.
  const text = `export const n: number = "one"; await new Promise(() => {});`;
  await using folder = await project({ "flow.ts": text });
  await using cli = watch(folder, "--check");
  await cli.stderr.line(/as Deno refuses its types/);
  await cli.stderr.line(/waiting for a change/);
  cli.kill("SIGINT");
  assertEquals((await cli.finished()).code, 1);
});

Deno.test("--watch waits after a failure, and goes on from the last snapshot", async () => {
  const failing = `
    let seen = 0;
    export const mark = (key: string) => {
      if (seen++ > 50) throw new Error("wrong: " + key);
      return "v1";
    };`;
  await using folder = await counting();
  await using cli = watch(folder, "--epoch-interval=0s");
  await cli.stdout.line(/^v0 k0 20$/);
  await folder.write("mark.ts", failing);
  await cli.stderr.line(/^\S+ error step "map-1" failed/);
  await cli.stderr.line(/waiting for a change/);
  await folder.write("mark.ts", marking("v2"));
  const [, count] = await cli.stdout.line(/^v2 k0 (\d+)$/);
  assert(Number(count) > 20, "it began at the start");
  cli.kill("SIGINT");
  assertEquals((await cli.finished()).code, 0);
});

Deno.test("--watch waits for code that can be loaded", async () => {
  await using folder = await project({ "flow.ts": "export default 1;" });
  await using cli = watch(folder);
  await cli.stderr.line(/is not a Dataflow/);
  await cli.stderr.line(/waiting for a change/);
  await folder.write("flow.ts", COUNTS); // it imports what is not there
  await cli.stderr.line(/mark\.ts/);
  await folder.write("mark.ts", marking("v1"));
  await cli.stdout.line(/^v1 k4 /);
  await assertExact(cli);
});

Deno.test("--watch runs a flow that has finished from its beginning, when it changes", async () => {
  const text = (mark: string) => `
    import { Dataflow, StdOutputConfig, TestingInputConfig } from "millrace";
    export default new Dataflow("finishes").input("in", new TestingInputConfig(["a", "a"]))
      .keyOn((item) => item)
      .statefulMap("count", () => 0, (seen: number) => [seen + 1, seen + 1])
      .map(([key, count]) => "${mark} " + key + " " + count)
      .capture("out", new StdOutputConfig());`;
  await using folder = await project({ "flow.ts": text("v0") });
  await using cli = watch(folder);
  await cli.stderr.line(/waiting for a change/);
  await folder.write("flow.ts", text("v1"));
  await cli.stdout.line(/^v1 a 2$/);
  cli.kill("SIGINT");
  const { code, stdout } = await cli.finished();
  assertEquals({ code, stdout }, { code: 0, stdout: "v0 a 1\nv0 a 2\nv1 a 1\nv1 a 2\n" });
});

Deno.test("--watch: a ^C that is cut short fails without --recovery, and a reload that is does not", async () => {
  const stuck = (mark: string) => `
    import { Dataflow, ManualInputConfig } from "millrace";
    const input = new ManualInputConfig(function* () {
      for (let i = 0;; i++) yield [null, i];
    });
    export default new Dataflow("stuck").input("in", input).capture("out", {
      open: () => Promise.resolve({
        write: (items) => {
          console.log("${mark} " + items[0]);
          return new Promise(() => {});
        },
        prepare: () => Promise.resolve(new Map()),
        close: () => Promise.resolve(),
      }),
    });`;
  for (const store of [false, true]) {
    await using folder = await project({ "flow.ts": stuck("v0") });
    const recovery = store ? [`--recovery=${folder.path}/state.db`] : [];
    await using cli = watch(folder, "--stop-timeout=1s", ...recovery);
    await cli.stdout.line(/^v0 0$/);
    await folder.write("flow.ts", stuck("v1"));
    await cli.stdout.line(/^v1 0$/);
    assertMatch(cli.stderr.text, /the stop took too long: the run ends where it began/);
    cli.kill("SIGINT");
    const { code, stderr } = await cli.finished();
    assertEquals(code, store ? 0 : 1, stderr);
    const lost = /^\S+ error the stop took too long \(--stop-timeout, 1 s\): what was read/m;
    assertEquals(lost.test(stderr), !store, stderr);
  }
});

Deno.test("--watch keeps the operations port over reloads", async () => {
  await using folder = await counting();
  await using cli = watch(folder, "--api=0");
  const [base] = await cli.stderr.line(/http:\/\/127\.0\.0\.1:\d+/);
  await cli.stdout.line(/^v0 /);
  await folder.write("mark.ts", marking("v1"));
  await cli.stdout.line(/^v1 /);
  const { status, body } = await fetch(`${base}/readyz`);
  await body?.cancel();
  assertEquals(status, 200);
  await assertExact(cli);
});

Deno.test("--watch tells the dashboard that a run that is over goes on with new code", async () => {
  await using folder = await project({
    "flow.ts": `
      import { Dataflow, StdOutputConfig, TestingInputConfig } from "millrace";
      export default new Dataflow("short")
        .input("in", new TestingInputConfig([1]))
        .capture("out", new StdOutputConfig());
    `,
  });
  await using cli = watch(folder, "--api=0");
  const [base] = await cli.stderr.line(/http:\/\/127\.0\.0\.1:\d+/);
  await cli.stderr.line(/waiting for a change/);
  const { body } = await fetch(`${base}/events`);
  let told = "";
  for await (const text of body!.pipeThrough(new TextDecoderStream())) {
    told += text;
    if (told.includes("It goes on when the code of the flow changes.")) break;
  }
  assertMatch(told, /has finished.*It goes on when the code of the flow changes/);
});

Deno.test("--watch needs a file, and drops nothing before it has said so", async () => {
  await using folder = await folderOf({ "state.db": "" });
  const { code, stderr } = await runCli([
    "data:text/javascript,export default 1",
    "--watch",
    `--recovery=${folder.path}/state.db`,
    "--from-scratch",
    "--yes",
  ]);
  assertEquals(code, 2);
  assertMatch(stderr, /^error: --watch needs a flow in a local file; got data:/);
  assertEquals((await Deno.stat(`${folder.path}/state.db`)).size, 0);
});
