/**
 * Shows what is in a store on Kafka, even while a run uses it.
 *
 * @module
 */
import type { Epoch, StepId } from "../../core/ids.ts";
import { silentLog } from "../../core/log.ts";
import { firstKeys, type StoreInspector, type WantedStates } from "../../recovery/inspector.ts";
import {
  NoStoreError,
  type StoredKey,
  type StoredPosition,
  type StoredStep,
} from "../../recovery/store.ts";
import { KafkaConnection } from "../kafka/client/connection.ts";
import { DAMAGED, explain, ownerless, refuse, type StoreTopics } from "./store_topics.ts";
import { type MetaRead, readMeta } from "./read_meta.ts";
import { damageOf, readPartitions } from "./read_state.ts";
import { FORMAT } from "./records.ts";
import { ShownState } from "./shown_state.ts";
import { reachTopics, requireTopics } from "./topics.ts";

/** For how long to retry reading a store that a run is writing to, in milliseconds. */
const PATIENCE_MS = 15_000;

/** A run that makes a store may have written to one of its topics only for as long. */
const MADE_MS = 1_000;

/**
 * The content of a store. It is read without the lock, so that the run that uses it is not
 * disturbed.
 */
export class KafkaInspector implements StoreInspector {
  readonly flow: string;
  readonly epoch: Epoch | null;
  readonly committedAt: Date | null;
  readonly #positions: readonly StoredPosition[];
  readonly #state: ShownState;

  /** Shows what has been read. */
  constructor({ head, epoch, positions }: MetaRead, state: ShownState) {
    this.flow = head!.flow;
    this.epoch = epoch?.epoch ?? null;
    this.committedAt = epoch === null ? null : new Date(epoch.committedAt);
    this.#positions = [...positions.values()];
    this.#state = state;
  }

  /**
   * Reads a store.
   *
   * @param wanted Whose states to keep; `null` for none.
   * @throws {RecoveryError} If there is no store, it cannot be read, or a part of it is lost.
   */
  static async open(
    storeTopics: StoreTopics,
    wanted: WantedStates | null,
  ): Promise<KafkaInspector> {
    const ended = new AbortController();
    const connect = (topics: readonly string[]) =>
      new KafkaConnection(storeTopics.brokers, topics, storeTopics.settings, {
        log: silentLog,
        signal: ended.signal,
        isolation: "read_uncommitted",
      });
    const opened: KafkaConnection[] = [];
    try {
      const first = connect([]);
      opened.push(first);
      await requireTopics(first, storeTopics);
      const connection = connect([storeTopics.stateTopic, storeTopics.metaTopic]);
      opened.push(connection);
      const partitions = await reachTopics(connection, storeTopics);
      // It has no limit: a store may be large.
      return await readWhole(connection, storeTopics, partitions, wanted);
    } catch (error) {
      throw explain(storeTopics, error);
    } finally {
      ended.abort();
      for (const connection of opened) await connection.close();
    }
  }

  steps(): readonly StoredStep[] {
    return this.#state.steps();
  }

  positions(): readonly StoredPosition[] {
    return this.#positions;
  }

  keys(step: StepId, limit: number): readonly StoredKey[] {
    return firstKeys(this.#state.found(step), limit);
  }

  get(step: StepId, key: string): Uint8Array | undefined {
    return this.#state.found(step).find((each) => each.key === key)?.state;
  }

  /** It holds nothing that has to be released. */
  [Symbol.dispose](): void {}
}

/** Whether a store has ever written to the topic for state. */
async function hasMarks(
  connection: KafkaConnection,
  storeTopics: StoreTopics,
  partitions: number,
): Promise<boolean> {
  for await (const { marks } of readPartitions(connection, storeTopics, partitions, () => null)) {
    if (marks.store !== null) return true;
  }
  return false;
}

/**
 * Reads both topics, as they were at the end of one epoch.
 *
 * @throws {NoStoreError} If there is no store on them yet.
 * @throws {RecoveryError} If a part of it is lost, or the topic for meta does not say whose it is.
 */
async function readWhole(
  connection: KafkaConnection,
  storeTopics: StoreTopics,
  partitions: number,
  wanted: WantedStates | null,
): Promise<KafkaInspector> {
  const start = performance.now();
  for (;;) {
    const meta = await readMeta(connection, storeTopics);
    const { head, epoch } = meta;
    if (head === null) {
      if (!await hasMarks(connection, storeTopics, partitions)) {
        throw new NoStoreError(refuse(storeTopics, "it is empty: no run has used it yet").message);
      }
      if (performance.now() - start >= MADE_MS) throw ownerless(storeTopics);
      continue;
    }
    if (head.format !== FORMAT) {
      throw refuse(storeTopics, `it has format ${head.format}, and this version knows ${FORMAT}`);
    }
    const state = new ShownState(wanted);
    const parts = readPartitions(connection, storeTopics, head.partitions, state.keep);
    for await (const part of parts) state.add(part);
    const damage = damageOf(
      state.marks,
      { id: head.id, written: epoch?.written ?? [] },
      storeTopics,
    );
    if (damage === null) return new KafkaInspector(meta, state);
    // A run may have committed an epoch in between. Then the next attempt finds both at one epoch.
    if (performance.now() - start >= PATIENCE_MS) {
      throw refuse(storeTopics, `${damage}; ${DAMAGED}`);
    }
  }
}
