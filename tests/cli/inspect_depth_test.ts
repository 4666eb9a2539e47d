import { assert, assertEquals } from "@std/assert";
import { inspectDepth } from "../../src/cli/inspect_depth.ts";

Deno.test("values are shown to a depth of 100, however large they are", () => {
  const cycle: Record<string, unknown> = { a: 1 };
  cycle.self = cycle;
  const large = Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [i, { i }]));
  for (const value of [1, null, "a", cycle, large, new Map([[{}, new Set([1])]])]) {
    assertEquals(inspectDepth(value), 100);
  }
});

Deno.test("a value is not shown as deep as would take without end", () => {
  let doubled: unknown = [];
  for (let i = 0; i < 40; i++) doubled = [doubled, doubled];
  const nodes = new Set<unknown>();
  for (let i = 0; i < 40; i++) nodes.add({ i, nodes, byId: new Map([[i, nodes]]) });
  for (const value of [doubled, nodes]) {
    assert(Deno.inspect(value, { depth: inspectDepth(value) }).length < 30_000_000);
  }
});
