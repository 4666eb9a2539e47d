/**
 * Renames and drops the steps of a store.
 *
 * All is one commit of the epoch that was committed last. So after a crash the store is as before,
 * or as it should be.
 *
 * @module
 */
import { UsageError } from "../../core/errors.ts";
import type { StepId } from "../../core/ids.ts";
import { encodeValue } from "../../core/value_codec.ts";
import { forgetting, storing } from "../chunk_of_keys.ts";
import { isNote, type RecoveryStore, type StateChunk, type StoredPosition } from "../store.ts";
import {
  contentOf,
  requireFinished,
  requireStep,
  sizeOf,
  type StepSize,
  storedSteps,
} from "./content.ts";

/** Whether a tool changes the store, or only checks whether it could. */
export interface EditOptions {
  readonly dryRun: boolean;
}

/**
 * Moves all that is stored of a step to another one.
 *
 * @returns What was moved.
 * @throws {UsageError} If nothing is stored of the step, or something of the other one.
 */
export async function renameStep(
  store: RecoveryStore,
  { from, to }: { readonly from: StepId; readonly to: StepId },
  { dryRun }: EditOptions,
): Promise<StepSize> {
  const content = await contentOf(store);
  requireStep(content, from);
  const what = `step "${from}" cannot be renamed to "${to}": `;
  if (from === to) throw new UsageError(`${what}it has that name`);
  if (storedSteps(content).has(to)) {
    throw new UsageError(
      `${what}something is stored of "${to}" already. If it is not needed any more, drop it first: ` +
        "state drop-step",
    );
  }
  const size = sizeOf(content, from);
  if (dryRun) return size;
  const kept = content.positions.filter(({ step, role }) =>
    step !== to && !(step === from && role === "gone")
  );
  const positions = kept.map((each) => each.step === from ? { ...each, step: to } : each);
  // A flow that is started with --rename-step then knows that this has been done.
  const note = {
    step: from,
    role: "gone",
    partition: "",
    state: encodeValue(to),
  } satisfies StoredPosition;
  const state: StateChunk[] = [];
  for await (const keys of store.load(from)) {
    state.push(forgetting(from, keys), storing(to, keys));
  }
  await store.commit(content.epoch!, { state, positions: [...positions, note] });
  return size;
}

/**
 * Drops all that is stored of a step.
 *
 * @returns What was dropped.
 * @throws {UsageError} If nothing is stored of it, or it is an output with unfinished work.
 */
export async function dropStep(
  store: RecoveryStore,
  step: StepId,
  { dryRun }: EditOptions,
): Promise<StepSize> {
  const content = await contentOf(store);
  requireStep(content, step);
  requireFinished(content, step, "cannot be dropped");
  const size = sizeOf(content, step);
  if (dryRun) return size;
  const state: StateChunk[] = [];
  for await (const keys of store.load(step)) state.push(forgetting(step, keys));
  const positions = withoutStep(content.positions, step);
  await store.commit(content.epoch!, { state, positions });
  return size;
}

/** The positions without those of a step. What other runs have renamed and dropped stays noted. */
export function withoutStep(positions: readonly StoredPosition[], step: StepId): StoredPosition[] {
  return positions.filter((each) => each.step !== step || (isNote(each) && each.role !== "kind"));
}
