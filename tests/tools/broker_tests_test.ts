import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { leaveOut, reaching, selectBrokerTests, selectTests } from "../../tools/broker_tests.ts";

const ROOT = new URL("../..", import.meta.url);

Deno.test("selectTests() takes the tests in and at the paths, and without paths all", () => {
  const files = ["tests/a/x_test.ts", "tests/ab/y_test.ts", "tests/a/help.ts", "tests/faults/k.ts"];
  assertEquals(selectTests(files, []), ["tests/a/x_test.ts", "tests/ab/y_test.ts"]);
  assertEquals(selectTests(files, [""]), ["tests/a/x_test.ts", "tests/ab/y_test.ts"]);
  assertEquals(selectTests(files, ["tests/a"]), ["tests/a/x_test.ts"]);
  assertEquals(selectTests(files, ["tests/a", "tests/faults/k.ts"]), [
    "tests/a/x_test.ts",
    "tests/faults/k.ts",
  ]);
  assertEquals(selectTests(files, ["src"]), []);
});

Deno.test("reaching() finds what imports the broker's start, through other files and in a circle", () => {
  const at = (path: string) => new URL(path, ROOT).href;
  const module = (path: string, ...imports: string[]) => ({
    specifier: at(path),
    dependencies: imports.map((each) => ({
      code: { specifier: at(each), span: { start: { line: 0 } } },
    })),
  });
  const info = {
    modules: [
      module("tests/a_test.ts", "tests/support/kafka/kafka.ts"),
      module("tests/b_test.ts", "tests/support/other.ts"),
      module(
        "tests/support/kafka/kafka.ts",
        "tests/support/kafka/broker/broker.ts",
        "tests/loop.ts",
      ),
      module("tests/loop.ts", "tests/support/kafka/kafka.ts"),
    ],
  };
  assertEquals(reaching(ROOT, info, ["tests/a_test.ts", "tests/b_test.ts"]), ["tests/a_test.ts"]);
});

Deno.test("leaveOut() ignores the tests when no path or one is given, else lists the others", () => {
  const left = ["tests/support/kafka/kafka_test.ts"];
  const clock = "tests/support/clock/test_clock_test.ts";
  const others = (...args: string[]) => leaveOut(ROOT, args, [...left, clock], left);
  const ignore = "--ignore=tests/support/kafka/kafka_test.ts";
  assertEquals(others("--filter", "x"), [ignore, "--filter", "x"]);
  assertEquals(others("tests"), [ignore, "tests"]);
  assertEquals(others("--no-check", "tests/core", "tests/support/"), [
    ...["--no-check", "tests/core", clock],
  ]);
  assertEquals(others("tests/core", left[0]), ["tests/core"]);
  assertEquals(others("--no-check", `./${left[0]}`), undefined);
  assertEquals(leaveOut(ROOT, ["tests/core"], [], []), ["tests/core"]);
});

Deno.test("selectBrokerTests() reads paths among the arguments in every form", async () => {
  const brokerTests = async (...args: string[]) =>
    (await selectBrokerTests(ROOT, args)).brokerTests;
  const kafka = "tests/support/kafka/kafka_test.ts";
  const absolute = fileURLToPath(new URL(kafka, ROOT));
  for (const path of [kafka, "./tests/support", "tests/support/", absolute]) {
    assertEquals(await brokerTests("--no-check", path), [kafka], path);
  }
  assertEquals(await brokerTests("tests/core", "README.md"), []);
  assertEquals(await brokerTests(Deno.execPath()), []); // elsewhere
  assertEquals((await brokerTests(".")).includes(kafka), true);
  const all = await brokerTests("--filter", "no path");
  assertEquals([all.includes(kafka), all.includes("tests/faults/kafka.ts")], [true, false]);
});
