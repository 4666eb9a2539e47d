/**
 * Recovery in memory: it survives a run, but not the process. For tests.
 *
 * @module
 */
import type { Epoch, StepId } from "../core/ids.ts";
import { keyGroupOf } from "../core/key_groups.ts";
import { nextEpoch } from "./next_epoch.ts";
import {
  type EpochChanges,
  type KeyGroupRange,
  type RecoveryConfig,
  RecoveryError,
  type RecoveryStore,
  type ResumePoint,
  type StateChange,
  type StoredKey,
  type StoredPosition,
  type StoredStep,
} from "./store.ts";

const CHUNK = 4096;

/** What is kept, between runs too. */
class Content {
  flow: string | undefined;
  epoch: Epoch | null = null;
  positions: readonly StoredPosition[] = [];
  readonly state = new Map<StepId, Map<string, Uint8Array>>();
  inUse = false;
}

/**
 * Keeps state and positions in this object: a flow that is run again with it resumes.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MemoryRecoveryConfig } from "./memory_store.ts";
 *
 * const recovery = new MemoryRecoveryConfig();
 * const first = await recovery.open("orders");
 * await first.commit(0, { state: [], positions: [] });
 * await first.close();
 *
 * const second = await recovery.open("orders");
 * assertEquals(await second.resume(), { epoch: 0, positions: [] });
 * await second.close();
 * ```
 */
export class MemoryRecoveryConfig implements RecoveryConfig {
  /** Says that it is in memory. */
  readonly name = "in memory";
  #content = new Content();

  /**
   * Opens what is kept for a run of a flow.
   *
   * @throws {RecoveryError} If another run has it open, or it is another flow's.
   */
  open(flow: string): Promise<RecoveryStore> {
    return Promise.resolve().then(() => {
      const content = this.#free();
      if (content.flow !== undefined && content.flow !== flow) {
        throw new RecoveryError(
          `recovery store in memory: it belongs to the flow ${JSON.stringify(content.flow)}, ` +
            `and this is ${JSON.stringify(flow)}: give each flow a store of its own`,
        );
      }
      content.flow = flow;
      content.inUse = true;
      return new MemoryStore(content);
    });
  }

  /**
   * Forgets all.
   *
   * @throws {RecoveryError} If a run has it open.
   */
  drop(): Promise<void> {
    return Promise.resolve().then(() => {
      this.#free();
      this.#content = new Content();
    });
  }

  #free(): Content {
    if (!this.#content.inUse) return this.#content;
    throw new RecoveryError(
      "recovery store in memory: another run uses it: wait until that one has ended, or give each " +
        "run a store of its own",
    );
  }
}

class MemoryStore implements RecoveryStore {
  readonly #content: Content;
  #closed = false;

  constructor(content: Content) {
    this.#content = content;
  }

  resume(): Promise<ResumePoint | null> {
    return this.#open(({ epoch, positions }) =>
      epoch === null ? null : { epoch, positions: positions.map(copyOf) }
    );
  }

  steps(): Promise<readonly StoredStep[]> {
    return this.#open(({ state }) =>
      Array.from(state, ([step, keys]) => ({
        step,
        keys: keys.size,
        bytes: keys.values().reduce((sum, { length }) => sum + length, 0),
      }))
    );
  }

  async *load(step: StepId, { from, to }: KeyGroupRange): AsyncGenerator<readonly StoredKey[]> {
    const keys = await this.#open(({ state }) =>
      [...state.get(step) ?? []].filter(([key]) => {
        const group = keyGroupOf(key);
        return group >= from && group < to;
      })
    );
    for (let at = 0; at < keys.length; at += CHUNK) {
      yield keys.slice(at, at + CHUNK).map(([key, state]) => [key, state.slice()]);
    }
  }

  commit(epoch: Epoch, { state, positions }: EpochChanges): Promise<void> {
    return this.#open((content) => {
      const next = nextEpoch(content.epoch, epoch);
      // Copied before anything is changed: this runs code of others, which may throw.
      const changes = Array.from(state, (change) => ({ ...change, state: copy(change.state) }));
      content.positions = positions.map(copyOf);
      for (const change of changes) apply(content, change);
      content.epoch = next;
    });
  }

  close(): Promise<void> {
    if (!this.#closed) this.#content.inUse = false;
    this.#closed = true;
    return Promise.resolve();
  }

  #open<T>(work: (content: Content) => T): Promise<T> {
    return Promise.resolve().then(() => {
      if (this.#closed) throw new RecoveryError("recovery store in memory: it has been closed");
      return work(this.#content);
    });
  }
}

function apply(content: Content, { step, key, state }: StateChange): void {
  const keys = content.state.get(step) ?? new Map<string, Uint8Array>();
  if (state === null) keys.delete(key);
  else keys.set(key, state);
  if (keys.size === 0) content.state.delete(step);
  else content.state.set(step, keys);
}

function copyOf(position: StoredPosition): StoredPosition {
  return { ...position, state: position.state.slice() };
}

function copy(state: Uint8Array | null): Uint8Array | null {
  return state === null ? null : state.slice();
}
