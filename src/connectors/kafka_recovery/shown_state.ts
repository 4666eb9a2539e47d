/**
 * What is kept of a store's state to show it: sizes, and the requested states. The store may be
 * larger than memory, and its partitions are read one after the other. Each key is in one
 * partition, so what is kept of keys is dropped after each partition.
 *
 * @module
 */
import type { StepId } from "../../core/ids.ts";
import { firstKeys, type WantedStates } from "../../recovery/inspector.ts";
import type { StoredKey, StoredStep } from "../../recovery/store.ts";
import type { PartitionMarks, PartitionRead } from "./read_state.ts";

/** Sums up the content of partitions. */
export class ShownState {
  /** The marks of the partitions. */
  readonly marks: PartitionMarks[] = [];
  readonly #wanted: WantedStates | null;
  readonly #sizes = new Map<StepId, { keys: number; bytes: number }>();
  #found: readonly StoredKey[] = [];

  /** `wanted` chooses the states to keep; `null` for none. */
  constructor(wanted: WantedStates | null) {
    this.#wanted = wanted;
  }

  /** A copy of a state that may be shown; the length of any other. */
  readonly keep = (step: StepId, key: string, state: Uint8Array): Uint8Array | number => {
    const wanted = this.#wanted;
    const isWanted = wanted?.step === step && ("first" in wanted || wanted.keys.includes(key));
    return isWanted ? state.slice() : state.length;
  };

  /** Adds a partition, of which {@linkcode ShownState.keep} chose what to keep. */
  add({ steps, marks }: PartitionRead<Uint8Array | number>): void {
    this.marks.push(marks);
    const found = [...this.#found];
    for (const [step, kept] of steps) {
      const size = this.#sizes.get(step) ?? { keys: 0, bytes: 0 };
      this.#sizes.set(step, size);
      size.keys += kept.size;
      for (const [key, state] of kept) {
        size.bytes += typeof state === "number" ? state : state.length;
        if (typeof state !== "number") found.push({ id: 0, key, state });
      }
    }
    const wanted = this.#wanted;
    this.#found = wanted !== null && "first" in wanted ? firstKeys(found, wanted.first) : found;
  }

  /** The steps that have keys. */
  steps(): StoredStep[] {
    return Array.from(this.#sizes, ([step, size]) => ({ step, ...size }))
      .filter(({ keys }) => keys > 0);
  }

  /** The requested states of this step. */
  found(step: StepId): readonly StoredKey[] {
    return this.#wanted?.step === step ? this.#found : [];
  }
}
