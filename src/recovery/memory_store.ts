/**
 * Recovery in memory: it survives a run, but not the process. For tests.
 *
 * @module
 */
import type { Epoch, StepId } from "../core/ids.ts";
import { nextEpoch } from "./next_epoch.ts";
import { eachChange } from "./state_chunk.ts";
import {
  type EpochChanges,
  type RecoveryConfig,
  RecoveryError,
  type RecoveryStore,
  type ResumePoint,
  type StateChunk,
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
  readonly state = new Map<StepId, Map<number, StoredKey>>();
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
 * assertEquals(await second.resume(), { epoch: 0, positions: [], nextId: 0 });
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
  readonly byKey = false;
  readonly #content: Content;
  #closed = false;

  constructor(content: Content) {
    this.#content = content;
  }

  resume(): Promise<ResumePoint | null> {
    return this.#open(({ epoch, positions, state }) => {
      if (epoch === null) return null;
      const last = state.values().flatMap((keys) => keys.keys())
        .reduce((most, id) => Math.max(most, id), -1);
      return { epoch, positions: positions.map(copyOf), nextId: last + 1 };
    });
  }

  steps(): Promise<readonly StoredStep[]> {
    return this.#open(({ state }) =>
      Array.from(state, ([step, keys]) => ({
        step,
        keys: keys.size,
        bytes: keys.values().reduce((sum, { state }) => sum + state.length, 0),
      }))
    );
  }

  async *load(step: StepId): AsyncGenerator<readonly StoredKey[]> {
    const keys = await this.#open(({ state }) => [...state.get(step)?.values() ?? []]);
    for (let at = 0; at < keys.length; at += CHUNK) {
      yield keys.slice(at, at + CHUNK).map((each) => ({ ...each, state: each.state.slice() }));
    }
  }

  commit(epoch: Epoch, { state, positions }: EpochChanges): Promise<void> {
    return this.#open((content) => {
      const next = nextEpoch(content.epoch, epoch);
      // Copied before anything is changed: this runs code of others, which may throw.
      const changes = Array.from(state, (chunk) => ({ ...chunk, states: chunk.states.slice() }));
      content.positions = positions.map(copyOf);
      for (const chunk of changes) apply(content, chunk);
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

function apply(content: Content, chunk: StateChunk): void {
  const { step } = chunk;
  const keys = content.state.get(step) ?? new Map<number, StoredKey>();
  for (const { id, key, state } of eachChange(chunk)) {
    if (state === null) keys.delete(id);
    else keys.set(id, { id, key: key ?? spelled(keys.get(id)), state });
  }
  if (keys.size === 0) content.state.delete(step);
  else content.state.set(step, keys);
}

function spelled(stored: StoredKey | undefined): string {
  if (stored === undefined) throw new Error("a change has no key, nor has its id");
  return stored.key;
}

function copyOf(position: StoredPosition): StoredPosition {
  return { ...position, state: position.state.slice() };
}
