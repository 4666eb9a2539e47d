/**
 * Items in and out of each step.
 *
 * @module
 */
import type { StepId } from "../core/ids.ts";
import type { FlowGraph } from "../graph/graph.ts";
import type { StepNode } from "../graph/nodes.ts";
import type { StepCounter } from "./chain.ts";
import type { Plan } from "./plan.ts";

/** How many items went into a step and came out of it. An input takes none, an output gives none. */
export interface StepCounts {
  /** The step. */
  readonly stepId: StepId;
  /** What it is: `input`, `map`, `stateful`, `capture` … . */
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
  readonly #graph: FlowGraph;
  readonly #stageOf: Plan["stageOf"]; // says where items come from other workers
  readonly #numbers: ReadonlyMap<StepNode, number>;

  /** Starts at zero. */
  constructor({ graph, stageOf }: Pick<Plan, "graph" | "stageOf">) {
    this.#graph = graph;
    this.#stageOf = stageOf;
    this.#numbers = new Map(graph.nodes.map((node, number) => [node, number]));
    this.out = new Float64Array(graph.nodes.length);
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
    const outs = new Map<StepNode, number>();
    const counts = this.#graph.nodes.map((node) => {
      const into = node.upstreams.reduce((sum, upstream) => sum + outs.get(upstream)!, 0);
      const counted = this.out[this.numberOf(node)];
      const moved = node.kind === "exchange" && this.#stageOf.get(node) === node;
      const out = moved || isCounted(node) ? counted : into;
      outs.set(node, out);
      const stepId = this.#graph.ids.get(node)!;
      const kind = node.kind === "chain" ? node.op.name : node.kind;
      if (node.kind === "capture") return { stepId, kind, in: counted, out: 0 };
      return { stepId, kind, in: into, out };
    });
    // The exchange before a stateful step is no step that the user wrote.
    return counts.filter((_, i) => !isHidden(this.#graph.nodes[i]));
  }
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
