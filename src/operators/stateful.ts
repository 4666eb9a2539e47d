import type { BuildLogic } from "../graph/contracts.ts";
import type { BeginStep, StatefulNode, StepNode } from "../graph/nodes.ts";
import { requireFunction } from "./user_function.ts";

/** How the engine treats a stateful step; see {@linkcode StatefulNode}. */
export type StatefulKind = Partial<
  Pick<
    StatefulNode,
    | "single"
    | "quiet"
    | "timeOf"
    | "driftMs"
    | "waitMs"
    | "combiner"
    | "windowCombiner"
    | "stateKind"
    | "emitsAtEnd"
  >
>;

/** Keeps state for each key, made by `build`: the primitive of all stateful steps. */
export function statefulNode<V, W, S>(
  upstream: StepNode,
  stepId: string,
  build: BuildLogic<V, W, S>,
  kind: StatefulKind = {},
): StatefulNode {
  requireFunction(`stateful step "${stepId}"`, build);
  return beginNode(upstream, stepId, beginWith(build), kind);
}

/** Begins a step whose keys share nothing. */
export function beginWith<V, W, S>(build: BuildLogic<V, W, S>): BeginStep {
  // Nodes hold logic of all types; the builder's signature has checked this one.
  const anyBuild = build as unknown as BuildLogic<never, unknown, unknown>;
  return (time) => (state, key, resumed) => anyBuild(state, key, time, resumed);
}

/** The same for a step whose keys share something on each worker. */
export function beginNode(
  upstream: StepNode,
  stepId: string,
  begin: BeginStep,
  {
    single = false,
    quiet = false,
    timeOf,
    driftMs,
    waitMs,
    combiner = null,
    windowCombiner = null,
    stateKind,
    emitsAtEnd,
  }: StatefulKind = {},
): StatefulNode {
  const name = { given: stepId };
  return {
    kind: "stateful",
    name,
    upstreams: [upstream],
    begin,
    single,
    quiet,
    ...(emitsAtEnd === undefined ? {} : { emitsAtEnd }),
    ...(timeOf === undefined ? {} : { timeOf }),
    ...(driftMs === undefined ? {} : { driftMs }),
    ...(waitMs === undefined ? {} : { waitMs }),
    combiner,
    windowCombiner,
    ...(stateKind === undefined ? {} : { stateKind }),
  };
}
