/**
 * A run's side of its recovery store: where it goes on, and what each epoch writes.
 *
 * @module
 */
import type { Epoch, StepId, WorkerIndex } from "../core/ids.ts";
import { KEY_GROUPS, ownersOf } from "../core/key_groups.ts";
import type { Log } from "../core/log.ts";
import type {
  EpochChanges,
  KeyGroupRange,
  RecoveryConfig,
  RecoveryStore,
  StateChange,
  StoredKey,
  StoredPosition,
  StoredStep,
} from "../recovery/store.ts";
import type { StateChunk } from "./journal.ts";

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
  readonly #store: RecoveryStore | null;
  #changes: StateChunk[] = []; // not committed yet, in the order they came
  readonly #latest = new Map<WorkerIndex, readonly StoredPosition[]>();
  #stored: Promise<readonly StoredStep[]> | null = null; // before the first commit; all is read for it
  #orphans: readonly StoredPosition[] = []; // of steps that the flow does not have
  #noted: { worker: WorkerIndex; epoch: Epoch; positions: readonly StoredPosition[] }[] = [];

  private constructor(
    store: RecoveryStore | null,
    from: { epoch: Epoch; positions: readonly StoredPosition[] },
  ) {
    this.#store = store;
    this.epoch = from.epoch;
    this.positions = from.positions;
  }

  /** Opens the store of a flow; `null` for none. */
  static async open(config: RecoveryConfig | null, flow: string, log: Log): Promise<RunRecovery> {
    if (config === null) return new RunRecovery(null, { epoch: 0, positions: [] });
    const store = await config.open(flow);
    try {
      const point = await store.resume();
      if (point === null) {
        log.info("nothing to resume: a first run", { recovery: config.name });
        return new RunRecovery(store, { epoch: 0, positions: [] });
      }
      const { epoch, positions } = point;
      log.info("resuming after the last snapshot", { recovery: config.name, epoch });
      return new RunRecovery(store, { epoch: epoch + 1, positions });
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /** Whether snapshots are taken. */
  get isOn(): boolean {
    return this.#store !== null;
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
    for (const step of steps) {
      if (!stored.has(step)) continue;
      for (const [worker, groups] of groupsOf(workerCount).entries()) {
        for await (const keys of this.#store.load(step, groups)) yield { worker, step, keys };
      }
    }
  }

  #steps(): Promise<readonly StoredStep[]> {
    return this.#stored ??= this.#store?.steps() ?? Promise.resolve([]);
  }

  /** Takes keys that have changed. */
  stateChanged(chunk: StateChunk): void {
    this.#changes.push(chunk);
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
    const [chunks, later] = parted(this.#changes, (chunk) => chunk.epoch <= epoch);
    this.#changes = later;
    for (const { worker, epoch: of, positions } of this.#noted) {
      if (of <= epoch) this.#latest.set(worker, positions);
    }
    this.#noted = this.#noted.filter(({ epoch: of }) => of > epoch);
    const positions = [...this.#orphans, ...[...this.#latest.values()].flat()];
    const changes: EpochChanges = { state: changesOf(chunks), positions };
    await this.#store.commit(epoch, changes);
  }

  /** Frees the store. */
  async close(): Promise<void> {
    await this.#store?.close();
  }
}

/** The changes in chunks, each key once. Only at the end of a run are there chunks of two epochs. */
function changesOf(chunks: readonly StateChunk[]): Iterable<StateChange> {
  const isOneEpoch = chunks.every(({ epoch }) => epoch === chunks[0].epoch);
  return isOneEpoch ? each(chunks) : newest(chunks.toSorted((a, b) => a.epoch - b.epoch));
}

function* each(chunks: readonly StateChunk[]): Iterable<StateChange> {
  for (const { step, keys, states, lengths } of chunks) {
    let at = 0;
    for (let i = 0; i < keys.length; i++) {
      const state = lengths[i] < 0 ? null : states.subarray(at, at += lengths[i]);
      yield { step, key: keys[i], state };
    }
  }
}

function* newest(chunks: readonly StateChunk[]): Iterable<StateChange> {
  for (const [step, ofStep] of Map.groupBy(chunks, ({ step }) => step)) {
    const changes = new Map([...each(ofStep)].map(({ key, state }) => [key, state]));
    for (const [key, state] of changes) yield { step, key, state };
  }
}

/** The key groups of each worker: a range. */
function groupsOf(workerCount: number): KeyGroupRange[] {
  const owners = ownersOf(workerCount);
  return Array.from({ length: workerCount }, (_, worker) => {
    const from = owners.indexOf(worker);
    const next = owners.indexOf(worker + 1);
    return { from, to: next === -1 ? KEY_GROUPS : next };
  });
}

function parted<T>(items: readonly T[], first: (item: T) => boolean): [T[], T[]] {
  return [items.filter(first), items.filter((item) => !first(item))];
}
