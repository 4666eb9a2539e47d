/**
 * A flow as data: its steps as the user wrote them, and how they are run.
 *
 * @module
 */
import type { StepId } from "../core/ids.ts";
import { type FlowGraph, kindOf } from "../graph/graph.ts";
import type { StateKind, StepNode } from "../graph/nodes.ts";
import { planFlow } from "./plan.ts";
import { numberStages } from "./stage_readings.ts";

/** A flow. */
export interface FlowDescription {
  /** Its name. */
  readonly name: string;
  /** Its steps, each after those upstream of it. */
  readonly steps: readonly StepDescription[];
}

/** A step as the user wrote it. */
export interface StepDescription {
  /** Its id. */
  readonly id: StepId;
  /** What kind of step it is, such as `input`, `map`, `stateful`, `window` or `capture`. */
  readonly kind: string;
  /** What a built-in step keeps for a key; `null` for others. */
  readonly stateKind: StateKind | null;
  /** Steps with the same number run in one loop. An output has its own. */
  readonly stage: number;
  /** The streams that it reads. */
  readonly from: readonly StreamDescription[];
}

/** A stream that a step reads. */
export interface StreamDescription {
  /** The step that emits it. */
  readonly step: StepId;
  /** Which of the streams of a window step or a `branch`; `null` for the results of a step. */
  readonly stream: "late" | "yes" | "no" | null;
  /** Whether its items change workers: to those that own their keys. */
  readonly isExchanged: boolean;
}

/** Describes a flow as a number of workers run it. */
export function describeFlow(graph: FlowGraph, workers: number): FlowDescription {
  const plan = planFlow(graph, workers);
  const { stageOf } = plan;
  const stages = numberStages(plan);
  const moves = (node: StepNode): boolean => node.kind === "exchange" && stageOf.get(node) === node;
  const streamsInto = (node: StepNode): StreamDescription[] => {
    const streams: StreamDescription[] = [];
    for (const stream of node.upstreams.flatMap((upstream) => streamsOf(upstream, moves))) {
      if (streams.some((known) => isSame(known, stream))) continue;
      streams.push({ ...stream, isExchanged: stream.isExchanged || moves(node) });
    }
    return streams;
  };
  const steps = graph.nodes.filter(({ part }) => part === undefined).map((node) => ({
    id: graph.ids.get(node)!,
    kind: shownKind(node),
    stateKind: node.kind === "stateful" ? node.stateKind ?? null : null,
    stage: stages.get(stageOf.get(node) ?? node)!.stage,
    from: streamsInto(node),
  }));
  return { name: graph.name, steps };

  /** A node that is part of a step stands for what it reads. */
  function streamsOf(
    node: StepNode,
    moves: (node: StepNode) => boolean,
  ): StreamDescription[] {
    const { part } = node;
    if (part === undefined) {
      return [{ step: graph.ids.get(node)!, stream: null, isExchanged: false }];
    }
    const own = part === "late" || part === "yes" || part === "no" ? part : null;
    return node.upstreams.flatMap((upstream) => streamsOf(upstream, moves)).map((stream) => ({
      ...stream,
      stream: own ?? stream.stream,
      isExchanged: stream.isExchanged || moves(node),
    }));
  }
}

function isSame(a: StreamDescription, b: StreamDescription): boolean {
  return a.step === b.step && a.stream === b.stream;
}

function shownKind(node: StepNode): string {
  if (node.kind === "exchange") return "redistribute";
  if (node.kind !== "stateful") return kindOf(node);
  const { stateKind } = node;
  const isWindow = stateKind === "windows" || stateKind === "collected" || stateKind === "joined";
  return isWindow ? "window" : "stateful";
}
