import { assert, assertEquals } from "@std/assert";
import { stripVTControlCharacters } from "node:util";
import { countsIn, summaryOf, testInLanes } from "../../tools/test_lanes.ts";
import { tempFolder } from "../support/files/temp_folder.ts";

Deno.test("countsIn() reads the last summary of deno test", () => {
  const output = "ok | 9 passed | 0 failed\nelse\n" +
    "FAILED | 5471 passed (71 steps) | 2 failed (1 step) | 27 ignored (24m2s)\n\nerror: Test failed";
  assertEquals(Object.fromEntries(countsIn(output)!), {
    passed: 5471,
    failed: 2,
    ignored: 27,
    measured: 0,
    "filtered out": 0,
  });
  assertEquals(countsIn("error: Type checking failed."), null);
  assertEquals(countsIn("a test that prints ok | 1 passed"), null);
});

Deno.test("summaryOf() adds counts, and names those that deno test always names", () => {
  const counts = ["ok | 3 passed | 0 failed | 1 ignored (1s)", "ok | 4 passed | 0 failed (2s)"]
    .map((line) => countsIn(line)!);
  assertEquals(summaryOf(counts, true), "ok | 7 passed | 0 failed | 1 ignored");
  assertEquals(summaryOf([], false), "FAILED | 0 passed | 0 failed");
});

/** Runs test files with these texts, each in a lane. */
async function lanesOf(...texts: string[]): Promise<{ code: number; shown: string }> {
  await using folder = await tempFolder();
  const lanes: string[][] = [];
  for (const [lane, text] of texts.entries()) {
    lanes.push(["--no-check", "-A", await folder.write(`lane${lane}_test.ts`, text)]);
  }
  let shown = "";
  const code = await testInLanes(lanes, {
    cwd: new URL("../../", import.meta.url),
    show: (text) => shown += text,
  });
  return { code, shown: stripVTControlCharacters(shown) };
}

const passes = (name: string) => `Deno.test("${name}", () => {});`;
const fails = (name: string) => `Deno.test("${name}", () => { throw new Error("as it should"); });`;

/** Waits for a file that the other lane makes. */
const meets = (own: string, other: string) => `
  Deno.test("${own} meets ${other}", async () => {
    const at = (name: string) => new URL(name, import.meta.url);
    Deno.writeTextFileSync(at("${own}"), "");
    for (const until = performance.now() + 20_000;;) {
      try {
        Deno.statSync(at("${other}"));
        return;
      } catch (error) {
        if (performance.now() > until) throw error;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  });`;

Deno.test("lanes run at once, and are shown one after another, with one summary", async () => {
  const { code, shown } = await lanesOf(meets("a", "b"), meets("b", "a") + passes("second"));
  assertEquals(code, 0, shown);
  const order = ["a meets b ...", "ok | 1 passed", "b meets a ...", "second ...", "ok | 2 passed"];
  const places = order.map((text) => shown.indexOf(text));
  assertEquals(places, places.filter((at) => at >= 0).toSorted((a, b) => a - b), shown);
  assert(shown.endsWith("\nok | 3 passed | 0 failed\n"), shown);
});

for (const failing of [0, 1]) {
  Deno.test(`a failure in lane ${failing} fails the whole, and shows both`, async () => {
    const texts = [passes("well 0"), passes("well 1")];
    texts[failing] += fails("ill");
    const { code, shown } = await lanesOf(...texts);
    assertEquals(code, 1);
    for (const text of ["well 0 ... ok", "well 1 ... ok", "as it should"]) {
      assert(shown.includes(text), shown);
    }
    assert(shown.endsWith("\nFAILED | 2 passed | 1 failed\n"), shown);
  });
}

Deno.test("a lane that ends without counts fails the whole", async () => {
  const { code, shown } = await lanesOf(passes("well"), "this is no program");
  assertEquals(code, 1);
  assert(shown.endsWith("\nFAILED | 1 passed | 0 failed\n"), shown);
});
