/** `deno task test` on a machine without Java, Maven or a package manager: nothing is on PATH. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";

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
