import type { BuildLogic } from "../graph/contracts.ts";
import type { Combiner } from "../graph/nodes.ts";
import { foldFinalLogic, mergeFinalLogic } from "./fold_final.ts";
import { beginWith } from "./stateful.ts";

/** Counts the values of each key until the input ends. */
export function countFinalLogic(): BuildLogic<unknown, number, number> {
  return foldFinalLogic(() => 0, (count: number) => count + 1);
}

/** Counts values on each worker, then adds the counts. */
export function countFinalCombiner(): Combiner {
  return {
    start: () => 1,
    add: (count) => count as number + 1,
    begin: beginWith(mergeFinalLogic((a: number, b: number) => a + b)),
  };
}
