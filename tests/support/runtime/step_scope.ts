import type { StepScope } from "../../../src/graph/nodes.ts";

/** The time of a step by itself: the clock stands at zero. */
export function stillScope(quiet: () => number = () => 0): StepScope {
  return { now: () => 0, quiet, forgotten: -Infinity, ahead: () => 0, reach: () => {} };
}
