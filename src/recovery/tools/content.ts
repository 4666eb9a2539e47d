/**
 * What a store holds, as the tools that change it see it.
 *
 * @module
 */
import { didYouMean } from "../../core/closest_name.ts";
import { UsageError } from "../../core/errors.ts";
import type { Epoch, StepId } from "../../core/ids.ts";
import { unfinishedOf } from "../from_scratch.ts";
import { isNote, type RecoveryStore, type StoredPosition, type StoredStep } from "../store.ts";

/** The content of a store, but for the keys. */
export interface StoreContent {
  /** The last committed epoch; `null` if nothing has been committed. */
  readonly epoch: Epoch | null;
  readonly positions: readonly StoredPosition[];
  /** All ids of keys are below this number. */
  readonly nextId: number;
  /** The steps that have keyed state. */
  readonly keyed: readonly StoredStep[];
}

/** Reads a store that nobody else has open. */
export async function contentOf(store: RecoveryStore): Promise<StoreContent> {
  const { epoch = null, positions = [], nextId = 0 } = await store.resume() ?? {};
  return { epoch, positions, nextId, keyed: await store.steps() };
}

/** The steps of which something is stored, besides notes. In the order of their names. */
export function storedSteps({ keyed, positions }: StoreContent): ReadonlySet<StepId> {
  const moving = positions.filter((position) => !isNote(position));
  return new Set([...keyed, ...moving].map(({ step }) => step).toSorted());
}

/** How many keys and positions a step has. */
export function sizeOf({ keyed, positions }: StoreContent, step: StepId): StepSize {
  return {
    keys: keyed.find((each) => each.step === step)?.keys ?? 0,
    positions: positions.filter((each) => each.step === step && !isNote(each)).length,
  };
}

/** How much is stored of a step. */
export interface StepSize {
  readonly keys: number;
  /** Of inputs and outputs, and the times of window steps. */
  readonly positions: number;
}

/**
 * Checks that something is stored of a step.
 *
 * @throws {UsageError} If there is nothing. It names what there is.
 */
export function requireStep(content: StoreContent, step: StepId): void {
  const steps = storedSteps(content);
  if (steps.has(step)) return;
  const names = [...steps];
  const has = names.join(", ") || "no steps";
  throw new UsageError(
    `nothing is stored of step "${step}"; the store has ${has}${didYouMean(step, names)}`,
  );
}

/**
 * Checks that a step has no work that only it could complete, which would be lost with its
 * positions.
 *
 * @param doing Such as `cannot be dropped`.
 * @throws {UsageError} If it has.
 */
export function requireFinished({ positions }: StoreContent, step: StepId, doing: string): void {
  if (!unfinishedOf(positions).some((position) => position.step === step)) return;
  throw new UsageError(
    `step "${step}" ${doing}: this output has written what is not visible yet, and only it can ` +
      "complete that. Run the flow, until its inputs end or you stop it once",
  );
}
