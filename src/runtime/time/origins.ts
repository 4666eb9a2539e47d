/**
 * Which sources can send something to a step, and on which ways: read off the plan of a flow.
 *
 * @module
 */
import type { StepId, WorkerIndex } from "../../core/ids.ts";
import type { StepNode } from "../../graph/nodes.ts";
import { idOf, type Plan } from "../plan.ts";
import { type OriginName, originName, partsOfOrigin } from "./controls.ts";

/** How items of a step's sources come to another step. */
interface Way {
  /** Whether they have changed workers, so that any worker may bring those of any other. */
  readonly isMixed: boolean;
  /** Whether none can overtake another of the same source. */
  readonly isInOrder: boolean;
}

/** By the input or window step that has the sources. */
type Ways = ReadonlyMap<StepNode, Way>;

/** What reaches a step. */
export interface Reaching {
  /** All that can send something to the step, on all workers. */
  readonly origins: readonly OriginName[];
  /** Those of them that are window steps, with the step of each. */
  readonly steps: ReadonlyMap<OriginName, StepId>;
  /** Whether items of a source come in the order in which they were read. */
  readonly isInOrder: boolean;
}

/** Knows the sources of each step of a plan. */
export class Origins {
  readonly #plan: Plan;
  readonly #workersOf: (node: StepNode) => number;
  readonly #ways = new Map<StepNode, Ways>();

  /**
   * For a run with this many workers. In a group, a step may have more than others: `workers` then
   * returns how many tasks run the part of a step.
   */
  constructor(plan: Plan, workers: number | ((node: StepNode) => number)) {
    this.#plan = plan;
    this.#workersOf = typeof workers === "number" ? () => workers : workers;
  }

  /** Returns what reaches a step. */
  reaching(node: StepNode): Reaching {
    const ways = this.#before(node);
    const nodes = [...ways.keys()];
    const steps = nodes.filter(({ kind }) => kind === "stateful");
    return {
      origins: nodes.flatMap((node) => this.#onAllWorkers(node)),
      steps: new Map(
        steps.flatMap((node) =>
          this.#onAllWorkers(node).map((origin) => [origin, idOf(this.#plan, node)] as const)
        ),
      ),
      isInOrder: ways.values().every(({ isInOrder }) => isInOrder),
    };
  }

  /**
   * Returns the inputs of a worker whose items come to a step in order, and by no other worker.
   */
  ownInOrder(node: StepNode, worker: WorkerIndex): ReadonlySet<OriginName> {
    const own = [...this.#before(node)].filter(([origin, { isMixed, isInOrder }]) =>
      origin.kind === "input" && !isMixed && isInOrder
    );
    return new Set(own.map(([origin]) => originName(idOf(this.#plan, origin), worker)));
  }

  /** Returns the inputs, on all workers, whose items come to a step from there, by no other way. */
  direct(node: StepNode): ReadonlySet<OriginName> {
    const inputs = [...this.#before(node)].filter(([origin, { isMixed }]) =>
      origin.kind === "input" && !isMixed
    );
    return new Set(inputs.flatMap(([origin]) => this.#onAllWorkers(origin)));
  }

  /**
   * Returns whether a channel can bring items of an origin. It is the channel of a merge from a
   * stage, or that of an exchange from a worker.
   *
   * @param head The merge or exchange.
   * @param stages The stages that send to it.
   * @param worker Where it is.
   */
  carries(
    head: StepNode,
    stages: readonly StepNode[],
    worker: WorkerIndex,
  ): (channel: number, origin: OriginName) => boolean {
    if (head.kind === "exchange") {
      const isMixed = this.#mixed(this.#before(head));
      return (channel, origin) => isCarried(isMixed, channel, origin);
    }
    const mixed = stages.map((stage) => this.#mixed(this.#after(stage)));
    return (channel, origin) => isCarried(mixed[channel], worker, origin);
  }

  /** By step that has sources on these ways: whether its items have changed workers. */
  #mixed(ways: Ways): ReadonlyMap<StepId, boolean> {
    return new Map([...ways].map(([node, { isMixed }]) => [idOf(this.#plan, node), isMixed]));
  }

  #onAllWorkers(node: StepNode): OriginName[] {
    const step = idOf(this.#plan, node);
    const length = this.#workersOf(node);
    return Array.from({ length }, (_, worker) => originName(step, worker));
  }

  /** What comes to a step. */
  #before(node: StepNode): Ways {
    const ways = new Map<StepNode, Way>();
    const stages = new Map<StepNode, Set<unknown>>(); // by origin, the stages that bring it
    for (const upstream of new Set(node.upstreams)) {
      const stage = this.#plan.stageOf.get(upstream);
      for (const [origin, way] of this.#after(upstream)) {
        const other = ways.get(origin);
        const from = stages.get(origin) ?? new Set();
        stages.set(origin, from.add(stage));
        ways.set(origin, {
          isMixed: way.isMixed || other?.isMixed === true,
          isInOrder: way.isInOrder && other?.isInOrder !== false && from.size === 1,
        });
      }
    }
    return ways;
  }

  /** What goes out of a step. */
  #after(node: StepNode): Ways {
    const known = this.#ways.get(node);
    if (known !== undefined) return known;
    const ways = this.#through(node);
    this.#ways.set(node, ways);
    return ways;
  }

  #through(node: StepNode): Ways {
    const own: Ways = new Map([[node, { isMixed: false, isInOrder: true }]]);
    switch (node.kind) {
      case "input":
        return own;
      case "stateful":
        return node.quiet ? own : this.#before(node);
      case "async":
        return changed(this.#before(node), (way) => ({
          ...way,
          isInOrder: way.isInOrder && node.ordered,
        }));
      case "exchange":
        if (this.#plan.stageOf.get(node) !== node) return this.#before(node);
        return changed(this.#before(node), ({ isMixed, isInOrder }) => ({
          isMixed: true,
          isInOrder: isInOrder && !isMixed,
        }));
      default:
        return this.#before(node);
    }
  }
}

/** Returns whether a worker can send items of an origin. */
function isCarried(
  mixed: ReadonlyMap<StepId, boolean>,
  worker: WorkerIndex,
  origin: OriginName,
): boolean {
  const { step, worker: from } = partsOfOrigin(origin);
  const isMixed = mixed.get(step);
  return isMixed !== undefined && (isMixed || from === worker);
}

function changed(ways: Ways, change: (way: Way) => Way): Ways {
  return new Map([...ways].map(([node, way]) => [node, change(way)]));
}
