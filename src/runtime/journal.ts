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
import { decodeValue, encodeValue, ValueColumn } from "../core/value_codec.ts";
import type { Positions } from "../graph/contracts.ts";
import type { KeyedLogic } from "../graph/keyed_logic.ts";
import type { PositionRole, StoredPosition } from "../recovery/store.ts";
import type { KeyTable } from "./keyed_table.ts";

/** Keys in a chunk, at most, and about how many bytes of state. */
const CHUNK_KEYS = 4096;
const CHUNK_BYTES = 8 << 20;

/** Keys of a step that an epoch has changed, as columns: many small objects would cost more. */
export interface StateChunk {
  readonly epoch: Epoch;
  readonly step: StepId;
  readonly keys: readonly string[];
  /** Their states, each encoded by itself, one behind the other. */
  readonly states: Uint8Array;
  /** How many bytes the state of each key has; -1 where the key has been forgotten. */
  readonly lengths: Int32Array;
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
    takeChanges: KeyTable["takeChanges"],
  ): void {
    const column = new ValueColumn();
    let keys: string[] = [];
    const lengths = new Int32Array(CHUNK_KEYS);
    let bytes = 0;
    const flush = () => {
      if (keys.length === 0) return;
      const states = column.take();
      this.#send({ epoch, step, keys, states, lengths: lengths.slice(0, keys.length) });
      keys = [];
      bytes = 0;
    };
    takeChanges((key, logic) => {
      const length = logic === null ? -1 : this.#encode(column, step, key, logic);
      lengths[keys.length] = length;
      keys.push(key);
      bytes += length;
      if (keys.length === CHUNK_KEYS || bytes > CHUNK_BYTES) flush();
    });
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

  #encode(column: ValueColumn, step: StepId, key: string, logic: KeyedLogic): number {
    try {
      return column.write(logic.snapshot());
    } catch (thrown) {
      throw new StepError({ stepId: step, worker: this.#worker, item: preview({ key }) }, thrown);
    }
  }

  #guard<R>(stepId: StepId, item: unknown, work: () => R): R {
    try {
      return work();
    } catch (thrown) {
      throw new StepError({ stepId, worker: this.#worker, item: preview(item) }, thrown);
    }
  }
}

/** The positions of one step, out of those that are stored. */
export function positionsOf(
  stepId: StepId,
  role: PositionRole,
  positions: readonly StoredPosition[],
): Positions {
  const mine = positions.filter((at) => at.step === stepId && at.role === role);
  return new Map(mine.map(({ partition, state }) => [partition, decodeValue(state)]));
}
