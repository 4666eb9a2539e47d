/**
 * How many items go into a task, and out of it.
 *
 * @module
 */
import type { StepId } from "../../core/ids.ts";
import type { StepNode } from "../../graph/nodes.ts";
import type { StepCounts } from "../counts.ts";
import type { FlowPart } from "./cut_flow.ts";

/** A side of a step. */
interface Side {
  readonly step: StepId;
  readonly side: "in" | "out";
}

/** Items of a task. */
export interface TaskItemCounts {
  /** What its inputs have read, and what other tasks have sent it. */
  readonly in: number;
  /** What its outputs have been given, and what it has sent to tasks. */
  readonly out: number;
}

/** The sides of a part's steps at which items come from elsewhere, and go elsewhere. */
export class TaskItems {
  readonly #in: readonly Side[];
  readonly #out: readonly Side[];

  /** Looks at the steps of a part. */
  constructor({ plan }: FlowPart) {
    const { graph, stageOf } = plan;
    const heads = new Set<StepNode>(plan.stages.map(({ head }) => head));
    const isOurs = (node: StepNode) => heads.has(stageOf.get(node)!);
    const side = (node: StepNode, side: Side["side"]) => ({ step: graph.ids.get(node)!, side });
    this.#in = graph.nodes.flatMap((node) => {
      if (node.kind === "input") return isOurs(node) ? [side(node, "out")] : [];
      // An exchange itself is not always counted.
      const isFromTasks = node.upstreams.some((each) => each.kind === "exchange" && isOurs(each));
      return isFromTasks ? [side(node, "in")] : [];
    });
    const sending = graph.nodes.flatMap((node) =>
      node.kind === "exchange" && stageOf.get(node) === node ? node.upstreams.filter(isOurs) : []
    );
    this.#out = [
      ...plan.captures.map((node) => side(node, "in")),
      ...sending.map((node) => side(node, "out")),
    ];
  }

  /** Returns what has passed these sides. */
  read(counts: readonly StepCounts[]): TaskItemCounts {
    const known = new Map(counts.map((each) => [each.stepId, each]));
    const sum = (sides: readonly Side[]) =>
      sides.reduce((all, { step, side }) => all + (known.get(step)?.[side] ?? 0), 0);
    return { in: sum(this.#in), out: sum(this.#out) };
  }
}
