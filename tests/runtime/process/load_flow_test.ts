import { assertEquals, assertRejects } from "@std/assert";
import { FlowDefinitionError, UsageError } from "../../../src/core/errors.ts";
import { loadFlow } from "../../../src/runtime/process/load_flow.ts";

const flowUrl = (name: string) => new URL(`../../e2e/flows/${name}`, import.meta.url).href;

async function refusal(name: string, exportName: string | null): Promise<string> {
  const load = () => loadFlow(flowUrl(name), exportName, []);
  return (await assertRejects(load, UsageError) as UsageError).message;
}

Deno.test("loadFlow() takes the default export, or the one that is named", async () => {
  assertEquals((await loadFlow(flowUrl("numbers.ts"), null, [])).name, "numbers");
  assertEquals((await loadFlow(flowUrl("numbers.ts"), "letters", [])).name, "letters");
});

Deno.test("loadFlow() calls an export that is a function with the arguments, and awaits it", async () => {
  for (const name of ["called", "awaited"]) {
    const graph = await loadFlow(flowUrl("arguments.ts"), name, ["one", "two"]);
    assertEquals([...graph.ids.values()][0], "lines");
  }
});

Deno.test("loadFlow() refuses an export that is not there, also one that every object has", async () => {
  const exports = "(it exports first, second)";
  assertEquals(
    await refusal("only_named.ts", "third"),
    `only_named.ts has no export third ${exports}`,
  );
  assertEquals(
    await refusal("only_named.ts", "toString"),
    `only_named.ts has no export toString ${exports}`,
  );
  assertEquals(
    await refusal("only_named.ts", null),
    "only_named.ts has no default export; say which flow: only_named.ts:first or only_named.ts:second",
  );
});

Deno.test("loadFlow() shows an export that is not a flow on one line", async () => {
  assertEquals((await refusal("numbers.ts", "notAFlow")).includes("\n"), false);
  assertEquals(
    await refusal("numbers.ts", "makesNoFlow"),
    `what makesNoFlow() returned is not a Dataflow but "flow" ` +
      "(it exports default, letters, makesNoFlow, notAFlow)",
  );
});

Deno.test("loadFlow() shows a class as an export that is not a flow, and does not call it", async () => {
  const cure = "(it exports Circle, Counts, square)";
  assertEquals(
    await refusal("classes.ts", "Circle"),
    `export Circle is not a Dataflow but [class Circle] ${cure}`,
  );
  assertEquals(
    await refusal("classes.ts", "Counts"),
    `export Counts is not a Dataflow but [Function: Map] ${cure}`,
  );
  // A function that `new` takes too is called.
  assertEquals(
    await refusal("classes.ts", "square"),
    `what square() returned is not a Dataflow but 4 ${cure}`,
  );
});

Deno.test("loadFlow() checks the flow", async () => {
  const load = () => loadFlow(flowUrl("incomplete.ts"), "withoutOutput", []);
  await assertRejects(load, FlowDefinitionError, `flow "half" has no output`);
});
