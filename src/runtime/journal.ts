/**
 * What a worker has changed in an epoch, for its snapshot.
 *
 * Each task hands over its part when it passes the epoch's end, before anything of the next epoch
 * can touch it. So a task may be in the next epoch already while others are not: everything is kept
 * with the epoch that it belongs to.
 *
 * @module
 */
import { StepError } from "../core/errors.ts";
import type { Epoch, StepId, WorkerIndex } from "../core/ids.ts";
import { preview } from "../core/preview.ts";
import { decodeValue, encodeValue } from "../core/value_codec.ts";
import type { Positions } from "../graph/contracts.ts";
import type { PositionRole, StateChunk, StoredPosition } from "../recovery/store.ts";
import { ChunkWriter, LONGEST_STATE, tooLarge } from "./keyed/chunk_writer.ts";
import { EpochLedger } from "./epoch_ledger.ts";
import { KeyIds, type KeyNumbering } from "./keyed/key_ids.ts";
import type { KeyChanges } from "./keyed/key_table.ts";
import { StateSize } from "./keyed/state_size.ts";

/** Which worker it is, of how many. */
export interface WorkerNumber {
  readonly index: WorkerIndex;
  readonly count: number;
}

/** What a record of a key takes besides its state, about, in bytes. */
const KEY_BYTES = 64;

/** The keys of a step, and the states of those that were looked at. */
interface WatchedKeys {
  readonly step: StepId;
  readonly changes: KeyChanges;
  /** The epoch in which keys change now. */
  epoch: Epoch;
  looks: number;
  bytes: number;
}

/** Collects the parts. */
export class Journal {
  readonly #worker: WorkerNumber;
  readonly #numbering: KeyNumbering;
  readonly #send: (epoch: Epoch, chunk: StateChunk) => void;
  readonly #positions = new EpochLedger<string, StoredPosition[]>(); // by role and step
  readonly #longest: number;
  readonly #sizes = new Map<StepId, StateSize>();
  readonly #watched = new Map<StepId, WatchedKeys>();

  /**
   * `send` gets the changed keys, chunk by chunk. `longest`: the most bytes of a state or a
   * position, for tests.
   */
  constructor(
    worker: WorkerNumber,
    numbering: KeyNumbering,
    send: (epoch: Epoch, chunk: StateChunk) => void,
    longest: number = LONGEST_STATE,
  ) {
    this.#longest = longest;
    this.#worker = worker;
    this.#numbering = numbering;
    this.#send = send;
  }

  /** What numbers the keys of a step on this worker. */
  ids(): KeyIds {
    const { index, count } = this.#worker;
    return new KeyIds(this.#numbering.firstId + index, count);
  }

  /** Has {@linkcode changedBytes} count the keys of a step, from an epoch on. */
  watch(step: StepId, changes: KeyChanges, epoch: Epoch): void {
    this.#watched.set(step, { step, changes, epoch, looks: 0, bytes: 0 });
  }

  /**
   * About how many bytes the snapshots of an epoch will have, as far as is known now. Steps that
   * have not come to that epoch count nothing.
   *
   * @throws {StepError} If a snapshot cannot be taken or encoded.
   */
  changedBytes(epoch: Epoch): number {
    let sum = 0;
    for (const each of this.#watched.values()) {
      const { changed } = each.changes;
      if (each.epoch === epoch && changed > 0) sum += changed * (KEY_BYTES + this.#meanOf(each));
    }
    return sum;
  }

  /** The bytes of a state on average. Before the first snapshot, a few are encoded for that. */
  #meanOf(each: WatchedKeys): number {
    const known = this.sizeOf(each.step).of(1);
    if (known !== null) return known;
    if (each.changes.changed >= 2 ** each.looks) {
      const logic = each.changes.someChanged();
      if (logic !== null) {
        each.bytes += this.#guard(each.step, { key: logic.key }, () => {
          return encodeValue(logic.snapshot()).length;
        });
      }
      each.looks++;
    }
    return each.bytes / Math.max(1, each.looks);
  }

  /**
   * Sends the keys of a step that have changed by the end of an epoch.
   *
   * @throws {StepError} If a snapshot cannot be taken or encoded.
   */
  snapshot(epoch: Epoch, step: StepId, changes: KeyChanges): void {
    const watched = this.#watched.get(step);
    if (watched !== undefined) watched.epoch = epoch + 1;
    const send = (chunk: StateChunk) => this.#send(epoch, chunk);
    let count = 0;
    let bytes = 0;
    const { byKey } = this.#numbering;
    const named = new ChunkWriter(step, true, send, this.#longest);
    const numbered = new ChunkWriter(step, false, send, this.#longest);
    // Before anything else: their numbers may be those of other keys by now.
    const gone = byKey ? named : numbered;
    for (const { id, key } of changes.takeForgotten()) gone.forget(id, key);
    gone.flush();
    changes.takeChanged((logic) => {
      const chunk = byKey || !logic.isStored ? named : numbered;
      try {
        bytes += chunk.write(logic.id, logic.key, logic.snapshot());
        count++;
      } catch (thrown) {
        const item = preview({ key: logic.key });
        throw new StepError({ stepId: step, worker: this.#worker.index, item }, thrown);
      }
    });
    named.flush();
    numbered.flush();
    this.sizeOf(step).wrote(count, bytes, changes.keys.size);
  }

  /** How many bytes the states of a step take in snapshots. */
  sizeOf(step: StepId): StateSize {
    let size = this.#sizes.get(step);
    if (size === undefined) this.#sizes.set(step, size = new StateSize());
    return size;
  }

  /** Records how far an input or output has come by the end of an epoch. */
  recordPositions(epoch: Epoch, step: StepId, role: PositionRole, positions: Positions): void {
    const stored = [...positions].map(([partition, state]) => ({
      step,
      role,
      partition,
      state: this.#guard(step, partition, () => this.#encodePosition(state)),
    }));
    this.#positions.record(epoch, `${role} ${step}`, stored);
  }

  #encodePosition(state: unknown): Uint8Array {
    const bytes = encodeValue(state);
    if (bytes.length > this.#longest) throw tooLarge("the position", bytes.length, this.#longest);
    return bytes;
  }

  /** All positions of this worker at the end of an epoch. */
  positionsAt(epoch: Epoch): StoredPosition[] {
    return this.#positions.upTo(epoch).flat();
  }

  #guard<R>(stepId: StepId, item: unknown, work: () => R): R {
    try {
      return work();
    } catch (thrown) {
      throw new StepError({ stepId, worker: this.#worker.index, item: preview(item) }, thrown);
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
