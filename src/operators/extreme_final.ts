import type { BuildLogic } from "../graph/contracts.ts";
import type { Combiner } from "../graph/nodes.ts";
import { type Compare, compareNaturally, leadOf } from "./compare.ts";
import { chooseFinalLogic } from "./reduce_final.ts";
import { beginWith } from "./stateful.ts";

/**
 * Keeps the largest or smallest value of each key until the input ends. Of equal values, the first
 * to arrive stays.
 */
export function extremeFinal<V>(
  step: "maxFinal" | "minFinal",
  compare: Compare<V> = compareNaturally,
): { logic: BuildLogic<V, V, [V]>; combiner: Combiner } {
  const lead = leadOf(step, compare);
  const better = (best: V, value: V): V => lead(value, best) > 0 ? value : best;
  const logic = chooseFinalLogic(better);
  const combiner: Combiner = {
    start: (_key, value) => value,
    add: (best, value) => better(best as V, value as V),
    begin: beginWith(logic), // the best of some values is a value
  };
  return { logic, combiner };
}
