/**
 * Cuts a graph into stages: what runs as one task on a worker.
 *
 * A stage is a *head* and the synchronous steps fused downstream of it. Heads are: an input,
 * `mapAsync`, a stateful step, a merge of several stages, and an exchange. A stateful step with one
 * output for each value is fused too. A stage ends at the next heads and outputs, its *ports*. Only
 * what must queue is cut. If all streams of a merge come from one stage, the merge stays inside it,
 * and order is kept across it.
 *
 * @module
 */
import type { StepId } from "../core/ids.ts";
import type { FlowGraph } from "../graph/graph.ts";
import type {
  AsyncNode,
  CaptureNode,
  Combiner,
  ExchangeNode,
  InputNode,
  MergeNode,
  StatefulNode,
  StepNode,
  WindowCombiner,
} from "../graph/nodes.ts";

/** A node that starts a stage. */
export type HeadNode = InputNode | AsyncNode | StatefulNode | MergeNode | ExchangeNode;

/** A node that a stage hands items over to. */
export type PortNode = Exclude<HeadNode, InputNode> | CaptureNode;

/** One stage. */
export interface StagePlan {
  /** What produces its items. */
  readonly head: HeadNode;
  /** Where its items go, each target once. */
  readonly ports: readonly PortNode[];
}

/** How a worker runs a flow, or the part of it that is its own. */
export interface Plan {
  /** The flow. */
  readonly graph: FlowGraph;
  /** The stages that run here. Upstream stages before downstream ones. */
  readonly stages: readonly StagePlan[];
  /** The outputs that are written here. */
  readonly captures: readonly CaptureNode[];
  /** The stages of the whole flow, in the same order. */
  readonly flowStages: readonly StagePlan[];
  /** The steps that read each step. */
  readonly consumers: ReadonlyMap<StepNode, readonly StepNode[]>;
  /** The head of the stage that each step but the outputs runs in. */
  readonly stageOf: ReadonlyMap<StepNode, HeadNode>;
}

/** How a flow is planned. */
export interface PlanOptions {
  /**
   * Whether each step by the time of its values has an exchange right before it, in any case. Those
   * who send then know that time.
   */
  readonly timedApart?: boolean;
}

/**
 * Plans each worker of a run with `workerCount` of them. A single one needs no exchanges. Nor is
 * one needed if items are on their key's worker already, as between two stateful steps with nothing
 * in between that could change keys.
 */
export function planFlow(
  graph: FlowGraph,
  workerCount: number,
  { timedApart = false }: PlanOptions = {},
): Plan {
  const consumers = consumersOf(graph.nodes);
  const isApart = (node: ExchangeNode) => timedApart && timedAfter(consumers, node) !== null;
  const stageOf = assignStages(
    graph.nodes,
    (node) => workerCount > 1 && (isApart(node) || moves(node)),
  );
  const heads = graph.nodes.filter((node): node is HeadNode => stageOf.get(node) === node);
  const stages = heads.map((head) => ({ head, ports: portsOf(head, consumers, stageOf) }));
  const captures = graph.nodes.filter((node) => node.kind === "capture");
  return { graph, stages, captures, flowStages: stages, consumers, stageOf };
}

/** The exchanges at which items change workers. Their indexes are their numbers. */
export function exchangesOf({ flowStages }: Plan): ExchangeNode[] {
  return flowStages.map(({ head }) => head).filter((head) => head.kind === "exchange");
}

/**
 * The id of the step that people know an exchange by. The user did not write the one before a
 * stateful step, so it is the latter.
 */
export function shownIdOf(plan: Plan, exchange: ExchangeNode): StepId {
  return idOf(plan, exchange.route === "key" ? plan.consumers.get(exchange)![0] : exchange);
}

/** Whether a step of the flow goes by the time of its values. */
export function goesByTime({ nodes }: FlowGraph): boolean {
  return nodes.some((node) => node.kind === "stateful" && node.quiet);
}

/** Returns whether a step downstream goes by the time of its values. */
export function feedsTimed(plan: Plan, node: StepNode): boolean {
  return plan.consumers.get(node)!.some((consumer) =>
    (consumer.kind === "stateful" && consumer.quiet) || feedsTimed(plan, consumer)
  );
}

/** The step that an exchange leads to, if it goes by the time of its values; else `null`. */
export function timedAfter(
  consumers: Plan["consumers"],
  exchange: ExchangeNode,
): StatefulNode | null {
  const [consumer] = consumers.get(exchange)!;
  return exchange.route === "key" && consumer.kind === "stateful" && consumer.quiet
    ? consumer
    : null;
}

/** The ids of the inputs that a step's items come from. */
export function inputsOf(plan: Plan, node: StepNode): StepId[] {
  const seen = new Set<StepNode>();
  const visit = (each: StepNode) => {
    if (seen.has(each)) return;
    seen.add(each);
    each.upstreams.forEach(visit);
  };
  visit(node);
  return [...seen].filter(({ kind }) => kind === "input").map((input) => idOf(plan, input));
}

/** How values are combined before an exchange; `null` where each of them changes workers. */
export function combinerOf(plan: Plan, exchange: ExchangeNode): Combiner | null {
  return ownerOf(plan, exchange)?.combiner ?? null;
}

/** The same for the windows of values. */
export function windowCombinerOf(plan: Plan, exchange: ExchangeNode): WindowCombiner | null {
  return ownerOf(plan, exchange)?.windowCombiner ?? null;
}

/** The stateful step to whose workers an exchange sends items; `null` if it does not. */
function ownerOf(plan: Plan, exchange: ExchangeNode): StatefulNode | null {
  if (plan.stageOf.get(exchange) !== exchange) return null; // nothing changes workers
  const [consumer] = plan.consumers.get(exchange)!;
  return exchange.route === "key" && consumer.kind === "stateful" ? consumer : null;
}

/** The id of a step of the plan. */
export function idOf(plan: Plan, node: StepNode): StepId {
  return plan.graph.ids.get(node)!;
}

function consumersOf(nodes: readonly StepNode[]): Map<StepNode, StepNode[]> {
  const consumers = new Map<StepNode, StepNode[]>(nodes.map((node) => [node, []]));
  for (const node of nodes) {
    for (const upstream of node.upstreams) consumers.get(upstream)!.push(node);
  }
  return consumers;
}

function assignStages(
  nodes: readonly StepNode[],
  isCut: (exchange: ExchangeNode) => boolean,
): Map<StepNode, HeadNode> {
  const stageOf = new Map<StepNode, HeadNode>();
  for (const node of nodes) {
    switch (node.kind) {
      case "input":
      case "async":
        stageOf.set(node, node);
        break;
      case "stateful":
        stageOf.set(node, node.single ? stageOf.get(node.upstreams[0])! : node);
        break;
      case "chain":
        stageOf.set(node, stageOf.get(node.upstreams[0])!);
        break;
      case "exchange":
        stageOf.set(node, isCut(node) ? node : stageOf.get(node.upstreams[0])!);
        break;
      case "merge": {
        const [first, ...others] = new Set(node.upstreams.map((from) => stageOf.get(from)!));
        stageOf.set(node, others.length === 0 ? first : node);
        break;
      }
      case "capture":
        break;
    }
  }
  return stageOf;
}

/** Whether items change workers at an exchange, where there are several. */
function moves({ route, upstreams }: ExchangeNode): boolean {
  return !(route === "key" && isWithOwner(upstreams[0]));
}

/** Whether every item that leaves a step is on the worker that owns its key. */
function isWithOwner(node: StepNode): boolean {
  switch (node.kind) {
    case "stateful":
      return true;
    case "exchange":
      return node.route === "key";
    case "chain":
      return node.op.keepsKey && isWithOwner(node.upstreams[0]);
    case "merge":
      return node.upstreams.every(isWithOwner);
    default:
      return false;
  }
}

function portsOf(
  head: HeadNode,
  consumers: ReadonlyMap<StepNode, readonly StepNode[]>,
  stageOf: ReadonlyMap<StepNode, HeadNode>,
): PortNode[] {
  const ports = new Set<PortNode>();
  const seen = new Set<StepNode>();
  const visit = (node: StepNode): void => {
    if (seen.has(node)) return;
    seen.add(node);
    for (const consumer of consumers.get(node)!) {
      if (stageOf.get(consumer) === head) visit(consumer);
      else ports.add(consumer as PortNode);
    }
  };
  visit(head);
  return [...ports];
}
