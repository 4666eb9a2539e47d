import type { BuildLogic } from "../graph/contracts.ts";
import { type Compare, compareNaturally, comparison } from "./compare.ts";
import { reduceFinalLogic } from "./reduce_final.ts";
import { requireFunction } from "./user_function.ts";

/** The largest value of each key, when the input ends; the first of equals. */
export function maxFinalLogic<V>(compare: Compare<V> = compareNaturally): BuildLogic<V, V, [V]> {
  requireFunction("maxFinal's compare", compare);
  return reduceFinalLogic((max, value) =>
    comparison("maxFinal", compare(value, max)) > 0 ? value : max
  );
}
