/**
 * Parts what a window step emits into its streams.
 *
 * @module
 */
import type { ChainNode, ChainOp, StepNode } from "../../graph/nodes.ts";
import { nearestDate } from "../../windows/instants.ts";
import type { WindowEvent } from "./window_logic.ts";

/** The window of a result. A window that ends beyond the last `Date` has that as its end. */
export interface WindowMetadata {
  /** Unique among the windows of a key: beginning and end as an ISO 8601 interval. */
  readonly id: string;
  /** Where the window begins. */
  readonly openAt: Date;
  /** Where the window ends: the first moment outside of it. */
  readonly closeAt: Date;
}

/** Returns the stream of late values, converted by `valueOf`. */
export function lateNode(
  upstream: StepNode,
  stepId: string,
  valueOf: (late: unknown) => unknown,
): ChainNode {
  return partNode(upstream, `${stepId}.late`, true, (event) => valueOf(event.value));
}

/** Returns the stream of results. */
export function resultsNode(upstream: StepNode, stepId: string): ChainNode {
  return partNode(upstream, `${stepId}.results`, false, (event) => event.value);
}

/** Returns the stream of results with their windows. */
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
