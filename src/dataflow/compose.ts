/**
 * Steps that consist of several nodes, and access to the node of a handle.
 *
 * @module
 */
import { FlowDefinitionError } from "../core/errors.ts";
import type { StepId } from "../core/ids.ts";
import { preview } from "../core/preview.ts";
import type { BuildLogic } from "../graph/contracts.ts";
import { type FLOW_BRAND, type FlowBrand, type FlowPosition, positionOf } from "../graph/graph.ts";
import type { StepNode } from "../graph/nodes.ts";
import { byKeyNode } from "../operators/exchange.ts";
import { type JoinMethod, type JoinSides, joinSides } from "../operators/join_options.ts";
import { joinSideNode } from "../operators/join_side.ts";
import { sidesNode } from "../operators/merge.ts";
import { beginNode, type StatefulKind, statefulNode } from "../operators/stateful.ts";
import { windowCombiner } from "../operators/windows/window_combiner.ts";
import { driftOf, windowLogic, type WindowStep } from "../operators/windows/window_logic.ts";
import { lateNode, resultsNode, windowsNode } from "../operators/windows/window_parts.ts";

/** A handle on a flow. It may come from another copy of this module. */
export interface Handle {
  /** Marks it. */
  readonly [FLOW_BRAND]: FlowBrand<unknown>;
}

/** Returns where a handle stands. */
export function standing(handle: Handle): FlowPosition {
  return positionOf(handle)!;
}

/** Returns the node that a handle stands on. `step` names the step being added, for the error. */
export function nodeOf(handle: Handle, step: string): StepNode {
  const { draft, node } = standing(handle);
  if (node !== null) return node;
  throw new FlowDefinitionError(
    `${step} was called on the root of flow "${draft.name}", where no items are yet: ` +
      `start with .input(id, config)`,
  );
}

/** Throws unless both handles belong to one flow. `verb` names the operation, for the error. */
export function requireSameFlow(handle: Handle, other: Handle, verb: string): void {
  const [ours, theirs] = [standing(handle).draft, standing(other).draft];
  if (ours !== theirs) {
    throw new FlowDefinitionError(
      `cannot ${verb} a stream of flow "${theirs.name}" into flow "${ours.name}": ` +
        `start both with .input on the same Dataflow`,
    );
  }
}

/** Returns the nodes of the streams that are merged into one. */
export function mergedNodes(handle: Handle, others: readonly unknown[]): StepNode[] {
  return others.map((other) => {
    if (positionOf(other) === null) {
      throw new FlowDefinitionError(
        `merge takes streams, and options such as { id: "all" } last; got ${preview(other)}`,
      );
    }
    requireSameFlow(handle, other as Handle, "merge");
    return nodeOf(other as Handle, "merge");
  });
}

/** Adds a stateful step, after the exchange that brings each item to the owner of its key. */
export function addKeyed<V, W, S>(
  handle: Handle,
  stepId: StepId,
  build: BuildLogic<V, W, S>,
  kind: StatefulKind = {},
): StepNode {
  const routed = addRoute(handle, `stateful step "${stepId}"`);
  return standing(handle).draft.add(statefulNode(routed, stepId, build, kind));
}

/** Returns the streams of a join, starting with the one that it is called on. */
export function joinStreams(
  method: JoinMethod,
  stepId: StepId,
  first: Handle,
  sides: JoinSides,
): readonly Handle[] {
  return [first, ...joinSides(method, stepId, sides)];
}

/** Adds what brings the streams of a join together: each value with the number of its side. */
export function addSides(
  method: JoinMethod,
  streams: readonly Handle[],
  stepId: StepId,
): StepNode {
  const [first] = streams;
  const { draft } = standing(first);
  const nodes = streams.map((stream) => {
    requireSameFlow(first, stream, "join");
    return nodeOf(stream, `${method} "${stepId}"`);
  });
  const sided = nodes.map((node, side) => draft.add(joinSideNode(node, stepId, side)));
  return draft.add(sidesNode(sided, stepId));
}

/** The streams of a window step. */
export interface WindowNodes {
  readonly results: StepNode;
  readonly late: StepNode;
  /**
   * Adds the results with their windows. Called only when a user asks for them, so nobody else
   * pays.
   */
  readonly addWindows: () => StepNode;
}

/** Adds a window step. `lateValue` turns a late value into the user's form. */
export function addWindowStep<V, A, R>(
  handle: Handle,
  stepId: StepId,
  step: WindowStep<V, A, R>,
  lateValue: (late: V) => unknown,
): WindowNodes {
  const { draft } = standing(handle);
  const routed = addRoute(handle, `window step "${stepId}"`);
  const begin = windowLogic(step, `window step "${stepId}"`); // checks the step
  const kind: StatefulKind = {
    quiet: step.clock.kind === "event",
    timeOf: (value) => step.clock.timeOf(value as V),
    waitMs: step.clock.waitMs,
    driftMs: driftOf(step),
    windowCombiner: windowCombiner(step),
    stateKind: step.fold.stateKind ?? "windows",
  };
  const logic = draft.add(beginNode(routed, stepId, begin, kind));
  const late = draft.add(lateNode(logic, stepId, lateValue as (late: unknown) => unknown));
  const results = draft.add(resultsNode(logic, stepId));
  return { results, late, addWindows: () => draft.add(windowsNode(logic, stepId)) };
}

function addRoute(handle: Handle, step: string): StepNode {
  return standing(handle).draft.add(byKeyNode(nodeOf(handle, step)));
}
