/**
 * What a worker has changed in an epoch, for its snapshot.
 *
 * Each task hands over its part when it passes the epoch's end, before anything of the next epoch can
 * touch it. So a task may be in the next epoch already while others are not: everything is kept with the
 * epoch that it belongs to.
 *
 * @module
 */
import { StepError } from "../core/errors.ts";
import type { Epoch, StepId, WorkerIndex } from "../core/ids.ts";
import { preview } from "../core/preview.ts";
import { encodeValue } from "../core/value_codec.ts";
import type { Positions } from "../graph/contracts.ts";
import type { KeyedLogic } from "../graph/keyed_logic.ts";
import type { PositionRole, StoredPosition } from "../recovery/store.ts";

/** Keys in a chunk, at most. */
const CHUNK_KEYS = 4096;

/** Keys of a step that an epoch has changed, as columns: many small objects would cost more. */
export interface StateChunk {
  readonly epoch: Epoch;
  readonly step: StepId;
  readonly keys: readonly string[];
  /** The state of each, encoded; `null` where the key has been forgotten. */
  readonly states: readonly (Uint8Array | null)[];
}

/** Collects the parts. */
export class Journal {
  readonly #worker: WorkerIndex;
  readonly #send: (chunk: StateChunk) => void;
  readonly #latest = new Map<string, StoredPosition[]>(); // by role and step
  #noted: { epoch: Epoch; name: string; positions: StoredPosition[] }[] = [];

  /** `send` gets the changed keys, chunk by chunk. */
  constructor(worker: WorkerIndex, send: (chunk: StateChunk) => void) {
    this.#worker = worker;
    this.#send = send;
  }

  /**
   * Takes the keys of a step that have changed by the end of an epoch.
   *
   * @throws {StepError} If a snapshot cannot be taken or encoded.
   */
  state(
    epoch: Epoch,
    step: StepId,
    changes: Iterable<readonly [key: string, logic: KeyedLogic | null]>,
  ): void {
    let keys: string[] = [];
    let states: (Uint8Array | null)[] = [];
    const flush = () => {
      if (keys.length > 0) this.#send({ epoch, step, keys, states });
      keys = [];
      states = [];
    };
    for (const [key, logic] of changes) {
      keys.push(key);
      states.push(logic === null ? null : this.#encode(step, key, logic));
      if (keys.length === CHUNK_KEYS) flush();
    }
    flush();
  }

  /** Takes how far an input or output has come by the end of an epoch. */
  positions(epoch: Epoch, step: StepId, role: PositionRole, positions: Positions): void {
    const stored = [...positions].map(([partition, state]) => ({
      step,
      role,
      partition,
      state: this.#guard(step, partition, () => encodeValue(state)),
    }));
    this.#noted.push({ epoch, name: `${role} ${step}`, positions: stored });
  }

  /** All positions of this worker at the end of an epoch. */
  positionsAt(epoch: Epoch): StoredPosition[] {
    for (const { epoch: of, name, positions } of this.#noted) {
      if (of <= epoch) this.#latest.set(name, positions);
    }
    this.#noted = this.#noted.filter(({ epoch: of }) => of > epoch);
    return [...this.#latest.values()].flat();
  }

  #encode(step: StepId, key: string, logic: KeyedLogic): Uint8Array {
    return this.#guard(step, { key }, () => encodeValue(logic.snapshot()));
  }

  #guard<R>(stepId: StepId, item: unknown, work: () => R): R {
    try {
      return work();
    } catch (thrown) {
      throw new StepError({ stepId, worker: this.#worker, item: preview(item) }, thrown);
    }
  }
}
