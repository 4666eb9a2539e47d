/**
 * Cuts a flow into sub-topologies: the parts that a group of machines shares out as tasks.
 *
 * Items go from one part to another through the log only, at exchanges. So a flow is planned as for
 * several workers. Heads that are still connected are one part:
 *
 * ```text
 *   input ── map ──┤exchange├── stateful ── merge ── capture
 *                                            │
 *                              input ────────┘
 *   part "orders"                  part "totals": a shuffle and an input
 * ```
 *
 * Each machine cuts for itself, so all of this depends on the flow's shape alone.
 *
 * @module
 */
import { FlowDefinitionError, messageOf } from "../../core/errors.ts";
import type { StepId } from "../../core/ids.ts";
import type { InputConfig } from "../../graph/contracts.ts";
import type { FlowGraph } from "../../graph/graph.ts";
import type { ExchangeNode, InputNode, StepNode } from "../../graph/nodes.ts";
import type { GroupExchange, GroupTopology, SubTopology } from "../../group/topology.ts";
import {
  combinerOf,
  exchangesOf,
  type HeadNode,
  idOf,
  type Plan,
  planFlow,
  shownIdOf,
} from "../plan.ts";

/** Part of every hash: another way of cutting, or of writing frames, makes another layout. */
const LAYOUT = 1;

/** The longest name of a sub-topology: topics are named after it, and have 249 characters. */
const LONGEST_NAME = 100;

/** How a flow is cut. */
export interface CutOptions {
  /** How many shards keyed steps have: an integer from 1 to 1,024. */
  readonly shards: number;
  /**
   * Returns the topics that an input reads; `null` if it reads none, so that it cannot be shared
   * out by partition.
   */
  readonly topicsOf: (config: InputConfig<unknown>) => readonly string[] | null;
}

/** A part of a flow: what each task of a sub-topology runs. */
export interface FlowPart extends SubTopology {
  /** The stages and outputs of the part, and of no other. */
  readonly plan: Plan;
}

/** An exchange: where items go from one part to another, or back to the same. */
export interface CutExchange {
  readonly node: ExchangeNode;
  /** The name of the part that sends. */
  readonly from: string;
  /** The name of the part that receives. */
  readonly to: string;
}

/** A flow in parts. */
export interface FlowCut {
  /** The whole flow. */
  readonly graph: FlowGraph;
  /** What the group has to know. */
  readonly topology: GroupTopology;
  /** By name, in the order of the flow. */
  readonly parts: ReadonlyMap<string, FlowPart>;
  /** The index is the number that frames have. */
  readonly exchanges: readonly CutExchange[];
}

/**
 * Cuts a flow.
 *
 * @throws {FlowDefinitionError} If a group cannot run the flow. The message names the step and the
 * cure.
 * @throws {RangeError} If the number of shards is out of range.
 *
 * @example
 * ```ts ignore
 * const cut = cutFlow(graphOf(flow), { shards: 64, topicsOf: kafkaTopicsOf });
 * cut.topology.subtopologies; // [{ name: "orders", … }, { name: "totals", hasShuffle: true, … }]
 * ```
 */
export function cutFlow(graph: FlowGraph, { shards, topicsOf }: CutOptions): FlowCut {
  if (!Number.isInteger(shards) || shards < 1 || shards > 1024) {
    throw new RangeError(`a group has from 1 to 1024 shards; got ${shards}`);
  }
  const plan = planFlow(graph, 2, { timedApart: true });
  requireShareable(plan);
  const groups = connected(plan);
  const nameOf = namesOf(plan, groups);
  const parts = new Map<string, FlowPart>();
  for (const heads of groups) {
    const name = nameOf.get(heads[0])!;
    parts.set(name, partOf(plan, heads, name, topicsOf));
  }
  const exchanges = exchangesOf(plan).map((node): CutExchange => ({
    node,
    from: nameOf.get(plan.stageOf.get(node.upstreams[0])!)!,
    to: nameOf.get(node)!,
  }));
  const subtopologies = Array.from(parts.values(), ({ plan: _, ...rest }): SubTopology => rest);
  const known = numbered(exchanges.map(({ node, from, to }) => ({
    step: shownIdOf(plan, node),
    route: node.route,
    isCombined: combinerOf(plan, node) !== null, // partial results are not values
    from,
    to,
  })));
  const hash = hashOf(layoutOf(shards, subtopologies, known));
  const topology = { subtopologies, exchanges: known, shards, hash };
  return { graph, topology, parts, exchanges };
}

/** Refuses what no node of a group can know: when all has ended. */
function requireShareable(plan: Plan): void {
  for (const node of plan.graph.nodes) {
    if (node.kind !== "stateful") continue;
    const step = JSON.stringify(idOf(plan, node));
    if (node.emitsAtEnd) {
      throw new FlowDefinitionError(
        `step ${step} emits when its input ends, and the inputs of a group never do: use a running ` +
          "result, such as statefulMap, or run the flow without --group",
      );
    }
  }
}

/** The heads that items reach from one another without an exchange. In the order of the flow. */
function connected(plan: Plan): HeadNode[][] {
  const groupOf = new Map<HeadNode, HeadNode[]>();
  for (const { head } of plan.stages) groupOf.set(head, [head]);
  for (const { head, ports } of plan.stages) {
    for (const port of ports) {
      if (port.kind === "exchange" || port.kind === "capture") continue;
      const [ours, theirs] = [groupOf.get(head)!, groupOf.get(port)!];
      if (ours === theirs) continue;
      ours.push(...theirs);
      for (const each of theirs) groupOf.set(each, ours);
    }
  }
  const order = new Map(plan.stages.map(({ head }, index) => [head, index]));
  return [...new Set(groupOf.values())]
    .map((heads) => heads.sort((a, b) => order.get(a)! - order.get(b)!));
}

/** The name of each head's part. */
function namesOf(plan: Plan, groups: readonly HeadNode[][]): Map<HeadNode, string> {
  const taken = new Set<string>();
  const names = new Map<HeadNode, string>();
  for (const heads of groups) {
    const id = idOf(plan, namingNode(plan, new Set(heads)));
    const base = topicName(id);
    let name = base;
    for (let n = 2; taken.has(name); n++) name = `${base}-${n}`;
    taken.add(name);
    for (const head of heads) names.set(head, name);
  }
  return names;
}

/** Its first input or keyed step; without one, the exchange. */
function namingNode(plan: Plan, heads: ReadonlySet<StepNode>): StepNode {
  const own = plan.graph.nodes.filter((node) => {
    const head = plan.stageOf.get(node);
    return head !== undefined && heads.has(head);
  });
  return own.find(({ kind }) => kind === "input" || kind === "stateful") ?? own[0];
}

/**
 * A step's id as a part of a topic's name. One that has other characters, or is long, gets a hash
 * of all of it, so that two of them do not become one. A dot is one of these: it would make step
 * "eu.count" of app "p" share its topics with step "count" of app "p.eu".
 */
function topicName(id: StepId): string {
  const plain = id.replaceAll(/[^A-Za-z0-9_-]/g, "-").slice(0, LONGEST_NAME);
  return plain === id ? id : `${plain}-${hashOf(id)}`;
}

function partOf(
  plan: Plan,
  heads: readonly HeadNode[],
  name: string,
  topicsOf: CutOptions["topicsOf"],
): FlowPart {
  const own = new Set<StepNode>(heads);
  const stages = plan.stages.filter(({ head }) => own.has(head));
  const ports = new Set<StepNode>(stages.flatMap((stage) => stage.ports));
  const captures = plan.captures.filter((node) => ports.has(node));
  const inputs = heads.filter((head) => head.kind === "input");
  const topics = inputs.flatMap((input) => topicsOfInput(plan, input, topicsOf));
  const stateful = plan.graph.nodes.filter((node) =>
    node.kind === "stateful" && own.has(plan.stageOf.get(node)!)
  );
  return {
    name,
    sourceTopics: [...new Set(topics)].sort(),
    hasShuffle: heads.some(({ kind }) => kind === "exchange"),
    hasState: stateful.length > 0,
    inputs: inputs.map((input) => idOf(plan, input)),
    stateful: stateful.map((node) => idOf(plan, node)),
    plan: { ...plan, stages, captures },
  };
}

function topicsOfInput(
  plan: Plan,
  input: InputNode,
  topicsOf: CutOptions["topicsOf"],
): readonly string[] {
  const step = JSON.stringify(idOf(plan, input));
  let topics: readonly string[] | null;
  try {
    topics = topicsOf(input.config);
  } catch (cause) {
    throw new FlowDefinitionError(`input ${step} cannot be read by a group: ${messageOf(cause)}`, {
      cause,
    });
  }
  if (topics === null || topics.length === 0) {
    throw new FlowDefinitionError(
      `input ${step} reads no Kafka topic, so a group cannot share it out: put its items into a ` +
        "topic first, by a flow without --group, or run this one without --group",
    );
  }
  return topics;
}

/** Numbers exchanges by what they are, and not by where they are in the flow. */
function numbered(exchanges: readonly Omit<GroupExchange, "number">[]): GroupExchange[] {
  const taken = new Set<number>();
  return exchanges.map((exchange) => {
    const { step, route, isCombined, to } = exchange;
    const hash = parseInt(hashOf(JSON.stringify([step, route, isCombined, to])), 16);
    let number = (hash ^ (hash >>> 16)) & 0xffff;
    while (taken.has(number)) number = (number + 1) & 0xffff;
    taken.add(number);
    return { number, ...exchange };
  });
}

/** What decides where items, positions and state lie. Users' functions do not. */
function layoutOf(
  shards: number,
  subtopologies: readonly SubTopology[],
  exchanges: readonly GroupExchange[],
): string {
  return JSON.stringify([
    LAYOUT,
    shards,
    subtopologies.map(({ name, sourceTopics, hasShuffle, hasState, inputs }) => [
      name,
      sourceTopics,
      hasShuffle,
      hasState,
      inputs,
    ]),
    exchanges.map(({ number, step, route, isCombined, from, to }) => [
      number,
      step,
      route,
      isCombined,
      from,
      to,
    ]),
  ]);
}

/** 32-bit FNV-1a over the text's UTF-16 code units, as eight hexadecimal digits. */
function hashOf(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, "0");
}
