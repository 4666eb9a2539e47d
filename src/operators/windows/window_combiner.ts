import type { WindowCombiner } from "../../graph/nodes.ts";
import { growBy, GrowingWindows } from "../../windows/partial_windows.ts";
import type { WindowStep } from "./window_logic.ts";

/** Combines the values of windows before they change workers; `null` if the step must see each. */
export function windowCombiner<V, A, R>(step: WindowStep<V, A, R>): WindowCombiner | null {
  const { clock, windower, fold } = step;
  if (clock.kind !== "event" || fold.isPartible !== true) return null;
  const grow = growBy(windower, fold);
  return {
    waitMs: clock.waitMs,
    timeOf: (value) => clock.timeOf(value as V),
    start: () => new GrowingWindows<A>(),
    // What a user's windower returns is checked where the value is added.
    endOf: (time) => windower.windowsAt(time)?.[0]?.closeAt,
    add: (partial, value, time) => grow(partial as GrowingWindows<A>, value as V, time),
    take: (partial) => (partial as GrowingWindows<A>).take(),
  };
}
