import { assertEquals, assertStringIncludes } from "@std/assert";
import { instance } from "@viz-js/viz";
import { dot, mermaid } from "../../src/cli/graph.ts";
import type { FlowDescription } from "../../src/runtime/flow_description.ts";

const from = (step: string, more = {}) => ({ step, stream: null, isExchanged: false, ...more });

/** A flow whose steps have names that mean something in Mermaid or Graphviz. */
const FLOW: FlowDescription = {
  name: 'a "flow"',
  steps: [
    { id: "end", kind: "input", stateKind: null, stage: 0, from: [] },
    { id: 'say "#1;" <b>\\n', kind: "map", stateKind: null, stage: 0, from: [from("end")] },
    {
      id: "windows",
      kind: "window",
      stateKind: "windows",
      stage: 1,
      from: [from('say "#1;" <b>\\n', { isExchanged: true })],
    },
    {
      id: "capture-1",
      kind: "capture",
      stateKind: null,
      stage: 2,
      from: [from("windows", { stream: "late" })],
    },
  ],
};

Deno.test("a flow is drawn in Mermaid", () => {
  assertEquals(
    mermaid(FLOW, { stages: false }),
    `flowchart LR
  s0(["end<br>input"])
  s1["say #34;#35;1#59;#34; #60;b#62;#92;n<br>map"]
  s2["windows<br>window"]
  s3(["capture-1"])
  s0 --> s1
  s1 --> s2
  s2 -- late --> s3
`,
  );
});

Deno.test("stages are boxes around steps, and arrows say where items change workers", () => {
  assertEquals(
    mermaid(FLOW, { stages: true }),
    `flowchart LR
  subgraph stage0 [" "]
    s0(["end<br>input"])
    s1["say #34;#35;1#59;#34; #60;b#62;#92;n<br>map"]
  end
  s2["windows<br>window"]
  s3(["capture-1"])
  s0 --> s1
  s1 -- to other workers --> s2
  s2 -- late --> s3
`,
  );
});

Deno.test("Graphviz reads the steps with the names that they have", async () => {
  const viz = await instance();
  for (const stages of [false, true]) {
    const { objects = [], edges = [], name } = viz.renderJSON(dot(FLOW, { stages })) as {
      name: string;
      objects: { label?: string; name: string }[];
      edges: { label?: string }[];
    };
    assertEquals(name, FLOW.name);
    const labels = objects.filter(({ name }) => !name.startsWith("cluster"))
      .map(({ label }) => label);
    assertEquals(labels.toSorted(), [
      "capture-1",
      "end\\ninput",
      'say "#1;" <b>\\\\n\\nmap',
      "windows\\nwindow",
    ]);
    assertEquals(edges.length, 3);
    assertEquals(edges.some(({ label }) => label === "late"), true);
    assertEquals(edges.some(({ label }) => label === "to other workers"), stages);
  }
  assertStringIncludes(viz.renderString(dot(FLOW, { stages: true }), { format: "svg" }), "<svg");
});
