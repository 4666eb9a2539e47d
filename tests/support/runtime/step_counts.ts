import type { StepCounts } from "../../../src/runtime/counts.ts";

/** The counts of a flow with two inputs, a step and two outputs. */
export function stepsOf(a: number, b: number, out: number): StepCounts[] {
  return [
    { stepId: "a", kind: "input", in: 0, out: a },
    { stepId: "b", kind: "input", in: 0, out: b },
    { stepId: "join", kind: "merge", in: a + b, out: a + b },
    { stepId: "out", kind: "capture", in: out, out: 0 },
    { stepId: "copy", kind: "capture", in: 2 * out, out: 0 },
  ];
}
