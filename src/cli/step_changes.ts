/**
 * The options that name renamed and dropped steps.
 *
 * @module
 */
import { UsageError } from "../core/errors.ts";
import { type StepChangeOptions, stepChangesOf } from "../runtime/step_changes.ts";

/** An option's value, and where it was set. */
export interface Given {
  readonly value: string;
  readonly from: string;
}

/** The values of `--rename-step` and `--drop-step`. */
export interface GivenStepChanges {
  readonly renames: readonly Given[];
  readonly drops: readonly Given[];
}

/**
 * Reads them.
 *
 * @throws {UsageError} If one is wrong, or two contradict each other about one step.
 */
export function parseStepChanges(
  { renames, drops }: GivenStepChanges,
): StepChangeOptions {
  const renameSteps: Record<string, string> = Object.create(null);
  for (const { value, from } of renames) {
    const [, old, next] = /^([^=]+)=([^=]+)$/.exec(value) ?? [];
    if (old === undefined) {
      throw new UsageError(
        `${from} must be OLD=NEW; got "${value}" (for a name with = in it, run the flow from code)`,
      );
    }
    if (Object.hasOwn(renameSteps, old)) {
      throw new UsageError(`step "${old}" is renamed twice: give one of the two options`);
    }
    renameSteps[old] = next;
  }
  for (const { value, from } of drops) {
    if (value === "") throw new UsageError(`${from} must be the name of a step; got ""`);
  }
  const changes = { renameSteps, dropSteps: drops.map(({ value }) => value) };
  try {
    stepChangesOf(changes);
  } catch (cause) {
    throw new UsageError((cause as TypeError).message, { cause });
  }
  return changes;
}
