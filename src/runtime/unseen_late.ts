import type { Log } from "../core/log.ts";
import type { ChainNode } from "../graph/nodes.ts";
import type { FlowCounter } from "./counts.ts";
import { idOf, type Plan } from "./plan.ts";

/** Warns of late values that nothing in the flow would see. */
export class UnseenLate {
  readonly #plan: Plan;
  readonly #counter: FlowCounter;
  readonly #log: Log;
  readonly #told = new Map<ChainNode, number>(); // how many were late when it was said last

  constructor(plan: Plan, counter: FlowCounter, log: Log) {
    this.#plan = plan;
    this.#counter = counter;
    this.#log = log;
    for (const node of plan.graph.nodes) {
      if (node.kind !== "chain" || node.op.name !== "late") continue;
      if (plan.consumers.get(node)!.length === 0) this.#told.set(node, 0);
    }
  }

  /** Warns once of each step that has some; at the end of the run, of how many there were. */
  tell(isEnd: boolean): void {
    for (const [node, told] of this.#told) {
      const late = this.#counter.out[this.#counter.numberOf(node)];
      if (late === told || (told > 0 && !isEnd)) continue;
      this.#told.set(node, late);
      this.#log.warn(
        "values came when their windows had closed, and nothing takes them: capture the .late stream " +
          "of the step, or have its clock wait as long as values of one source are out of order",
        { step: idOf(this.#plan, node.upstreams[0]), late },
      );
    }
  }
}
