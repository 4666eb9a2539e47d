/**
 * Which sources can send something to a step, and on which ways: read off the plan of a flow.
 *
 * @module
 */
import type { StepId, WorkerIndex } from "../../core/ids.ts";
import type { StepNode } from "../../graph/nodes.ts";
import { idOf, type Plan } from "../plan.ts";
import { type OriginName, originName } from "./controls.ts";

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
  readonly #workers: number;
  readonly #ways = new Map<StepNode, Ways>();

  /** For a run with this many workers. */
  constructor(plan: Plan, workers: number) {
    this.#plan = plan;
    this.#workers = workers;
  }

  /** Returns what reaches a step. */
  reaching(node: StepNode): Reaching {
    const ways = this.#before(node);
    const nodes = [...ways.keys()];
    const steps = nodes.filter(({ kind }) => kind === "stateful")
      .map((node) => idOf(this.#plan, node));
    return {
      origins: nodes.flatMap((node) => this.#onAllWorkers(idOf(this.#plan, node))),
      steps: new Map(
        steps.flatMap((step) => this.#onAllWorkers(step).map((origin) => [origin, step] as const)),
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
    const carried = head.kind === "exchange"
      ? Array.from({ length: this.#workers }, (_, from) => this.#carried(this.#before(head), from))
      : stages.map((stage) => this.#carried(this.#after(stage), worker));
    return (channel, origin) => carried[channel].has(origin);
  }

  /** Returns the origins of items that a worker sends on these ways. */
  #carried(ways: Ways, worker: WorkerIndex): ReadonlySet<OriginName> {
    return new Set([...ways].flatMap(([node, { isMixed }]) => {
      const step = idOf(this.#plan, node);
      return isMixed ? this.#onAllWorkers(step) : [originName(step, worker)];
    }));
  }

  #onAllWorkers(step: string): OriginName[] {
    return Array.from({ length: this.#workers }, (_, worker) => originName(step, worker));
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

function changed(ways: Ways, change: (way: Way) => Way): Ways {
  return new Map([...ways].map(([node, way]) => [node, change(way)]));
}
