/**
 * What a run needs of a place that survives it: the contract of recovery stores.
 *
 * A store holds one state only, that at the end of the last committed epoch: all that an epoch changes is
 * written at once, or not at all. So there are no old versions to clean up, and nothing to choose from
 * when a run resumes.
 *
 * @module
 */
import type { Epoch, PartitionName, StepId } from "../core/ids.ts";
import type { Log } from "../core/log.ts";

/**
 * Whose position it is: an input's, an output's, or that of time in a stateful step. `"gone"` notes that
 * what was stored of the step has been given to another one, or dropped. `"kind"` says what the state
 * of the step is, for people who look into the store.
 */
export type PositionRole = "input" | "output" | "time" | "gone" | "kind";

/** Whether a position is only a note about a step, which a run does not go on from. */
export function isNote({ role }: { readonly role: PositionRole }): boolean {
  return role === "gone" || role === "kind";
}

/** How far a partition of an input or output has come, or the time of a step's keys on a worker. */
export interface StoredPosition {
  /** The step that has the partition. */
  readonly step: StepId;
  /** What the step is. */
  readonly role: PositionRole;
  /** The partition's name: unique within the step. */
  readonly partition: PartitionName;
  /** As `core/value_codec.ts` encodes it. */
  readonly state: Uint8Array;
}

/**
 * What has become of keys of a step in an epoch, as columns: a million small objects would cost more than
 * all else. Each key has an id, so that only its first snapshot has to spell it.
 */
export interface StateChunk {
  /** The step whose keys they are. */
  readonly step: StepId;
  /**
   * The keys' ids. A key keeps its id for as long as it has state, in later runs too; that of a key that
   * was forgotten may be given to another. Integers from 0, in no order.
   */
  readonly ids: Float64Array;
  /**
   * The keys: any strings, also such that are not well-formed Unicode. `null` where the store has the keys
   * of all of these ids, or they have been forgotten.
   */
  readonly keys: readonly string[] | null;
  /** Their states, each encoded by itself, one behind the other. */
  readonly states: Uint8Array;
  /** How many bytes the state of each key has; -1 where the key has been forgotten. */
  readonly lengths: Int32Array;
}

/** All that an epoch has changed. */
export interface EpochChanges {
  /**
   * The keys that changed. What comes later takes the place of what was said of the same id, or key, before.
   * They are taken over many turns of the event loop, so what is behind them must not change until
   * `commit` is done.
   */
  readonly state: Iterable<StateChunk>;
  /** All positions as they are now. They take the place of those that were stored. */
  readonly positions: readonly StoredPosition[];
}

/** Where to go on. */
export interface ResumePoint {
  /** The last committed epoch; -1 where a run has begun, and committed none. */
  readonly epoch: Epoch;
  /** All positions at its end, in no order. */
  readonly positions: readonly StoredPosition[];
  /** All ids of keys are below it. */
  readonly nextId: number;
}

/** What is stored of a step. */
export interface StoredStep {
  /** The step, which the flow may not have any more. */
  readonly step: StepId;
  /** How many keys have state. */
  readonly keys: number;
  /** How large their states are together, in bytes. */
  readonly bytes: number;
}

/** A key and its state, encoded. */
export interface StoredKey {
  /** Its id; of a store that keeps none, any. */
  readonly id: number;
  /** The key. */
  readonly key: string;
  /** Its state. */
  readonly state: Uint8Array;
}

/**
 * A store that has been opened for one run, which nobody else can open until it is closed. Does one
 * thing after the other: what is asked for while an epoch is written waits until it is.
 */
export interface RecoveryStore {
  /** Whether it keeps no ids, so that changes must always spell their keys. */
  readonly byKey: boolean;
  /** Where to go on; `null` where nothing has been committed. */
  resume(): Promise<ResumePoint | null>;
  /** The steps that have keyed state, also those that the flow no longer has. */
  steps(): Promise<readonly StoredStep[]>;
  /**
   * The keys of a step, in chunks of some thousands at most. To be read before the first commit: of a
   * commit in between, some keys would be of before, some of after it.
   */
  load(step: StepId): AsyncIterable<readonly StoredKey[]>;
  /**
   * Writes an epoch: all of it, or, if it rejects or the process dies, nothing.
   *
   * @param epoch Not before the last one that was committed. The same one again, or -1 before the first,
   * is the beginning of a run: it has positions, and changes only where the state of a step goes to
   * another step, or is dropped.
   * @throws {RangeError} If it is before.
   * @throws {RecoveryError} If the store fails. If it cannot say in what state it is then, it refuses
   * all else until it has been opened anew.
   * @throws What `changes.state` throws, as it is.
   */
  commit(epoch: Epoch, changes: EpochChanges): Promise<void>;
  /** Frees the store. Once closed, another run can open it. */
  close(): Promise<void>;
}

/** Where a flow's state is kept. Plain data until a run opens it. */
export interface RecoveryConfig {
  /**
   * Opens the store for a run of a flow.
   *
   * @param flow The flow's name: a store belongs to one flow.
   * @param log Told what may not have been meant, such as a folder that had to be made.
   * @param signal Aborted when the run is stopped meanwhile: opening may then end with an error.
   * @throws {RecoveryError} If it cannot be used; nothing in it has been changed then.
   */
  open(flow: string, log?: Log, signal?: AbortSignal): Promise<RecoveryStore>;
  /** Drops all that is stored, whatever state it is in, after making sure that no run uses it. */
  drop(): Promise<void>;
  /** What the store is called, for people: a path, or topics. */
  readonly name: string;
}

/** A recovery store that cannot be used: says why, and what to do. */
export class RecoveryError extends Error {
  /** Always `"RecoveryError"`. */
  override readonly name = "RecoveryError";
}
