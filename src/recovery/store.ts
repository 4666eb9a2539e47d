/**
 * The contract of recovery stores: a place that survives a run.
 *
 * A store holds one state only, that at the end of the last committed epoch. All changes of an
 * epoch are written together, or not at all. So there are no old versions to clean up, and a run
 * that resumes has nothing to choose from.
 *
 * @module
 */
import type { ConnectionReading } from "../core/connection_reading.ts";
import type { Epoch, PartitionName, StepId } from "../core/ids.ts";
import type { Log } from "../core/log.ts";

/**
 * The owner of a position: an input, an output, or the time of a stateful step. `"gone"` notes that
 * a step's state has moved to another step, or was dropped. `"kind"` names the kind of a step's
 * state, for people who look into the store.
 */
export type PositionRole = "input" | "output" | "time" | "gone" | "kind";

/** Whether a position is only a note about a step, from which a run does not continue. */
export function isNote({ role }: { readonly role: PositionRole }): boolean {
  return role === "gone" || role === "kind";
}

/** The position of a partition of an input or output, or the time of a step's keys on a worker. */
export interface StoredPosition {
  /** The step that owns the partition. */
  readonly step: StepId;
  /** The kind of position. */
  readonly role: PositionRole;
  /** The partition's name: unique within the step. */
  readonly partition: PartitionName;
  /** The state, encoded by `core/value_codec.ts`. */
  readonly state: Uint8Array;
}

/**
 * The changes of a step's keys in an epoch, as columns: a million small objects would cost more
 * than everything else. Each key has an id, so only its first snapshot holds the key itself.
 */
export interface StateChunk {
  /** The step that owns the keys. */
  readonly step: StepId;
  /**
   * The keys' ids: integers from 0, in any order. A key keeps its id as long as it has state, in
   * later runs too. The id of a forgotten key may be reused.
   */
  readonly ids: Float64Array;
  /**
   * The keys: any strings, even if they are not well-formed Unicode. `null` if the store knows the
   * keys of all of these ids, or they have been forgotten.
   */
  readonly keys: readonly string[] | null;
  /** Their states, encoded separately and concatenated. */
  readonly states: Uint8Array;
  /** The length of each key's state in bytes; -1 for a forgotten key. */
  readonly lengths: Int32Array;
}

/** The change of one key in a {@linkcode StateChunk}. */
export interface StateChange {
  /** The key's id. */
  readonly id: number;
  /** `null` where the chunk does not hold its keys. */
  readonly key: string | null;
  /** A view on the chunk's states; `null` where the key has been forgotten. */
  readonly state: Uint8Array | null;
}

/** Returns the changes of a chunk one by one, in order. */
export function* eachChange({ ids, keys, states, lengths }: StateChunk): Generator<StateChange> {
  let offset = 0;
  for (let i = 0; i < ids.length; i++) {
    const state = lengths[i] < 0 ? null : states.subarray(offset, offset += lengths[i]);
    yield { id: ids[i], key: keys?.[i] ?? null, state };
  }
}

/** The changes of an epoch. */
export interface EpochChanges {
  /**
   * The keys that changed. A later entry replaces an earlier one of the same id or key. The event
   * loop runs many times while the store reads them, so the underlying data must not change until
   * `commit` is done.
   */
  readonly state: Iterable<StateChunk>;
  /** All current positions. They replace the stored ones. */
  readonly positions: readonly StoredPosition[];
}

/** Where a run resumes. */
export interface ResumePoint {
  /** The last committed epoch; -1 if a run has begun but committed none. */
  readonly epoch: Epoch;
  /** All positions at its end, in any order. */
  readonly positions: readonly StoredPosition[];
  /** All ids of keys are below this number. */
  readonly nextId: number;
  /**
   * Whether the positions are only those that outputs have left unfinished, for a run that begins
   * from scratch. Those of steps that the flow does not have are then given up.
   */
  readonly isUnfinishedOnly?: boolean;
}

/** What is stored of a step. */
export interface StoredStep {
  /** The step, which the flow may no longer have. */
  readonly step: StepId;
  /** How many keys have state. */
  readonly keys: number;
  /** The size of their states together, in bytes. */
  readonly bytes: number;
}

/** A key and its state, encoded. */
export interface StoredKey {
  /** Its id; any number in a store that keeps no ids. */
  readonly id: number;
  /** The key. */
  readonly key: string;
  /** Its state. */
  readonly state: Uint8Array;
}

/**
 * A store that is open for one run. Nobody else can open it until it is closed. Calls run one after
 * the other: a call during a commit waits until the epoch is written.
 */
export interface RecoveryStore {
  /** Whether the store keeps no ids, so that all changes must hold their keys. */
  readonly byKey: boolean;
  /** Where to resume; `null` if nothing has been committed. */
  resume(): Promise<ResumePoint | null>;
  /** The steps that have keyed state, including those that the flow no longer has. */
  steps(): Promise<readonly StoredStep[]>;
  /**
   * Returns the keys of a step, in chunks of at most some thousands. Read them before the first
   * commit: a commit in between would mix old and new states.
   */
  load(step: StepId): AsyncIterable<readonly StoredKey[]>;
  /**
   * Writes an epoch: all of it, or nothing if it rejects or the process dies.
   *
   * @param epoch Not before the last committed one. The same epoch again, or -1 before the first,
   * marks the beginning of a run. It has positions. It has changes only if the state of a step
   * moves to another step, or is dropped. The same epoch may also come again at the end of a run,
   * with other positions.
   * @throws {RangeError} If the epoch is before the last committed one.
   * @throws {RecoveryError} If the store fails. If its state is then unknown, it refuses all
   * further calls until it is opened again.
   * @throws Errors of `changes.state`, unchanged.
   */
  commit(epoch: Epoch, changes: EpochChanges): Promise<void>;
  /** Returns the connections of a store that is in another process, for metrics. */
  connections?(): readonly ConnectionReading[];
  /** Frees the store. Once closed, another run can open it. */
  close(): Promise<void>;
}

/** Where a flow's state is kept. Plain data until a run opens it. */
export interface RecoveryConfig {
  /**
   * Opens the store for a run of a flow.
   *
   * @param flow The flow's name: a store belongs to one flow.
   * @param log Accepts warnings, such as a folder that had to be made.
   * @param signal Aborts when the run is stopped meanwhile: opening may then end with an error.
   * @throws {RecoveryError} If it cannot be used; its contents are then unchanged.
   */
  open(flow: string, log?: Log, signal?: AbortSignal): Promise<RecoveryStore>;
  /**
   * Drops all that is stored, whatever state it is in, after checking that no run uses it. What
   * outputs have left unfinished is given up with it.
   *
   * @param log Accepts what is waited for, if that takes long.
   */
  drop(log?: Log): Promise<void>;
  /** The store's name for people: a path, or topics. */
  readonly name: string;
}

/** A recovery store cannot be used. The message names the reason and the cure. */
export class RecoveryError extends Error {
  /** Always `"RecoveryError"`. */
  override readonly name = "RecoveryError";
}

/** Another run holds the store. */
export class StoreInUseError extends RecoveryError {
  /**
   * Makes the error.
   *
   * @param store What the store is called: a path, topics, or "in memory".
   * @param note What to know while waiting for the other run, such as how long it may hold it.
   */
  constructor(store: string, note = "") {
    super(
      `recovery store ${store}: another run uses it: wait until that one has ended` +
        `${note === "" ? "" : ` (${note})`}, or give each run a store of its own`,
    );
  }
}

/** There is no store yet. */
export class NoStoreError extends RecoveryError {}

/** The epoch before the first: what a first run begins with. */
const BEFORE_ALL = -1;

/**
 * Returns `epoch` if it does not come before the last one. A store that is written out of order
 * would hold a mixture of old and new states.
 *
 * @throws {RangeError} If it comes before the last one.
 */
export function nextEpoch(last: Epoch | null, epoch: Epoch): Epoch {
  if (Number.isSafeInteger(epoch) && epoch >= (last ?? BEFORE_ALL)) return epoch;
  throw new RangeError(
    `epoch ${epoch} cannot be committed: ` +
      (last === null
        ? `it must be a whole number from ${BEFORE_ALL} on`
        : `the last one was ${last}`),
  );
}
