import { assertEquals, assertThrows } from "@std/assert";
import { type RunState, RunStates } from "../../../src/runtime/run/run_states.ts";

/** A run that went through these states after `loading`. */
function after(...states: RunState[]): RunStates {
  const run = new RunStates();
  for (const state of states) run.moveTo(state);
  return run;
}

const START: RunState[] = ["planning", "opening", "restoring"];
const RUNNING: RunState[] = [...START, "running"];

Deno.test("RunStates goes from loading to finished", () => {
  const run = after();
  const seen = [run.current];
  for (const state of [...RUNNING, "finishing", "finished"] as const) {
    assertEquals(run.isOver, false);
    run.moveTo(state);
    seen.push(run.current);
  }
  assertEquals(seen, ["loading", ...RUNNING, "finishing", "finished"]);
  assertEquals(run.isOver, true);
});

Deno.test("RunStates finishes early from any state before running, and from none after", () => {
  for (let states = 0; states <= START.length; states++) {
    const run = after(...START.slice(0, states));
    assertEquals(run.isStarting, true);
    run.moveTo("finished");
    assertEquals([run.isOver, run.isStarting], [true, false]);
  }
  const run = after(...RUNNING);
  assertEquals(run.isStarting, false);
  assertThrows(() => run.moveTo("finished"), Error, `from "running" to "finished"`);
});

Deno.test("RunStates cuts a run short while it runs or finishes, and not while it starts", () => {
  for (const states of [RUNNING, [...RUNNING, "finishing" as const]]) {
    for (const end of ["finished", "failed"] as const) {
      assertEquals(after(...states, "cutting", end).isOver, true);
    }
  }
  for (let states = 0; states <= START.length; states++) {
    assertThrows(() => after(...START.slice(0, states), "cutting"), Error, `to "cutting"`);
  }
});

Deno.test("RunStates fails from every state but the last ones", () => {
  const ways: RunState[][] = [
    ...[0, 1, 2, 3].map((states) => START.slice(0, states)),
    RUNNING,
    [...RUNNING, "finishing"],
    [...RUNNING, "cutting"],
  ];
  for (const way of ways) assertEquals(after(...way, "failed").isOver, true);
  for (const over of ["finished", "failed"] as const) {
    const run = after(over);
    assertThrows(() => run.moveTo("failed"), Error, `a run cannot go from "${over}" to "failed"`);
    assertEquals(run.current, over);
  }
});

Deno.test("RunStates names both states of a move that does not follow, and stays where it is", () => {
  const run = after("planning");
  for (const next of ["loading", "planning", "restoring", "running", "finishing"] as const) {
    assertThrows(
      () => run.moveTo(next),
      Error,
      `a run cannot go from "planning" to "${next}"`,
    );
  }
  assertEquals(run.current, "planning");
});
