/**
 * A run's side of its recovery store: where it goes on, and what each epoch writes.
 *
 * @module
 */
import type { Epoch, StepId, WorkerIndex } from "../core/ids.ts";
import { keyGroupOf, ownersOf } from "../core/key_groups.ts";
import type { Log } from "../core/log.ts";
import type {
  RecoveryConfig,
  RecoveryStore,
  ResumePoint,
  StateChunk,
  StoredKey,
  StoredPosition,
  StoredStep,
} from "../recovery/store.ts";
import type { KeyNumbering } from "./key_ids.ts";

/** Keys of a step that a worker gets back. */
export interface RestoredChunk {
  readonly worker: WorkerIndex;
  readonly step: StepId;
  readonly keys: readonly StoredKey[];
}

/** The recovery of one run. Without a store it starts anew and writes nothing. */
export class RunRecovery {
  /** The first epoch of the run: the one after the last that was committed. */
  readonly epoch: Epoch;
  /** Where inputs and outputs were then. */
  readonly positions: readonly StoredPosition[];
  /** How keys are numbered in snapshots; `null` where none are taken. */
  readonly numbering: KeyNumbering | null;
  readonly #store: RecoveryStore | null;
  readonly #log: Log;
  #changes: { epoch: Epoch; chunk: StateChunk }[] = []; // not committed yet, in the order they came
  readonly #latest = new Map<WorkerIndex, readonly StoredPosition[]>();
  #stored: Promise<readonly StoredStep[]> | null = null; // before the first commit; all is read for it
  #orphans: readonly StoredPosition[] = []; // of steps that the flow does not have
  #noted: { worker: WorkerIndex; epoch: Epoch; positions: readonly StoredPosition[] }[] = [];

  private constructor(store: RecoveryStore | null, from: ResumePoint | null, log: Log) {
    this.#store = store;
    this.#log = log;
    this.epoch = from === null ? 0 : from.epoch + 1;
    this.positions = from?.positions ?? [];
    this.numbering = store && { firstId: from?.nextId ?? 0, byKey: store.byKey };
  }

  /** Opens the store of a flow; `null` for none. */
  static async open(config: RecoveryConfig | null, flow: string, log: Log): Promise<RunRecovery> {
    if (config === null) return new RunRecovery(null, null, log);
    const store = await config.open(flow);
    try {
      const point = await store.resume();
      if (point === null) {
        log.info("nothing to resume: a first run", { recovery: config.name });
      } else {
        const { epoch } = point;
        log.info("resuming after the last snapshot", { recovery: config.name, epoch });
      }
      return new RunRecovery(store, point, log);
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /**
   * Says which steps the store knows and the flow does not: their state stays where it is, in case they
   * have been renamed or taken out by mistake.
   *
   * @param keyed The flow's steps with keyed state.
   * @param all All of its steps.
   */
  async checkSteps(keyed: readonly StepId[], all: readonly StepId[], log: Log): Promise<void> {
    const stored = await this.#steps();
    const known = new Set(keyed);
    for (const { step, keys } of stored) {
      if (known.has(step)) continue;
      log.warn("the flow has no such stateful step any more: was it renamed? Its state is kept", {
        step,
        keys,
      });
    }
    const steps = new Set(all);
    this.#orphans = this.positions.filter(({ step }) => !steps.has(step));
    for (const step of new Set(this.#orphans.map(({ step }) => step))) {
      log.warn(
        "the flow has no such input or output any more: was it renamed? Its position is kept",
        {
          step,
        },
      );
    }
  }

  /** The stored keys of steps, each with the worker that owns it. */
  async *state(steps: readonly StepId[], workerCount: number): AsyncGenerator<RestoredChunk, void> {
    if (this.#store === null) return;
    const stored = new Set((await this.#steps()).map(({ step }) => step));
    const owners = ownersOf(workerCount);
    for (const step of steps) {
      if (!stored.has(step)) continue;
      for await (const chunk of this.#store.load(step)) {
        const shares = Array.from({ length: workerCount }, (): StoredKey[] => []);
        for (const each of chunk) shares[owners[keyGroupOf(each.key)]].push(each);
        for (const [worker, keys] of shares.entries()) {
          if (keys.length > 0) yield { worker, step, keys };
        }
      }
    }
  }

  #steps(): Promise<readonly StoredStep[]> {
    return this.#stored ??= this.#store?.steps() ?? Promise.resolve([]);
  }

  /** Takes keys that have changed. */
  stateChanged(epoch: Epoch, chunk: StateChunk): void {
    this.#changes.push({ epoch, chunk });
  }

  /** Takes where a worker's inputs and outputs are at the end of an epoch. */
  moved(worker: WorkerIndex, epoch: Epoch, positions: readonly StoredPosition[]): void {
    if (this.#store !== null) this.#noted.push({ worker, epoch, positions });
  }

  /**
   * Writes an epoch, which all workers have closed.
   *
   * @throws {RecoveryError} If it cannot be written.
   */
  async commit(epoch: Epoch): Promise<void> {
    if (this.#store === null) return;
    const [now, later] = parted(this.#changes, (change) => change.epoch <= epoch);
    this.#changes = later;
    // Only at the end of a run are there those of two epochs.
    const state = now.sort((a, b) => a.epoch - b.epoch).map(({ chunk }) => chunk);
    for (const { worker, epoch: of, positions } of this.#noted) {
      if (of <= epoch) this.#latest.set(worker, positions);
    }
    this.#noted = this.#noted.filter(({ epoch: of }) => of > epoch);
    const positions = [...this.#orphans, ...[...this.#latest.values()].flat()];
    const began = performance.now();
    await this.#store.commit(epoch, { state, positions });
    const keys = state.reduce((sum, { ids }) => sum + ids.length, 0);
    const ms = Math.round(performance.now() - began);
    this.#log.debug("epoch committed", { epoch, changedKeys: keys, ms });
  }

  /** Frees the store. */
  async close(): Promise<void> {
    await this.#store?.close();
  }
}

function parted<T>(items: readonly T[], first: (item: T) => boolean): [T[], T[]] {
  return [items.filter(first), items.filter((item) => !first(item))];
}
