/**
 * Recovery in memory, for tests: it survives a run, but not the process.
 *
 * @module
 */
import type { Epoch, StepId } from "../core/ids.ts";
import {
  eachChange,
  type EpochChanges,
  nextEpoch,
  type RecoveryConfig,
  RecoveryError,
  type RecoveryStore,
  type ResumePoint,
  type StateChunk,
  type StoredKey,
  type StoredPosition,
  type StoredStep,
  StoreInUseError,
} from "./store.ts";

const CHUNK = 4096;

/** What is kept, also between runs. */
class Content {
  flow: string | undefined;
  epoch: Epoch | null = null;
  positions: readonly StoredPosition[] = [];
  readonly state = new Map<StepId, Map<number, StoredKey>>();
  inUse = false;
}

/**
 * Keeps state and positions in this object, for tests of recovery: a flow that runs again with the
 * same object resumes. It survives runs, and with `spawnCluster` the worker processes. It does not
 * survive the process that made it.
 *
 * It is bound to one flow, and one run at a time, as other stores are.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import {
 *   Dataflow,
 *   MemoryRecoveryConfig,
 *   run,
 *   TestingInputConfig,
 *   TestingOutputConfig,
 * } from "@millrace/millrace";
 *
 * const orders: [string, number][] = [["ann", 10], ["bob", 5]];
 * const out: unknown[] = [];
 * const flow = new Dataflow("totals")
 *   .input("orders", new TestingInputConfig(orders))
 *   .statefulMap("total", () => 0, (sum, amount) => [sum + amount, sum + amount])
 *   .capture(new TestingOutputConfig(out));
 *
 * const recovery = new MemoryRecoveryConfig();
 * await run(flow, { recovery });
 * orders.push(["ann", 7]);
 * await run(flow, { recovery }); // goes on after the second order, with all totals
 * assertEquals(out, [["ann", 10], ["bob", 5], ["ann", 17]]);
 * ```
 */
export class MemoryRecoveryConfig implements RecoveryConfig {
  /** Always `"in memory"`. */
  readonly name = "in memory";
  #content = new Content();

  /**
   * Opens the store for a run of a flow.
   *
   * @throws {RecoveryError} If another run has it open, or if it belongs to another flow.
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
   * Deletes all that is kept; the next run may be of any flow.
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
    throw new StoreInUseError("in memory");
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
    for (let i = 0; i < keys.length; i += CHUNK) {
      yield keys.slice(i, i + CHUNK).map((each) => ({ ...each, state: each.state.slice() }));
    }
  }

  commit(epoch: Epoch, { state, positions }: EpochChanges): Promise<void> {
    return this.#open((content) => {
      const next = nextEpoch(content.epoch, epoch);
      // Copied before anything is changed: the iteration runs code of others, which may throw.
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
  if (stored === undefined) throw new Error("a change has no key, and its id is unknown");
  return stored.key;
}

function copyOf(position: StoredPosition): StoredPosition {
  return { ...position, state: position.state.slice() };
}
