import type { BuildLogic } from "../graph/contracts.ts";
import type { Combiner } from "../graph/nodes.ts";
import { type Compare, compareNaturally, extremeOf } from "./compare.ts";
import { reduceFinalCombiner, reduceFinalLogic } from "./reduce_final.ts";

/** The largest or smallest value of each key, when the input ends; the first of equals. */
export function extremeFinal<V>(
  step: "maxFinal" | "minFinal",
  compare: Compare<V> = compareNaturally,
): { logic: BuildLogic<V, V, [V]>; combiner: Combiner } {
  const better = extremeOf(step, compare);
  return { logic: reduceFinalLogic(better), combiner: reduceFinalCombiner(better) };
}
