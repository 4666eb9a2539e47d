/**
 * Items in and out of each step.
 *
 * @module
 */
import type { StepId } from "../core/ids.ts";
import { kindOf } from "../graph/graph.ts";
import type { StepNode } from "../graph/nodes.ts";
import type { StepCounter } from "./chain.ts";
import { combinerOf, type Plan, windowCombinerOf } from "./plan.ts";

/** How many items entered a step and left it. An input has none in, an output none out. */
export interface StepCounts {
  /** The step. */
  readonly stepId: StepId;
  /** The kind of step: `input`, `map`, `stateful`, `capture` and so on. */
  readonly kind: string;
  /** Items in. */
  readonly in: number;
  /** Items out. */
  readonly out: number;
}

/**
 * Counts items by step. Only steps that change the number of items are counted while they run; what
 * the others let through follows from the steps upstream.
 */
export class FlowCounter implements StepCounter {
  readonly out: Float64Array;
  readonly #plan: Plan;
  readonly #numbers: ReadonlyMap<StepNode, number>;

  /** Starts at zero. */
  constructor(plan: Plan) {
    const { nodes } = plan.graph;
    this.#plan = plan;
    this.#numbers = new Map(nodes.map((node, number) => [node, number]));
    this.out = new Float64Array(nodes.length);
  }

  numberOf(node: StepNode): number {
    return this.#numbers.get(node)!;
  }

  /** Adds to what came out of a step (or, for an output, went into it). */
  add(node: StepNode, items: number): void {
    this.out[this.numberOf(node)] += items;
  }

  /** All counts, in the order of the steps. */
  read(): StepCounts[] {
    const { nodes, ids } = this.#plan.graph;
    const outs = new Map<StepNode, number>();
    const counts = nodes.map((node) => {
      const into = node.upstreams.reduce((sum, upstream) => sum + outs.get(upstream)!, 0);
      const counted = this.out[this.numberOf(node)];
      const out = this.#isMoved(node) || isCounted(node) ? counted : into;
      outs.set(node, out);
      const stepId = ids.get(node)!;
      const kind = kindOf(node);
      if (node.kind === "capture") return { stepId, kind, in: counted, out: 0 };
      return { stepId, kind, in: into, out };
    });
    // The user did not write the exchange before a stateful step.
    return counts.filter((_, i) => !isHidden(nodes[i]));
  }

  /**
   * Returns whether a step's output count must be taken here because its items came from other
   * workers. Combined exchanges are counted on the sending side.
   */
  #isMoved(node: StepNode): boolean {
    if (node.kind !== "exchange" || this.#plan.stageOf.get(node) !== node) return false;
    return combinerOf(this.#plan, node) === null && windowCombinerOf(this.#plan, node) === null;
  }
}

/** The counts of all workers together. */
export function sumCounts(workers: readonly (readonly StepCounts[])[]): StepCounts[] {
  const [first = [], ...others] = workers;
  return first.map((counts, i) => ({
    ...counts,
    in: others.reduce((sum, steps) => sum + steps[i].in, counts.in),
    out: others.reduce((sum, steps) => sum + steps[i].out, counts.out),
  }));
}

function isCounted(node: StepNode): boolean {
  switch (node.kind) {
    case "input":
    case "async":
    case "capture":
      return true;
    case "stateful":
      return !node.single;
    case "chain":
      return node.op.changesCount;
    case "merge":
    case "exchange":
      return false;
  }
}

function isHidden(node: StepNode): boolean {
  return node.kind === "exchange" && node.route === "key";
}
