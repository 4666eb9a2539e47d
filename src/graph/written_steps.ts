/**
 * The steps of a flow as the user wrote them. Some consist of several nodes.
 *
 * @module
 */
import type { StepId } from "../core/ids.ts";
import type { FlowGraph } from "./graph.ts";
import type { StepNode } from "./nodes.ts";

/** Returns how many steps the user wrote. */
export function countSteps({ nodes }: FlowGraph): number {
  return nodes.filter((node) => node.part === undefined).length;
}

/** A stream that no step reads. */
export interface UnreadStream {
  /** The step that emits it. */
  readonly step: StepId;
  /** Which stream of a `branch`; `null` for a step with one stream. */
  readonly side: "yes" | "no" | null;
}

/**
 * Returns the streams that nothing reads, so that their items are lost. The usual cause is a
 * forgotten `capture`.
 *
 * `inspect` is used for its effect, so it may come last. Late values are counted, and warned of
 * only if there are some.
 */
export function unreadStreams({ nodes, ids }: FlowGraph): readonly UnreadStream[] {
  const read = new Set(nodes.flatMap(({ upstreams }) => upstreams));
  const unread: UnreadStream[] = [];
  for (const node of nodes) {
    if (read.has(node) || node.kind === "capture" || isInspect(node)) continue;
    const { part, upstreams: [whole] } = node;
    if (part === undefined) unread.push({ step: ids.get(node)!, side: null });
    else if (part === "yes" || part === "no") unread.push({ step: ids.get(whole)!, side: part });
    else if (part === "result") {
      // A window step may have two streams of results: with their windows, and without.
      const all = nodes.filter((other) => other.part === part && other.upstreams[0] === whole);
      const isTold = all[0] !== node || all.some((other) => read.has(other));
      if (!isTold) unread.push({ step: ids.get(whole)!, side: null });
    }
  }
  return unread;
}

function isInspect(node: StepNode): boolean {
  return node.kind === "chain" && (node.op.name === "inspect" || node.op.name === "inspectEpoch");
}
