/**
 * A recovery store in memory, for tests.
 *
 * @module
 */
import { keyGroupOf } from "../core/key_groups.ts";
import type { Epoch, StepId } from "../core/ids.ts";
import type {
  EpochChanges,
  KeyGroupRange,
  RecoveryConfig,
  RecoveryStore,
  ResumePoint,
  StoredKey,
  StoredStep,
} from "./store.ts";
/** Keeps state for as long as this object lives. */
export class MemoryRecoveryConfig implements RecoveryConfig {
  readonly name = "memory";
  point: ResumePoint | null = null;
  state = new Map<StepId, Map<string, Uint8Array>>();
  open(_flow: string): Promise<RecoveryStore> {
    return Promise.resolve({
      resume: () => Promise.resolve(this.point),
      steps: () =>
        Promise.resolve(
          [...this.state].map(([step, keys]): StoredStep => ({ step, keys: keys.size, bytes: 0 })),
        ),
      load: (step: StepId, { from, to }: KeyGroupRange) => this.#load(step, from, to),
      commit: (epoch: Epoch, { state, positions }: EpochChanges) => {
        for (const { step, key, state: s } of state) {
          const keys = this.state.get(step) ?? new Map();
          this.state.set(step, keys);
          if (s === null) keys.delete(key);
          else keys.set(key, s);
        }
        this.point = { epoch, positions };
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    });
  }
  async *#load(step: StepId, from: number, to: number): AsyncGenerator<StoredKey[]> {
    yield await Promise.resolve([...this.state.get(step) ?? []].filter(([key]) => {
      const g = keyGroupOf(key);
      return g >= from && g < to;
    }));
  }
  drop(): Promise<void> {
    this.point = null;
    this.state.clear();
    return Promise.resolve();
  }
}
