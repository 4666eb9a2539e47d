/**
 * A store that is emptied when a run begins, but not before the run's outputs have completed what
 * they have left unfinished.
 *
 * ```text
 *   the run opens the store      it gets what outputs have left unfinished, and nothing else
 *   outputs are opened           they complete it
 *   the run's first commit       the store is emptied, then written
 * ```
 *
 * A run that is killed before that commit leaves the store as it was.
 *
 * @module
 */
import type { ConnectionReading } from "../core/connection_reading.ts";
import { messageOf } from "../core/errors.ts";
import type { Epoch } from "../core/ids.ts";
import type { Log } from "../core/log.ts";
import { isUnfinished } from "../core/unfinished.ts";
import {
  type EpochChanges,
  type RecoveryConfig,
  RecoveryError,
  type RecoveryStore,
  type ResumePoint,
  type StoredKey,
  type StoredPosition,
  type StoredStep,
  StoreInUseError,
} from "./store.ts";

/** Returns the positions that stand for what outputs have left unfinished. */
export function unfinishedOf(positions: readonly StoredPosition[]): StoredPosition[] {
  return positions.filter(({ role, partition }) => role === "output" && isUnfinished(partition));
}

/** Empties a store with the first commit of the next run. Later runs continue from there. */
export class FromScratchRecovery implements RecoveryConfig {
  readonly name: string;
  readonly #config: RecoveryConfig;
  #isEmptied = false;

  /** Drops nothing yet. */
  constructor(config: RecoveryConfig) {
    this.name = config.name;
    this.#config = config;
  }

  /**
   * Opens the store for a run of a flow. One that cannot be opened is emptied at once.
   *
   * @throws {RecoveryError} If another run uses it, or it cannot be emptied.
   */
  async open(flow: string, log?: Log, signal?: AbortSignal): Promise<RecoveryStore> {
    const open = () => this.#config.open(flow, log, signal);
    const empty = async () => {
      await this.#config.drop(log);
      this.#isEmptied = true;
      return await open();
    };
    if (this.#isEmptied) return await open();
    let store: RecoveryStore | null = null;
    try {
      store = await open();
      const unfinished = unfinishedOf((await store.resume())?.positions ?? []);
      return new EmptiedStore(store, unfinished, empty);
    } catch (error) {
      await store?.close();
      if (!(error instanceof RecoveryError) || error instanceof StoreInUseError) throw error;
      log?.warn("outputs cannot complete what they have left unfinished: the store is not usable", {
        reason: messageOf(error),
      });
      return await empty();
    }
  }

  async drop(log?: Log): Promise<void> {
    await this.#config.drop(log);
  }
}

/** The store as the run sees it. */
class EmptiedStore implements RecoveryStore {
  readonly byKey: boolean;
  readonly #unfinished: readonly StoredPosition[];
  readonly #empty: () => Promise<RecoveryStore>;
  #store: RecoveryStore;
  #isEmptied = false;

  constructor(
    store: RecoveryStore,
    unfinished: readonly StoredPosition[],
    empty: () => Promise<RecoveryStore>,
  ) {
    this.byKey = store.byKey;
    this.#store = store;
    this.#unfinished = unfinished;
    this.#empty = empty;
  }

  resume(): Promise<ResumePoint> {
    const positions = this.#unfinished;
    return Promise.resolve({ epoch: -1, positions, nextId: 0, isUnfinishedOnly: true });
  }

  steps(): Promise<readonly StoredStep[]> {
    return Promise.resolve([]);
  }

  async *load(): AsyncGenerator<readonly StoredKey[], void> {}

  async commit(epoch: Epoch, changes: EpochChanges): Promise<void> {
    if (!this.#isEmptied) {
      await this.#store.close();
      this.#store = await this.#empty();
      this.#isEmptied = true;
    }
    await this.#store.commit(epoch, changes);
  }

  connections(): readonly ConnectionReading[] {
    return this.#store.connections?.() ?? [];
  }

  async close(): Promise<void> {
    await this.#store.close();
  }
}
