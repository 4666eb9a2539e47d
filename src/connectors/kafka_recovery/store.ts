/**
 * A store that a run has open: see `recovery/store.ts` for what it does, `records.ts` for what is in it.
 *
 * @module
 */
import type { Epoch, StepId } from "../../core/ids.ts";
import { keyGroupOf } from "../../core/key_groups.ts";
import { silentLog } from "../../core/log.ts";
import { nextEpoch } from "../../recovery/next_epoch.ts";
import type {
  EpochChanges,
  RecoveryStore,
  ResumePoint,
  StoredKey,
  StoredPosition,
  StoredStep,
} from "../../recovery/store.ts";
import { eachChange } from "../../recovery/state_chunk.ts";
import { KafkaConnection } from "../kafka/connection.ts";
import { Buffer } from "../kafka/kafkajs.ts";
import { RunLock } from "./lock.ts";
import { explain, type KafkaPlace, refuse } from "./place.ts";
import { readPartition } from "./read_partition.ts";
import {
  EPOCH_KEY,
  FLOW_KEY,
  FORMAT,
  movedPositions,
  partitionOf,
  positionKey,
  readPosition,
  stateKey,
  type StoredEpoch,
  type StoreHead,
} from "./records.ts";
import { Round } from "./round.ts";
import { deleteTopics, ensureTopics } from "./topics.ts";
import { TransactionalProducer } from "./transaction.ts";

/** How many keys are handed out at once, and bytes of state they may have. */
const CHUNK_KEYS = 4096;
const CHUNK_BYTES = 8 << 20;

const DAMAGED =
  "bring back its topics from a copy, or drop it (--from-scratch) to begin anew without " +
  "state and positions";

/** The keys of a step, by partition. */
type StepKeys = Map<string, Uint8Array>[];

/** What a run has open. One thing is done at a time; the next one waits for it. */
export class KafkaStore implements RecoveryStore {
  readonly byKey = true;
  readonly #place: KafkaPlace;
  readonly #lock: RunLock;
  readonly #connection: KafkaConnection;
  readonly #ended = new AbortController();
  #producer!: TransactionalProducer;
  #partitions = 0;
  #head: StoreHead | null = null;
  #epoch: Epoch | null = null;
  /** By the keys of their records. */
  #positions = new Map<string, StoredPosition>();
  /** All keys, from the first time they are asked for until some are written. */
  #keys: Map<StepId, StepKeys> | null = null;
  #busy: Promise<unknown> = Promise.resolve();
  #closed = false;
  #failure: unknown;

  private constructor(place: KafkaPlace, lock: RunLock) {
    const { brokers, stateTopic, metaTopic, settings } = place;
    this.#place = place;
    this.#lock = lock;
    this.#connection = new KafkaConnection(brokers, [stateTopic, metaTopic], settings, {
      log: silentLog,
      signal: this.#ended.signal,
      isolation: "read_uncommitted",
    });
  }

  /**
   * Opens a store, under its lock.
   *
   * @throws {RecoveryError} If it cannot be used.
   */
  static async open(place: KafkaPlace, flow: string): Promise<KafkaStore> {
    const lock = await RunLock.take(place);
    const store = new KafkaStore(place, lock);
    try {
      await ensureTopics(lock.connection, place);
      await store.#begin(flow);
      return store;
    } catch (error) {
      await store.#free();
      throw explain(place, error);
    }
  }

  resume(): Promise<ResumePoint | null> {
    return this.#alone(() =>
      this.#epoch === null ? null : {
        epoch: this.#epoch,
        positions: Array.from(this.#positions.values(), (each) => ({
          ...each,
          state: each.state.slice(),
        })),
        nextId: 0, // there are none
      }
    );
  }

  async steps(): Promise<readonly StoredStep[]> {
    const steps = await this.#alone(() => this.#readKeys());
    return Array.from(steps, ([step, parts]) => {
      let [keys, bytes] = [0, 0];
      for (const part of parts) {
        keys += part.size;
        for (const { length } of part.values()) bytes += length;
      }
      return { step, keys, bytes };
    }).filter(({ keys }) => keys > 0);
  }

  async *load(step: StepId): AsyncGenerator<readonly StoredKey[]> {
    const parts = (await this.#alone(() => this.#readKeys())).get(step) ?? [];
    let chunk: StoredKey[] = [];
    let bytes = 0;
    let id = 0; // anything: changes come with their keys
    for (const part of parts) {
      for (const [key, state] of part) {
        chunk.push({ id: id++, key, state });
        bytes += state.length;
        if (chunk.length < CHUNK_KEYS && bytes < CHUNK_BYTES) continue;
        yield chunk;
        chunk = [];
        bytes = 0;
      }
    }
    if (chunk.length > 0) yield chunk;
  }

  commit(epoch: Epoch, changes: EpochChanges): Promise<void> {
    return this.#alone(async () => {
      const next = thrownAsItIs(() => nextEpoch(this.#epoch, epoch));
      const positions = new Map(changes.positions.map((each) => [
        positionKey(each),
        { ...each, state: each.state.slice() },
      ]));
      const round = new Round(this.#producer, this.#place.stateTopic);
      try {
        let isChanged = false;
        for (const chunk of watched(changes.state)) {
          isChanged = true;
          for (const { key, state } of eachChange(chunk)) {
            const partition = partitionOf(keyGroupOf(key!), this.#partitions);
            const sent = round.add(partition, stateKey(chunk.step, key!), state);
            if (sent !== undefined) await sent;
          }
        }
        await round.flush();
        const committed: StoredEpoch = { epoch: next, committedAt: Date.now() };
        const meta = new Map([
          ...movedPositions(this.#positions, positions),
          [EPOCH_KEY, Buffer.from(JSON.stringify(committed))] as const,
        ]);
        await this.#writeMeta(meta);
        await this.#producer.end("commit");
        if (isChanged) this.#keys = null;
      } catch (error) {
        await round.settled();
        await this.#rollBack(error);
        throw error;
      }
      this.#positions = positions;
      this.#epoch = next;
    });
  }

  close(): Promise<void> {
    const closed = this.#busy.then(async () => {
      if (this.#closed) return;
      this.#closed = true;
      this.#keys = null;
      await this.#free();
    });
    this.#busy = closed.catch(() => {});
    return closed;
  }

  /** Takes over what is there; a new store is given its flow. */
  async #begin(flow: string): Promise<void> {
    const { stateTopic, metaTopic, id } = this.#place;
    // New topics take a moment until they can be asked for.
    const partitions = await this.#connection.open(async () => {
      const count = (await this.#connection.leaders(stateTopic)).size;
      const all = Array.from(
        { length: count },
        (_, partition) => ({ topic: stateTopic, partition }),
      );
      await this.#connection.offsets([...all, { topic: metaTopic, partition: 0 }], {
        fromBeginning: false,
      });
      return count;
    });
    this.#partitions = partitions;
    this.#producer = await TransactionalProducer.begin(this.#connection, id);
    await this.#readMeta();
    if (this.#head === null) {
      await this.#checkEmpty();
      const head: StoreHead = { format: FORMAT, flow, partitions };
      await this.#writeMeta(new Map([[FLOW_KEY, Buffer.from(JSON.stringify(head))]]));
      await this.#producer.end("commit");
      return;
    }
    const { format, flow: owner, partitions: made } = this.#head;
    if (format !== FORMAT) {
      throw refuse(this.#place, `it has format ${format}, and this version knows ${FORMAT}`);
    }
    if (owner !== flow) {
      throw refuse(
        this.#place,
        `it belongs to the flow ${JSON.stringify(owner)}, and this is ${
          JSON.stringify(flow)
        }: give ` +
          "each flow a prefix of its own",
      );
    }
    if (made !== partitions) {
      throw refuse(
        this.#place,
        `"${stateTopic}" has ${partitions} partitions, and was made with ${made}: keys would not be ` +
          `found; ${DAMAGED}`,
      );
    }
  }

  /** A store that has no head must have no keys: its other topic was deleted, or never its own. */
  async #checkEmpty(): Promise<void> {
    const { stateTopic, metaTopic } = this.#place;
    if ((await this.#readKeys()).size === 0 && this.#epoch === null) return;
    throw refuse(
      this.#place,
      `there are keys on "${stateTopic}", but "${metaTopic}" does not say whose: ${DAMAGED}`,
    );
  }

  async #readMeta(): Promise<void> {
    for await (const records of readPartition(this.#connection, this.#metaPartition())) {
      for (const { key: bytes, value } of records) {
        const key = textOf(bytes);
        try {
          if (key === FLOW_KEY) this.#head = JSON.parse(textOf(value)) as StoreHead;
          else if (key === EPOCH_KEY) {
            this.#epoch = (JSON.parse(textOf(value)) as StoredEpoch).epoch;
          } else if (value === null) this.#positions.delete(key);
          else {
            const position = readPosition(key, value.slice());
            if (position !== null) this.#positions.set(key, position);
          }
        } catch (error) {
          throw this.#foreign(this.#place.metaTopic, error);
        }
      }
    }
  }

  /** All keys; they are read once, and again after they have changed. */
  async #readKeys(): Promise<Map<StepId, StepKeys>> {
    if (this.#keys !== null) return this.#keys;
    const steps = new Map<StepId, StepKeys>();
    const topic = this.#place.stateTopic;
    for (let partition = 0; partition < this.#partitions; partition++) {
      for await (const records of readPartition(this.#connection, { topic, partition })) {
        for (const { key: bytes, value } of records) {
          const [step, key] = this.#parseKey(bytes, partition);
          let parts = steps.get(step);
          if (parts === undefined) {
            parts = Array.from({ length: this.#partitions }, () => new Map<string, Uint8Array>());
            steps.set(step, parts);
          }
          if (value === null) parts[partition].delete(key);
          else parts[partition].set(key, value.slice()); // lets go of what was fetched
        }
      }
    }
    return this.#keys = steps;
  }

  #parseKey(bytes: Uint8Array | null, partition: number): [step: StepId, key: string] {
    try {
      const parsed: unknown = JSON.parse(textOf(bytes));
      const [step, key, ...more] = parsed as [string, string];
      if (typeof step === "string" && typeof key === "string" && more.length === 0) {
        if (partitionOf(keyGroupOf(key), this.#partitions) === partition) return [step, key];
      }
    } catch (error) {
      throw this.#foreign(this.#place.stateTopic, error);
    }
    throw this.#foreign(this.#place.stateTopic);
  }

  #foreign(topic: string, cause?: unknown): Error {
    return refuse(
      this.#place,
      `"${topic}" has a record that no store writes: does something else write to it? ${DAMAGED}`,
      cause,
    );
  }

  #metaPartition() {
    return { topic: this.#place.metaTopic, partition: 0 };
  }

  async #writeMeta(records: ReadonlyMap<string, Uint8Array | null>): Promise<void> {
    const round = new Round(this.#producer, this.#place.metaTopic);
    for (const [key, value] of records) await round.add(0, Buffer.from(key), value);
    await round.flush();
  }

  async #rollBack(error: unknown): Promise<void> {
    try {
      if (this.#producer.hasFailed) this.#failure = error;
      else await this.#producer.end("abort");
    } catch {
      this.#failure = error;
    }
  }

  /** One after the other. */
  #alone<T>(work: () => T | Promise<T>): Promise<T> {
    const done = this.#busy.then(async () => {
      if (this.#closed) throw refuse(this.#place, "it has been closed");
      if (this.#failure !== undefined) {
        throw refuse(this.#place, "it failed before: open it anew, with a new run", this.#failure);
      }
      if (this.#lock.isLost) {
        throw refuse(
          this.#place,
          "another run has taken it over, as this one could not speak to the broker for 10 s",
        );
      }
      try {
        return await work();
      } catch (error) {
        throw error instanceof Thrown ? error.cause : explain(this.#place, error);
      }
    });
    this.#busy = done.catch(() => {});
    return done;
  }

  async #free(): Promise<void> {
    this.#ended.abort();
    await this.#connection.close();
    await this.#lock.release();
  }
}

/** What is not the store's error, and passes through as it is. */
class Thrown extends Error {}

/** The changes, with what they throw marked as theirs. */
function* watched<T>(changes: Iterable<T>): Generator<T, void> {
  try {
    yield* changes;
  } catch (cause) {
    throw new Thrown("changes", { cause });
  }
}

function thrownAsItIs<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new Thrown("epoch", { cause });
  }
}

/** Deletes a store, under its lock. */
export async function dropStore(place: KafkaPlace): Promise<void> {
  const lock = await RunLock.take(place);
  try {
    // Also ends what a run that was killed has left open, which would outlive its topics.
    await TransactionalProducer.begin(lock.connection, place.id);
    await deleteTopics(lock.connection, place);
  } catch (error) {
    throw explain(place, error);
  } finally {
    await lock.release();
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function textOf(bytes: Uint8Array | null): string {
  if (bytes === null) throw new TypeError("a record has no key or value");
  return utf8.decode(bytes);
}
