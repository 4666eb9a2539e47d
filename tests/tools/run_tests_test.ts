/** `deno task test` on a machine without Java, Maven or a package manager: nothing is on PATH. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { tempFolder } from "../support/files/temp_folder.ts";

const ROOT = `${import.meta.dirname}/../..`;
const QUICK = "tests/tools/set_up_plan_test.ts";
const KAFKA = "tests/support/kafka/kafka_test.ts";

async function runTests(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "tools/run_tests.ts", "--no-check", ...args],
    env: { PATH: "", KAFKA_BROKERS: "", NO_COLOR: "1" },
    cwd: ROOT,
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out, err };
}

Deno.test("deno task test sets up nothing for tests that need no broker", async () => {
  const { code, out, err } = await runTests(QUICK);
  assertMatch(out, /ok \| [1-9]\d* passed \| 0 failed/);
  assertEquals([code, err], [0, ""]);
});

Deno.test("deno task test without Java runs the others, then fails and names what it left out", async () => {
  const { code, out, err } = await runTests(QUICK, "tests/support");
  assertMatch(out, /ok \| [1-9]\d* passed \| 0 failed/);
  assertEquals(out.includes("readAll()"), false);
  assertStringIncludes(err, `NOT RUN, as they need a broker:\n  ${KAFKA}\n`);
  assertMatch(err, /install Java 17 or later.* by hand/);
  assertEquals(code, 1);
});

Deno.test("deno task test without Java fails when all tests need a broker", async () => {
  const { code, out, err } = await runTests(KAFKA);
  assertEquals([code, out], [1, ""]);
  assertMatch(err, /NOT RUN/);
});

Deno.test("deno task test fails when a test fails", async () => {
  const file = await Deno.makeTempFile({ suffix: "_test.ts" });
  try {
    await Deno.writeTextFile(
      file,
      `Deno.test("fails", () => { throw new Error("as it should") });`,
    );
    const { code, out } = await runTests(file);
    assertMatch(out, /FAILED \| 0 passed \| 1 failed/);
    assertEquals(code, 1);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("deno task test runs tests that need programs beside the others, with one summary", async () => {
  await using folder = await tempFolder();
  const copied = [
    "broker_tests.ts",
    "deno_info.ts",
    "run_tests.ts",
    "set_up.ts",
    "set_up_plan.ts",
    "test_lanes.ts",
  ].map((name) => `tools/${name}`);
  for (const file of [...copied, "tests/support/kafka/broker/jars.ts"]) {
    await folder.write(file, await Deno.readTextFile(`${ROOT}/${file}`));
  }
  await folder.write("tests/support/kafka/broker/broker.ts", "export {};");
  await folder.write(
    "tests/kafka_test.ts",
    'import "./support/kafka/broker/broker.ts"; Deno.test("needs a broker", () => {});',
  );
  await folder.write("tests/support/browser.ts", "export {};");
  await folder.write(
    "tests/page_test.ts",
    'import "./support/browser.ts"; Deno.test("needs a browser", () => {});',
  );
  await folder.write("tests/one_test.ts", 'Deno.test("needs none", () => {});');
  await folder.write("mod.ts", "/**\n * ```ts\n * 1;\n * ```\n */\nexport const one = 1;");
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", folder.at("tools/run_tests.ts")],
    env: { KAFKA_BROKERS: "127.0.0.1:1", NO_COLOR: "1" },
    cwd: folder.at(""),
    stderr: "inherit",
  }).output();
  const out = new TextDecoder().decode(stdout);
  assertEquals(code, 0, out);
  const [programs, others, sum] = out.split(/(?<=ok \| .*\n)/);
  assertMatch(programs, /needs a broker \.\.\. ok.*ok \| 2 passed/s);
  assertMatch(programs, /needs a browser \.\.\. ok/);
  assertMatch(others, /needs none \.\.\. ok.*ok \| 2 passed/s);
  assertEquals([others.includes("mod.ts"), others.includes("needs a b")], [true, false]);
  assertEquals(sum.trim(), "ok | 4 passed | 0 failed");
});
