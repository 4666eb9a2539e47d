import type { BuildLogic } from "../graph/contracts.ts";
import { foldFinalLogic } from "./fold_final.ts";

/** How many values each key had, when the input ends. */
export function countFinalLogic(): BuildLogic<unknown, number, number> {
  return foldFinalLogic(() => 0, (count: number) => count + 1);
}
