/**
 * A run's side of its recovery store: where it goes on, and what each epoch writes.
 *
 * @module
 */
import type { ConnectionReading } from "../core/connection_reading.ts";
import type { Epoch, StepId, WorkerIndex } from "../core/ids.ts";
import { keyGroupOf, ownersOf } from "../core/key_groups.ts";
import type { Log } from "../core/log.ts";
import {
  isNote,
  type RecoveryConfig,
  RecoveryError,
  type RecoveryStore,
  type ResumePoint,
  type StateChunk,
  type StoredKey,
  type StoredPosition,
} from "../recovery/store.ts";
import { bytesOfKey } from "./keyed/chunk_writer.ts";
import { forgetting, storing } from "../recovery/chunk_of_keys.ts";
import { EpochLedger } from "./epoch_ledger.ts";
import type { CommitCost } from "./run/run_settings.ts";
import type { KeyNumbering } from "./keyed/key_ids.ts";
import { type FlowSteps, matchSteps, type StepChanges, type StepMatch } from "./step_changes.ts";

/** About how many bytes of state are given back to a worker at once. */
const PART_BYTES = 8 << 20;

/** Keys of a step that a worker gets back. */
export interface RestoredChunk {
  readonly worker: WorkerIndex;
  readonly step: StepId;
  readonly keys: readonly StoredKey[];
}

/** The recovery of one run. Without a store it begins at the start and writes nothing. */
export class RunRecovery {
  /** The first epoch of the run: the one after the last that was committed. */
  readonly epoch: Epoch;
  /** How keys are numbered in snapshots; `null` where none are taken. */
  readonly numbering: KeyNumbering | null;
  readonly #store: RecoveryStore | null;
  readonly #hasBegun: boolean; // whether anything has ever been committed
  readonly #isUnfinishedOnly: boolean; // whether outputs complete what is there, and that is all
  readonly #log: Log;
  #committed: Epoch;
  #positions: readonly StoredPosition[];
  #match: StepMatch | null = null;
  #changes: { epoch: Epoch; chunk: StateChunk }[] = []; // not committed yet, in the order they came
  readonly #recorded = new EpochLedger<WorkerIndex, readonly StoredPosition[]>();
  #hasSettled = false;
  #keyed: ReadonlySet<StepId> = new Set(); // the stored steps that have keys
  #notes: readonly StoredPosition[] = []; // which steps have been renamed or dropped
  #written: readonly StoredPosition[] = []; // with the last commit

  private constructor(store: RecoveryStore | null, from: ResumePoint | null, log: Log) {
    this.#store = store;
    this.#log = log;
    this.epoch = from === null ? 0 : from.epoch + 1;
    this.#committed = this.epoch - 1;
    this.#positions = from?.positions ?? [];
    this.#hasBegun = from !== null;
    this.#isUnfinishedOnly = from?.isUnfinishedOnly ?? false;
    this.numbering = store && { firstId: from?.nextId ?? 0, byKey: store.byKey };
  }

  /** Opens the store of a flow; `null` for none. Aborting `signal` ends what that waits for. */
  static async open(
    config: RecoveryConfig | null,
    flow: string,
    log: Log,
    signal?: AbortSignal,
  ): Promise<RunRecovery> {
    if (config === null) return new RunRecovery(null, null, log);
    const store = await config.open(flow, log, signal);
    try {
      const point = await store.resume();
      if (point === null) {
        log.info("nothing to resume: a first run", { recovery: config.name });
      } else if (point.isUnfinishedOnly) {
        log.info("beginning from scratch: outputs complete what the last run has left", {
          recovery: config.name,
        });
      } else if (point.epoch < 0) {
        log.info("nothing to resume: the last run committed no epoch", { recovery: config.name });
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

  /** The last epoch that was committed, in this run or before; `null` where nothing keeps any. */
  get committed(): Epoch | null {
    return this.#store === null ? null : this.#committed;
  }

  /** The connections of the store. */
  get connections(): readonly ConnectionReading[] {
    return this.#store?.connections?.() ?? [];
  }

  /** Where inputs and outputs were at the end of the last epoch. */
  get positions(): readonly StoredPosition[] {
    return this.#positions;
  }

  /**
   * Matches what is stored with the steps of the flow: by their names, and as the user says. Called
   * before all else.
   *
   * @throws {StepMatchError} If something is stored of a step that the flow does not have.
   */
  async match(flow: FlowSteps, changes: StepChanges): Promise<void> {
    if (this.#store === null) {
      if (changes.renames.size === 0 && changes.drops.size === 0) return;
      throw new RecoveryError("steps can be renamed or dropped only with a recovery store");
    }
    const keyed = await this.#store.steps(); // before the first commit: all is read for it
    this.#keyed = new Set(keyed.map(({ step }) => step));
    if (this.#isUnfinishedOnly) this.#giveUpOthers(flow, changes);
    const stored = this.#hasBegun ? { keyed, positions: this.#positions } : null;
    const { renamed, dropped, notes, warnings } = this.#match = matchSteps(stored, flow, changes);
    for (const warning of warnings) this.#log.warn(warning);
    for (const [to, from] of renamed) this.#log.info("step renamed", { from, to });
    for (const step of dropped) this.#log.info("step dropped", { step });
    const names = new Map(Array.from(renamed, ([to, from]) => [from, to]));
    this.#positions = this.#positions
      .filter((position) => !isNote(position) && !dropped.has(position.step))
      .map((position) => ({ ...position, step: names.get(position.step) ?? position.step }));
    this.#notes = notes;
  }

  /**
   * Looks whether another flow could go on from here, as {@linkcode match} will do then.
   *
   * @param keyed The steps that have keys now, also those that no commit has written yet.
   * @throws {StepMatchError} If it could not.
   */
  foresee(flow: FlowSteps, keyed: readonly StepId[], changes: StepChanges): void {
    if (this.#store === null) return;
    const steps = keyed.map((step) => ({ step, keys: 1, bytes: 0 }));
    matchSteps({ keyed: steps, positions: this.#written }, flow, changes);
  }

  /** Leaves out what only a step could complete that the flow does not have. */
  #giveUpOthers({ outputs }: FlowSteps, { renames }: StepChanges): void {
    const known = new Set([...outputs, ...renames.keys()]);
    const given = this.#positions.filter(({ step }) => !known.has(step));
    this.#positions = this.#positions.filter(({ step }) => known.has(step));
    for (const step of new Set(given.map(({ step }) => step))) {
      this.#log.warn("an output that the flow no longer has left work unfinished: it is given up", {
        step,
      });
    }
  }

  /**
   * The stored keys of steps, each with the worker that owns it. The first commit then moves those
   * of steps that have been renamed, and drops what the user does not need any more.
   */
  async *state(steps: readonly StepId[], workerCount: number): AsyncGenerator<RestoredChunk, void> {
    if (this.#store === null) return;
    const { renamed, dropped } = this.#match!;
    const moved = new Set(renamed.values());
    const owners = ownersOf(workerCount);
    for (const step of steps) {
      const name = renamed.get(step) ?? step;
      if (!this.#keyed.has(name) || (name === step && moved.has(step))) continue;
      for await (const chunk of this.#store.load(name)) {
        if (name !== step) this.#move(name, step, chunk);
        const shares = Array.from({ length: workerCount }, (): StoredKey[] => []);
        for (const each of chunk) shares[owners[keyGroupOf(each.key)]].push(each);
        for (const [worker, keys] of shares.entries()) {
          for (const part of partsOf(keys)) yield { worker, step, keys: part };
        }
      }
    }
    for (const step of dropped) {
      if (!this.#keyed.has(step)) continue;
      for await (const chunk of this.#store.load(step)) this.#move(step, null, chunk);
    }
  }

  /**
   * Has the first commit move keys from one step to another. All that a step forgets comes before
   * anything that is stored, as another step may take its name.
   */
  #move(from: StepId, to: StepId | null, keys: readonly StoredKey[]): void {
    const epoch = this.epoch - 1;
    this.#changes.unshift({ epoch, chunk: forgetting(from, keys) });
    if (to !== null) this.#changes.push({ epoch, chunk: storing(to, keys) });
  }

  /** Keeps keys that have changed, until their epoch is committed. */
  stateChanged(epoch: Epoch, chunk: StateChunk): void {
    this.#changes.push({ epoch, chunk });
  }

  /** Records where a worker's inputs and outputs are at the end of an epoch. */
  recordPositions(worker: WorkerIndex, epoch: Epoch, positions: readonly StoredPosition[]): void {
    if (this.#store !== null) this.#recorded.record(epoch, worker, positions);
  }

  /**
   * The same, of a worker that has ended: its outputs have made all visible. Nothing but its
   * positions has changed since its last epoch.
   */
  recordSettled(worker: WorkerIndex, epoch: Epoch, positions: readonly StoredPosition[]): void {
    if (this.#store === null) return;
    this.#recorded.record(epoch, worker, positions);
    this.#hasSettled = true;
  }

  /** Whether there is something of that kind that no commit has written yet. */
  get hasSettled(): boolean {
    return this.#hasSettled;
  }

  /**
   * Writes an epoch, which all workers have closed.
   *
   * @throws {RecoveryError} If it cannot be written.
   */
  async commit(epoch: Epoch): Promise<CommitCost> {
    if (this.#store === null) return { ms: 0, bytes: 0 };
    const [now, later] = parted(this.#changes, (change) => change.epoch <= epoch);
    this.#changes = later;
    // Only at the end of a run are there those of two epochs.
    const state = now.sort((a, b) => a.epoch - b.epoch).map(({ chunk }) => chunk);
    const positions = [...this.#notes, ...this.#recorded.upTo(epoch).flat()];
    this.#hasSettled = false;
    const began = performance.now();
    await this.#store.commit(epoch, { state, positions });
    this.#committed = epoch;
    this.#written = positions;
    const keys = state.reduce((sum, { ids }) => sum + ids.length, 0);
    const ms = performance.now() - began;
    this.#log.debug("epoch committed", { epoch, changedKeys: keys, ms: Math.round(ms) });
    return { ms, bytes: bytesOf(state, positions) };
  }

  /** Frees the store. */
  async close(): Promise<void> {
    await this.#store?.close();
  }
}

function bytesOf(state: readonly StateChunk[], positions: readonly StoredPosition[]): number {
  const ofStates = state.reduce((sum, { states }) => sum + states.length, 0);
  return positions.reduce((sum, { state }) => sum + state.length, ofStates);
}

function parted<T>(items: readonly T[], first: (item: T) => boolean): [T[], T[]] {
  return [items.filter(first), items.filter((item) => !first(item))];
}

/** Keys in parts of about {@linkcode PART_BYTES}: a part must fit into a frame to a worker. */
function* partsOf(keys: readonly StoredKey[]): Generator<readonly StoredKey[]> {
  let from = 0;
  let bytes = 0;
  for (const [i, { key, state }] of keys.entries()) {
    const length = state.length + bytesOfKey(key);
    if (i > from && bytes + length > PART_BYTES) {
      yield keys.slice(from, i);
      from = i;
      bytes = 0;
    }
    bytes += length;
  }
  if (from < keys.length) yield keys.slice(from);
}
