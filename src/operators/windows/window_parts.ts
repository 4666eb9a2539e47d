/**
 * Parts what a window step emits into its streams.
 *
 * @module
 */
import type { ChainNode, ChainOp, StepNode } from "../../graph/nodes.ts";
import { nearestDate } from "../../windows/instants.ts";
import type { WindowEvent } from "./window_logic.ts";

/** Which window a result is of. One that ends beyond the last `Date`, say, has that as its end. */
export interface WindowMetadata {
  /** Tells the windows of a key apart: its beginning and end as an ISO 8601 interval. */
  readonly id: string;
  /** Where it begins. */
  readonly openAt: Date;
  /** Where it ends: the first moment that it does not cover. */
  readonly closeAt: Date;
}

/** The stream of late values, as the step has them or as `valueOf` says. */
export function lateNode(
  upstream: StepNode,
  stepId: string,
  valueOf: (late: unknown) => unknown,
): ChainNode {
  return partNode(upstream, `${stepId}.late`, true, (event) => valueOf(event.value));
}

/** The stream of results. */
export function resultsNode(upstream: StepNode, stepId: string): ChainNode {
  return partNode(upstream, `${stepId}.results`, false, (event) => event.value);
}

/** The stream of results with their windows. */
export function windowsNode(upstream: StepNode, stepId: string): ChainNode {
  return partNode(upstream, `${stepId}.windows`, false, ({ value, span }) => {
    const [open, close] = [nearestDate(span!.openAt), nearestDate(span!.closeAt)];
    const id = `${open.toISOString()}/${close.toISOString()}`;
    return [{ id, openAt: open, closeAt: close } satisfies WindowMetadata, value];
  });
}

function partNode(
  upstream: StepNode,
  stepId: string,
  late: boolean,
  fn: (event: WindowEvent) => unknown,
): ChainNode {
  const op = late ? lateOnly : resultsOnly;
  return {
    kind: "chain",
    name: { given: stepId },
    upstreams: [upstream],
    op,
    fn,
    part: late ? "late" : "result",
  };
}

const lateOnly = partOp("late", "true");
const resultsOnly = partOp("results", "false");

function partOp(name: string, late: string): ChainOp {
  return {
    name,
    changesCount: true,
    expands: false,
    keepsKey: true,
    source: ({ item, fn, output, next }) => `
      if (${item}[1].late === ${late}) {
        const ${output} = [${item}[0], ${fn}(${item}[1])];
        ${next(output)}
      }`,
  };
}
