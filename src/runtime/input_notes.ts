/**
 * What the inputs of a worker say at the end of each epoch to the outputs downstream.
 *
 * @module
 */
import type { Epoch, StepId } from "../core/ids.ts";
import type { InputNotes } from "../graph/contracts.ts";

/**
 * How many notes of an input are kept. An output that ends an epoch needs the one of that epoch. A
 * later one may be there already: the input's last, of the next epoch. No input ends more epochs
 * before all outputs have ended this one.
 */
const KEPT = 2;

/** Keeps the notes of a worker's inputs. */
export class WorkerNotes {
  readonly #notes = new Map<StepId, { epoch: Epoch; note: unknown }[]>();

  /** Records what an input says at the end of an epoch. */
  record(input: StepId, epoch: Epoch, note: unknown): void {
    const notes = this.#notes.get(input) ?? [];
    this.#notes.set(input, [...notes.slice(1 - KEPT), { epoch, note }]);
  }

  /** The notes of some inputs at the end of an epoch. One that has ended before has its last. */
  at(inputs: readonly StepId[], epoch: Epoch): InputNotes {
    const found = new Map<StepId, unknown>();
    for (const input of inputs) {
      const last = this.#notes.get(input)?.findLast((each) => each.epoch <= epoch);
      if (last !== undefined) found.set(input, last.note);
    }
    return found;
  }
}
