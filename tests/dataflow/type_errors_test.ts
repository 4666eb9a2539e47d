/**
 * The compiler's words for mistakes in a flow. `types_test.ts` tests that there is an error at all.
 *
 * @module
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { FLOW_CONFIG, folderOf } from "../support/cli.ts";

/** What `deno check` prints of a module. */
async function checked(text: string): Promise<string> {
  await using folder = await folderOf({ "flow.ts": text, "deno.json": FLOW_CONFIG });
  const { stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["check", "flow.ts"],
    cwd: folder.path,
    env: { NO_COLOR: "1" },
  }).output();
  return new TextDecoder().decode(stderr);
}

Deno.test("the compiler's error of a stream without keys names keyOn, at every stateful step", async () => {
  const calls = [
    `mapValue((n) => n)`,
    `flatMapValue((n) => [n])`,
    `stateful("s", () => ({ onItem() {}, snapshot: () => 0 }))`,
    `statefulMap("s", () => 0, (n) => [n, n])`,
    `statefulFlatMap("s", () => 0, (n) => [n, []])`,
    `reduce("s", (a) => a, () => true)`,
    `reduceFinal("s", (a) => a)`,
    `foldFinal("s", () => 0, (n) => n)`,
    `countFinal("s")`,
    `maxFinal("s")`,
    `minFinal("s")`,
    `join("s", keyed)`,
    `dedupe("s", { ttl: 1 })`,
    `collect("s", { maxSize: 1, timeout: 1 })`,
    `reduceWindow("s", clock, windower, (a) => a)`,
    `foldWindow("s", clock, windower, () => 0, (n) => n)`,
    `collectWindow("s", clock, windower)`,
    `countWindow("s", clock, windower)`,
    `maxWindow("s", clock, windower)`,
    `minWindow("s", clock, windower)`,
    `joinWindow("s", clock, windower, keyed)`,
  ];
  const errors = await checked(`
    import { Dataflow, SystemClockConfig, TestingInputConfig, TumblingWindowConfig } from "millrace";
    const clock = new SystemClockConfig();
    const windower = new TumblingWindowConfig({ length: 1 });
    const words = new Dataflow("f").input("in", new TestingInputConfig(["a"]));
    const keyed = words.keyOn((word) => word);
    ${calls.map((call) => `words.${call};`).join("\n")}
  `);
  assertStringIncludes(errors, `Found ${calls.length} errors.`);
  const saying = errors.match(/this step needs \[key, value\] pairs: call keyOn\(\.\.\.\)/g);
  assertEquals(saying?.length, calls.length);
});

Deno.test("the compiler's error of a join's side without keys names keyOn", async () => {
  const sides = ["words", "[words]", "[keyed, words]", "[words, keyed] as const", "several", "odd"];
  const calls = sides.flatMap((side) => [
    `keyed.join("s", ${side});`,
    `keyed.joinWindow("s", clock, windower, ${side});`,
  ]);
  const errors = await checked(`
    import { Dataflow, SystemClockConfig, TestingInputConfig, TumblingWindowConfig } from "millrace";
    const clock = new SystemClockConfig();
    const windower = new TumblingWindowConfig({ length: 1 });
    const words = new Dataflow("f").input("in", new TestingInputConfig(["a"]));
    const keyed = words.keyOn((word) => word);
    const several = [words, words];
    const odd = words.map((word) => [1, word]);
    ${calls.join("\n")}
  `);
  assertStringIncludes(errors, `Found ${calls.length} errors.`);
  const saying = errors.match(/a join's side needs \[key, value\] pairs: call keyOn\(\.\.\.\)/g);
  assertEquals(saying?.length, calls.length);
});
