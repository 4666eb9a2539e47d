import { assertThrows } from "@std/assert";
import { requireSameFlow } from "../../../src/runtime/run/same_flow.ts";

/** What the first worker loaded, then what each other one did. */
const check = (...flows: string[][]) =>
  requireSameFlow(flows.map((steps, worker) => ({ worker, steps })));

Deno.test("requireSameFlow() accepts workers with the same steps, and one alone", () => {
  check(["in", "out"], ["in", "out"], ["in", "out"]);
  check(["in", "out"]);
});

Deno.test("requireSameFlow() names the first step that differs, and the worker that has it", () => {
  assertThrows(
    () => check(["in", "map-1", "out"], ["in", "map-1", "out"], ["in", "filter-1", "out-2"]),
    Error,
    "worker 2 has another flow than worker 0: it has filter-1 in place of map-1. " +
      "The flow must be the same on every worker",
  );
});

Deno.test("requireSameFlow() names a step that one worker has and another has not", () => {
  assertThrows(() => check(["in"], ["in", "out"]), Error, "it has out in place of none");
  assertThrows(() => check(["in", "out"], ["in"]), Error, "it has no step in place of out");
});
