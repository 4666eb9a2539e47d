/**
 * Which steps of a worker are not done yet, for people to read.
 *
 * @module
 */
import type { Epoch, StepId } from "../core/ids.ts";
import type { Log } from "../core/log.ts";
import type { FlowGraph } from "../graph/graph.ts";
import type { LeftStep } from "./stop_limit.ts";
import type { Task } from "./tasks/task.ts";

/** The steps of tasks, in the order they were written. */
export function openSteps(graph: FlowGraph, tasks: readonly Task[]): LeftStep[] {
  const order = [...graph.ids.values()];
  const left = new Map<StepId, number>();
  for (const task of tasks) {
    left.set(task.stepId, (left.get(task.stepId) ?? 0) + (task.inFlight ?? 0));
  }
  return Array.from(left, ([step, inFlight]) => ({ step, inFlight }))
    .sort((a, b) => order.indexOf(a.step) - order.indexOf(b.step));
}

/**
 * Warns of an epoch that has been closing for `ms`: names the step that holds it up, and those that
 * wait. Steps before it may have no room, and those after it have not come to the end of the epoch.
 *
 * @param tasks Those that have not passed the epoch, downstream ones first.
 */
export function warnOfOpenEpoch(
  log: Log,
  graph: FlowGraph,
  tasks: readonly Task[],
  { epoch, ms }: { epoch: Epoch; ms: number },
): void {
  if (tasks.length === 0) return; // it has come to its end meanwhile
  const { stepId: step, isBusy } = tasks.find((task) => task.isBusy) ?? tasks.at(-1)!;
  const waiting = openSteps(graph, tasks).map((each) => each.step).filter((each) => each !== step);
  const message = isBusy === false
    ? "an epoch is still closing: this worker waits for others"
    : "an epoch is still closing";
  log.warn(message, {
    epoch,
    step,
    ...waiting.length === 0 ? {} : { stepsWaiting: waiting.join() },
    seconds: ms / 1000,
  });
}
