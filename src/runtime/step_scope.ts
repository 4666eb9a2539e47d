import type { RunClock } from "../core/run_clock.ts";
import { EventTime } from "../graph/event_time.ts";
import type { StepScope } from "../graph/nodes.ts";

/**
 * The time of a run as a step sees it. `quiet` tells for how long the step has been quiet. `event`
 * is the time of its values, for steps that go by it.
 */
export function stepScope(
  clock: RunClock,
  quiet: () => number,
  event: EventTime = new EventTime(Infinity),
): StepScope {
  return {
    now: () => clock.now(),
    quiet,
    event,
    forgotten: -Infinity,
    openWindows: null,
    ahead: () => clock.ahead(),
    reach: (at) => clock.reach(at),
  };
}
