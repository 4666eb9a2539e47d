import type { BuildLogic } from "../graph/contracts.ts";
import { type Compare, compareNaturally, comparison } from "./compare.ts";
import { reduceFinalLogic } from "./reduce_final.ts";
import { requireFunction } from "./user_function.ts";

/** The smallest value of each key, when the input ends; the first of equals. */
export function minFinalLogic<V>(compare: Compare<V> = compareNaturally): BuildLogic<V, V, [V]> {
  requireFunction("minFinal's compare", compare);
  return reduceFinalLogic((min, value) =>
    comparison("minFinal", compare(value, min)) < 0 ? value : min
  );
}
