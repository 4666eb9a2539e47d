import { EventTime } from "../../../src/graph/event_time.ts";
import type { StepScope } from "../../../src/graph/nodes.ts";

/** The time of a step by itself: the clock stands at zero. */
export function stillScope(quiet: () => number = () => 0): StepScope {
  const event = new EventTime(Infinity);
  Object.defineProperty(event, "quiet", { get: quiet });
  return {
    now: () => 0,
    quiet,
    forgotten: -Infinity,
    openWindows: null,
    ahead: () => 0,
    reach: () => {},
    event,
  };
}
