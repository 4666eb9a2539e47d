/**
 * The stages of a worker as operators see them: under the numbers of the flow's description.
 *
 * @module
 */
import type { StepNode } from "../graph/nodes.ts";
import type { Plan } from "./plan.ts";
import type { TaskTimes } from "./task_meter.ts";

/** How a stage has spent its time on one worker since the run began, and what waits for it. */
export interface StageReading {
  /** As `StepDescription.stage` has it. */
  readonly stage: number;
  /** It was at work, in milliseconds. */
  readonly busyMs: number;
  /** A full channel downstream kept it from what it had to do, in milliseconds. */
  readonly backpressuredMs: number;
  /** The rest of the time, in milliseconds. */
  readonly idleMs: number;
  /** Items that wait in front of it. */
  readonly queued: number;
}

/** What a stage's head, or an output, counts as. */
export interface StageNumber {
  readonly stage: number;
  /** Whether no step of the user's runs in it: it counts as part of the stage downstream. */
  readonly isHidden: boolean;
}

/** A task, as its stage's readings are made of it. */
export interface StagePart extends StageNumber {
  /** Items that wait in front of it. */
  readonly queued: number;
}

/** Numbers the stages and outputs of a flow, in the order of the steps that the user wrote. */
export function numberStages(plan: Plan): Map<StepNode, StageNumber> {
  const { graph, stageOf, flowStages } = plan;
  const numbers = new Map<StepNode, StageNumber>();
  for (const node of graph.nodes) {
    const head = stageOf.get(node) ?? node; // an output has no stage
    if (node.part !== undefined || numbers.has(head)) continue;
    numbers.set(head, { stage: numbers.size, isHidden: false });
  }
  for (const { head, ports: [port] } of flowStages.toReversed()) {
    if (numbers.has(head)) continue;
    numbers.set(head, { stage: numbers.get(port)!.stage, isHidden: true });
  }
  return numbers;
}

/**
 * The readings of all stages.
 *
 * @param times Those of each part, in the same order.
 * @param ms How long the worker has run, in milliseconds.
 */
export function readStages(
  parts: readonly StagePart[],
  times: readonly TaskTimes[],
  ms: number,
): StageReading[] {
  const sums = new Map<number, { busyMs: number; backpressuredMs: number; queued: number }>();
  for (const [i, { stage, isHidden, queued }] of parts.entries()) {
    const sum = sums.get(stage) ?? { busyMs: 0, backpressuredMs: 0, queued: 0 };
    sum.busyMs += times[i].busyMs;
    // What comes in waits for the stage itself, which is not downstream of it.
    if (!isHidden) sum.backpressuredMs += times[i].backpressuredMs;
    sum.queued += queued;
    sums.set(stage, sum);
  }
  return [...sums].sort(([a], [b]) => a - b).map((
    [stage, { busyMs, backpressuredMs, queued }],
  ) => ({
    stage,
    busyMs,
    backpressuredMs,
    idleMs: Math.max(0, ms - busyMs - backpressuredMs),
    queued,
  }));
}
