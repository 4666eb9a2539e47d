import type { Epoch, StepId } from "../../src/core/ids.ts";
import { decodeValue } from "../../src/core/value_codec.ts";
import { MemoryRecoveryConfig } from "../../src/recovery/memory_store.ts";
import type { RecoveryConfig, RecoveryStore, StateChange } from "../../src/recovery/store.ts";

/** Recovery in memory that shows what is stored while a run uses it. */
export class WatchedRecovery implements RecoveryConfig {
  readonly name = "watched";
  /** The last committed epoch. */
  epoch: Epoch | null = null;
  readonly #inner = new MemoryRecoveryConfig();
  readonly #state = new Map<StepId, Map<string, unknown>>();

  /** The state of a step's keys. */
  stateOf(step: StepId): Record<string, unknown> {
    return Object.fromEntries(this.#state.get(step) ?? []);
  }

  async open(flow: string): Promise<RecoveryStore> {
    const store = await this.#inner.open(flow);
    return {
      resume: () => store.resume(),
      steps: () => store.steps(),
      load: (step, groups) => store.load(step, groups),
      close: () => store.close(),
      commit: async (epoch, changes) => {
        const state = [...changes.state];
        await store.commit(epoch, { ...changes, state });
        this.#note(epoch, state);
      },
    };
  }

  drop(): Promise<void> {
    return this.#inner.drop();
  }

  #note(epoch: Epoch, changes: readonly StateChange[]): void {
    this.epoch = epoch;
    for (const { step, key, state } of changes) {
      const keys = this.#state.get(step) ?? new Map();
      this.#state.set(step, keys);
      if (state === null) keys.delete(key);
      else keys.set(key, decodeValue(state));
    }
  }
}
