/**
 * What the positions of a task mean as offsets of its group.
 *
 * @module
 */
import type { StoredPosition } from "../../recovery/store.ts";
import { SHUFFLE_STEP } from "../../group/log.ts";

/** Returns whether a position is that in the shuffle topic. */
export function isShufflePosition({ role, step }: StoredPosition): boolean {
  return role === "input" && step === SHUFFLE_STEP;
}
