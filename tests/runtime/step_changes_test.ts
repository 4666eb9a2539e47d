import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { decodeValue, encodeValue } from "../../src/core/value_codec.ts";
import { RecoveryError, type StoredPosition } from "../../src/recovery/store.ts";
import {
  type FlowSteps,
  matchSteps,
  type StepChangeOptions,
  stepChangesOf,
  StepMatchError,
  type StoredSteps,
} from "../../src/runtime/step_changes.ts";

function flow(keyed: string[], inputs: string[] = ["in"], outputs: string[] = ["out"]): FlowSteps {
  return { keyed, inputs, outputs };
}

/** What is stored: steps with keys, and positions by their role. */
function stored(keyed: string[], positions: Partial<Record<string, string[]>> = {}): StoredSteps {
  return {
    keyed: keyed.map((step) => ({ step, keys: 1, bytes: 1 })),
    positions: Object.entries(positions).flatMap(([role, steps = []]) =>
      steps.map((step): StoredPosition => ({
        step,
        role: role as StoredPosition["role"],
        partition: "0",
        state: new Uint8Array(),
      }))
    ),
  };
}

function match(stored: StoredSteps | null, flow: FlowSteps, options: StepChangeOptions = {}) {
  const { renamed, dropped, notes, warnings } = matchSteps(stored, flow, stepChangesOf(options));
  return {
    renamed: Object.fromEntries(renamed),
    dropped: [...dropped],
    notes: Object.fromEntries(notes.map(({ step, state }) => [step, decodeValue(state)])),
    warnings,
  };
}

function refusal(stored: StoredSteps | null, flow: FlowSteps, options: StepChangeOptions = {}) {
  const error = assertThrows(() => match(stored, flow, options), StepMatchError);
  assertEquals(error instanceof RecoveryError, true);
  return error.message;
}

const NOTHING = { renamed: {}, dropped: [], notes: {}, warnings: [] };

Deno.test("matchSteps() has nothing to do where all that is stored is in the flow", () => {
  assertEquals(match(null, flow(["count"])), NOTHING);
  assertEquals(match(stored([]), flow(["count"])), NOTHING);
  const all = stored(["count"], { input: ["in"], output: ["out"], time: ["windows"] });
  assertEquals(match(all, flow(["count", "windows", "new"])), NOTHING);
});

Deno.test("matchSteps() refuses to leave state behind, and names the steps on both sides", () => {
  const text = refusal(stored(["count", "sum"], { input: ["in"] }), flow(["tally", "sum"]));
  assertEquals(
    text,
    `the recovery store has what the flow has no step for: stateful step "count"
nothing is stored of stateful step "tally" of the flow
if a step was renamed: --rename-step count=tally, or from code renameSteps: { count: "tally" }, or once: cli.ts state rename-step PATH count tally
if a step was taken out: --drop-step count drops what is stored of it, or from code dropSteps: [ "count" ], or once: cli.ts state drop-step PATH count`,
  );
});

Deno.test("matchSteps() refuses to leave positions behind, of inputs, outputs and time", () => {
  const gone = stored([], { input: ["in 1"], output: ["out 1"], time: ["windows"] });
  const text = refusal(gone, flow([], ["in 2"], ["out 2"]));
  assertStringIncludes(text, `input "in 1", output "out 1", stateful step "windows"`);
  assertStringIncludes(text, `nothing is stored of input "in 2", output "out 2" of the flow`);
  assertStringIncludes(text, "--rename-step 'in 1'='in 2'".replaceAll("'", ""));
});

Deno.test("matchSteps() refuses a step that has become one of another kind", () => {
  const text = refusal(stored([], { input: ["x"] }), flow([], ["in"], ["x"]));
  assertStringIncludes(text, `no step for: input "x"`);
});

Deno.test("matchSteps() renames state and positions, any number of steps at once", () => {
  const before = stored(["a", "b"], { input: ["in"], time: ["a"], output: ["out"] });
  const now = flow(["a2", "b2"], ["in2"], ["out2"]);
  const renameSteps = { a: "a2", b: "b2", in: "in2", out: "out2" };
  assertEquals(match(before, now, { renameSteps }), {
    ...NOTHING,
    renamed: { a2: "a", b2: "b", in2: "in", out2: "out" },
    notes: renameSteps,
  });
});

Deno.test("matchSteps() lets steps change their names with one another, and move up in a row", () => {
  assertEquals(
    match(stored(["a", "b"]), flow(["a", "b"]), { renameSteps: { a: "b", b: "a" } }).renamed,
    { a: "b", b: "a" },
  );
  assertEquals(
    match(stored(["a", "b"]), flow(["b", "c"]), { renameSteps: { a: "b", b: "c" } }).renamed,
    { b: "a", c: "b" },
  );
});

Deno.test("matchSteps() refuses renames that cannot be", () => {
  const cases: [StoredSteps | null, FlowSteps, Record<string, string>, string][] = [
    [stored(["b"]), flow(["b"]), { a: "b" }, `nothing is stored of "a"`],
    [null, flow(["b"]), { a: "b" }, "the recovery store is empty: is it the right one?"],
    [stored(["a"]), flow(["b"]), { a: "c" }, `has no stateful step, input or output "c"`],
    [stored(["a", "b"]), flow(["b"]), { a: "b" }, `something is stored of "b" already`],
    [stored([], { input: ["a", "b"] }), flow([], ["b"]), { a: "b" }, 'is stored of "b" already'],
    [stored(["a"]), flow(["a", "b"]), { a: "b" }, `the flow still has a step "a"`],
    [stored(["a"]), flow([], ["b"]), { a: "b" }, "it was a stateful step and is an input now"],
    [stored(["a", "b", "c"]), flow(["b", "c"]), { a: "b", b: "c" }, `stored of "c" already`],
  ];
  for (const [before, now, renameSteps, message] of cases) {
    const text = refusal(before, now, { renameSteps });
    assertStringIncludes(text, message);
    assertStringIncludes(text, "cannot be renamed to");
  }
});

Deno.test("matchSteps() drops what the flow does not have, and nothing else", () => {
  const before = stored(["a", "b"], { input: ["in"], time: ["w"] });
  assertEquals(match(before, flow(["b"]), { dropSteps: ["a", "w"] }), {
    ...NOTHING,
    dropped: ["a", "w"],
    notes: { a: null, w: null },
  });
  const text = refusal(before, flow(["a", "b"]), { dropSteps: ["a"] });
  assertStringIncludes(text, `step "a" cannot be dropped: the flow has it`);
  assertStringIncludes(refusal(before, flow(["b"]), { dropSteps: ["w"] }), `stateful step "a"`);
});

Deno.test("matchSteps() does not drop an output that has left work unfinished", () => {
  const { keyed, positions } = stored([], { output: ["old", "out"] });
  const unfinished = positions.map((each) => ({ ...each, partition: "unfinished:t" }));
  const text = refusal({ keyed, positions: unfinished }, flow([]), { dropSteps: ["old"] });
  assertEquals(
    text,
    `step "old" cannot be dropped: this output has written what is not visible yet, and only it ` +
      "can complete that. Run the flow as it was, until its inputs end or you stop it once; then " +
      "drop the step",
  );
  const named = (step: string) => ({ ...positions[0], step, partition: "unfinished:t" });
  const others = { keyed, positions: [positions[0], named("out")] };
  assertEquals(match(others, flow([]), { dropSteps: ["old"] }).dropped, ["old"]);
});

Deno.test("matchSteps() does not do again what a note says has been done", () => {
  const changes: StepChangeOptions = { renameSteps: { a: "b", b: "a" }, dropSteps: ["c"] };
  const first = matchSteps(stored(["a", "b", "c"]), flow(["a", "b"]), stepChangesOf(changes));
  const after: StoredSteps = { ...stored(["a"]), positions: first.notes };
  assertEquals(match(after, flow(["a", "b"]), changes), {
    ...NOTHING,
    notes: { a: "b", b: "a", c: null },
    warnings: [
      `step "a" was renamed to "b" by an earlier run: the option can go`,
      `step "b" was renamed to "a" by an earlier run: the option can go`,
      `step "c" was dropped by an earlier run: the option can go`,
    ],
  });
  // The notes go with the options.
  assertEquals(match(after, flow(["a", "b"])), NOTHING);
  const other = refusal(after, flow(["a", "d"]), { renameSteps: { b: "d" } });
  assertStringIncludes(other, `nothing is stored of "b"`);
});

Deno.test("matchSteps() refuses to rename to a step whose own rename was done before", () => {
  const note = { step: "b", role: "gone" as const, partition: "", state: encodeValue("c") };
  const { keyed } = stored(["a", "b", "c"]);
  const renameSteps = { a: "b", b: "c" };
  const text = refusal({ keyed, positions: [note] }, flow(["b", "c"]), { renameSteps });
  assertStringIncludes(text, `"a" cannot be renamed to "b": something is stored of "b" already`);
});

Deno.test("matchSteps() warns of a drop of what is not there", () => {
  assertEquals(match(null, flow(["a"]), { dropSteps: ["b"] }).warnings, [
    `nothing is stored of step "b", so there is nothing to drop`,
  ]);
});

Deno.test("stepChangesOf() refuses what is neither a rename nor a drop", () => {
  const cases: [unknown, string][] = [
    [{ renameSteps: "a=b" }, "renameSteps must be an object"],
    [{ renameSteps: ["a", "b"] }, "renameSteps must be an object"],
    [{ renameSteps: { a: 1 } }, "renameSteps must have step ids as values; got 1"],
    [{ renameSteps: { a: "a" } }, `step "a" is renamed to its own name`],
    [{ renameSteps: { a: "c", b: "c" } }, `"a" and "b" cannot both be renamed to "c"`],
    [{ dropSteps: "a" }, "dropSteps must be an array of step ids"],
    [{ dropSteps: [1] }, "dropSteps must be an array of step ids"],
    [{ renameSteps: { a: "b" }, dropSteps: ["a"] }, `step "a" is both renamed and dropped`],
  ];
  for (const [options, message] of cases) {
    assertThrows(() => stepChangesOf(options as StepChangeOptions), TypeError, message);
  }
});
