/**
 * Writes the content of a store as lines of JSON.
 *
 * @module
 */
import { UsageError } from "../../core/errors.ts";
import type { StepId } from "../../core/ids.ts";
import type { RecoveryStore } from "../store.ts";
import { contentOf, requireStep } from "./content.ts";
import { lineText } from "./state_lines.ts";

/** What to export. */
export interface ExportOptions {
  /** The flow that the store belongs to. */
  readonly flow: string;
  /** One step; `null` for all, with notes of what has been renamed and dropped. */
  readonly step: StepId | null;
}

/**
 * Returns the lines, some at a time. `state_lines.ts` describes them.
 *
 * @throws {UsageError} If nothing has been committed, or nothing is stored of the step.
 */
export async function* exportLines(
  store: RecoveryStore,
  { flow, step }: ExportOptions,
): AsyncGenerator<string, void> {
  const content = await contentOf(store);
  const { epoch, keyed } = content;
  if (epoch === null) throw new UsageError("there is nothing to export: no epoch was committed");
  if (step !== null) requireStep(content, step);
  yield lineText({ kind: "head", flow, epoch, steps: step === null ? null : [step] });
  const positions = content.positions.filter((each) =>
    step === null || (each.step === step && each.role !== "gone")
  );
  const ordered = positions.toSorted((a, b) => orderOf(a) < orderOf(b) ? -1 : 1);
  yield ordered.map((each) => lineText({ kind: "position", ...each })).join("");
  const steps = keyed.map((each) => each.step).filter((each) => step === null || each === step);
  for (const each of steps.toSorted()) {
    for await (const keys of store.load(each)) {
      yield keys.map(({ key, state }) => lineText({ kind: "key", step: each, key, state })).join(
        "",
      );
    }
  }
  yield lineText({ kind: "end" });
}

function orderOf(position: { step: string; role: string; partition: string }): string {
  return JSON.stringify([position.step, position.role, position.partition]);
}
