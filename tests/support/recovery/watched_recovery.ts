import type { Epoch, StepId } from "../../../src/core/ids.ts";
import { decodeValue } from "../../../src/core/value_codec.ts";
import { MemoryRecoveryConfig } from "../../../src/recovery/memory_store.ts";
import {
  eachChange,
  type RecoveryConfig,
  type RecoveryStore,
  type StateChunk,
  type StoredPosition,
} from "../../../src/recovery/store.ts";

/** Recovery in memory that shows what is stored while a run uses it. */
export class WatchedRecovery implements RecoveryConfig {
  readonly name = "watched";
  /** The last committed epoch. */
  epoch: Epoch | null = null;
  /** Called before each commit, which does not happen if it throws. */
  beforeCommit: () => void = () => {};
  /** Awaited before each commit. */
  holdCommit: () => Promise<void> = () => Promise.resolve();
  /** Called after each commit. */
  onCommit: () => void = () => {};
  /** How often a run has opened it. */
  opens = 0;
  readonly #inner = new MemoryRecoveryConfig();
  readonly #state = new Map<StepId, Map<number, { key: string; value: unknown }>>();
  #positions: readonly StoredPosition[] = [];

  /** The state of a step's keys. */
  stateOf(step: StepId): Record<string, unknown> {
    const keys = this.#state.get(step)?.values() ?? [];
    return Object.fromEntries([...keys].map(({ key, value }) => [key, value]));
  }

  /** The positions of an input or output, by partition. */
  positionsOf(step: StepId): Record<string, unknown> {
    const mine = this.#positions.filter((each) => each.step === step && /put$/.test(each.role));
    return Object.fromEntries(mine.map(({ partition, state }) => [partition, decodeValue(state)]));
  }

  async open(flow: string): Promise<RecoveryStore> {
    const store = await this.#inner.open(flow);
    this.opens++;
    return {
      resume: () => store.resume(),
      steps: () => store.steps(),
      byKey: store.byKey,
      load: (step) => store.load(step),
      close: () => store.close(),
      commit: async (epoch, changes) => {
        this.beforeCommit();
        await this.holdCommit();
        const state = [...changes.state];
        await store.commit(epoch, { ...changes, state });
        this.#positions = changes.positions;
        this.#note(epoch, state);
        this.onCommit();
      },
    };
  }

  drop(): Promise<void> {
    return this.#inner.drop();
  }

  #note(epoch: Epoch, chunks: readonly StateChunk[]): void {
    this.epoch = epoch;
    for (const chunk of chunks) {
      const keys = this.#state.get(chunk.step) ??
        new Map<number, { key: string; value: unknown }>();
      this.#state.set(chunk.step, keys);
      for (const { id, key, state } of eachChange(chunk)) {
        if (state === null) keys.delete(id);
        else keys.set(id, { key: key ?? keys.get(id)!.key, value: decodeValue(state) });
      }
    }
  }
}
