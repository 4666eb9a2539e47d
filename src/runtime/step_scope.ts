import type { RunClock } from "../core/run_clock.ts";
import type { StepScope } from "../graph/nodes.ts";

/** The time of a run as a step sees it; `quiet` tells for how long the step has been quiet. */
export function stepScope(clock: RunClock, quiet: () => number): StepScope {
  return {
    now: () => clock.now(),
    quiet,
    forgotten: -Infinity,
    ahead: () => clock.ahead(),
    reach: (at) => clock.reach(at),
  };
}
