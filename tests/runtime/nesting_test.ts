import { assertStringIncludes, assertThrows } from "@std/assert";
import { flowName, refuseNesting, type SpawnFacts } from "../../src/runtime/nesting.ts";

const MAIN: SpawnFacts = { isWorker: false, isStandalone: false, running: [] };
const FLOW = flowName("file:///flow.ts", null);

function refusal(facts: Partial<SpawnFacts>): string {
  return assertThrows(() => refuseNesting(FLOW, { ...MAIN, ...facts }), Error).message;
}

Deno.test("refuseNesting() lets a program start workers, also below a worker of another flow", () => {
  refuseNesting(FLOW, MAIN);
  refuseNesting(FLOW, { ...MAIN, running: ["file:///other.ts:default", "file:///flow.ts:other"] });
});

Deno.test("refuseNesting() refuses a worker, and says where the call belongs", () => {
  const text = refusal({ isWorker: true });
  assertStringIncludes(text, "spawnCluster was called in a worker process");
  assertStringIncludes(text, "if (import.meta.main)");
});

Deno.test("refuseNesting() refuses a compiled program, and names run(flow)", () => {
  const text = refusal({ isStandalone: true });
  assertStringIncludes(text, "deno compile");
  assertStringIncludes(text, "run(flow)");
});

Deno.test("refuseNesting() refuses a flow that runs in a process above, directly or not", () => {
  const other = "file:///other.ts:default";
  for (const running of [[FLOW], [FLOW, other], [other, FLOW]]) {
    const text = refusal({ running });
    assertStringIncludes(text, `the flow ${FLOW} was started by one of its own workers`);
    assertStringIncludes(text, "if (import.meta.main)");
  }
});
