/**
 * A store that a run has open. `recovery/store.ts` describes what it does, and `records.ts` what is
 * in it.
 *
 * @module
 */
import type { ConnectionReading } from "../../core/connection_reading.ts";
import { byBroker } from "../kafka/client/connection_counts.ts";
import { counted } from "../../core/counted.ts";
import type { Epoch, StepId } from "../../core/ids.ts";
import { keyGroupOf } from "../../core/key_groups.ts";
import { type Log, silentLog } from "../../core/log.ts";
import {
  eachChange,
  type EpochChanges,
  nextEpoch,
  NoStoreError,
  type RecoveryError,
  type RecoveryStore,
  type ResumePoint,
  type StoredKey,
  type StoredPosition,
  type StoredStep,
} from "../../recovery/store.ts";
import { tellLongWait } from "../../recovery/long_wait.ts";
import { KafkaConnection } from "../kafka/client/connection.ts";
import { TopicDeletedError } from "../kafka/client/deleted_topic.ts";
import { Buffer } from "node:buffer";
import { otherId, TopicWatch } from "../kafka/client/topic_watch.ts";
import { RunLock } from "./lock.ts";
import { DAMAGED, explain, ownerless, refuse, type StoreTopics } from "./store_topics.ts";
import { readMeta } from "./read_meta.ts";
import { damageOf, readState, type StateRead } from "./read_state.ts";
import {
  EPOCH_KEY,
  FLOW_KEY,
  FORMAT,
  movedPositions,
  partitionOf,
  positionKey,
  stateKey,
  STORE_KEY,
  type StoredEpoch,
  type StoreHead,
} from "./records.ts";
import { Round } from "./round.ts";
import { deleteTopics, ensureTopics, reachTopics, requireTopics } from "./topics.ts";
import { TransactionalProducer } from "./transaction.ts";

/** The most keys in one chunk, and the most bytes of their states. */
const CHUNK_KEYS = 4096;
const CHUNK_BYTES = 8 << 20;

/** The open store of a run. It does one thing at a time; the next call waits. */
export class KafkaStore implements RecoveryStore {
  readonly byKey = true;
  readonly #storeTopics: StoreTopics;
  readonly #lock: RunLock;
  readonly #connection: KafkaConnection;
  readonly #ended = new AbortController();
  #producer!: TransactionalProducer;
  readonly #watch: TopicWatch;
  /** The ids that the topics had when the store was opened; `null` if the broker has none. */
  readonly #topicIds = new Map<string, string | null>();
  #partitions = 0;
  #head: StoreHead | null = null;
  #flow = "";
  #epoch: Epoch | null = null;
  /** The last epoch that wrote to each partition for state. */
  #written: readonly (Epoch | null)[] = [];
  /** Positions by the keys of their records. */
  #positions = new Map<string, StoredPosition>();
  /** All keys, from when they are first requested until some are written. */
  #state: StateRead | null = null;
  #busy: Promise<unknown> = Promise.resolve();
  #closed = false;
  #failure: unknown;

  private constructor(storeTopics: StoreTopics, lock: RunLock) {
    const { brokers, stateTopic, metaTopic, settings } = storeTopics;
    this.#storeTopics = storeTopics;
    this.#lock = lock;
    this.#connection = new KafkaConnection(brokers, [stateTopic, metaTopic], settings, {
      log: silentLog,
      signal: this.#ended.signal,
      isolation: "read_uncommitted",
    });
    this.#watch = new TopicWatch({
      ask: () => this.#connection.metadata(),
      maxAgeMs: 0, // it asks at each commit
    });
  }

  /**
   * Opens a store, under its lock. Aborting `stop` ends that. A long wait for the lock is logged.
   *
   * @param flow `null` for a store of any flow, which must exist.
   * @throws {RecoveryError} If it cannot be used.
   */
  static async open(
    storeTopics: StoreTopics,
    flow: string | null,
    stop?: AbortSignal,
    log?: Log,
  ): Promise<KafkaStore> {
    const lock = await RunLock.take(storeTopics, stop, log);
    const store = new KafkaStore(storeTopics, lock);
    const end = () => {
      store.#ended.abort();
      void store.#connection.close(); // ends all waiting for a broker
    };
    stop?.addEventListener("abort", end);
    try {
      await (flow === null ? requireTopics : ensureTopics)(lock.connection, storeTopics);
      if (stop?.aborted) end();
      await store.#begin(flow);
      store.#producer.opened();
      for (const each of [store.#connection, lock.connection]) each.opened();
      return store;
    } catch (error) {
      await store.#free();
      throw explain(storeTopics, error);
    } finally {
      stop?.removeEventListener("abort", end);
    }
  }

  /** The flow that the store belongs to. */
  get flow(): string {
    return this.#flow;
  }

  resume(): Promise<ResumePoint | null> {
    return this.#alone(() =>
      this.#epoch === null ? null : {
        epoch: this.#epoch,
        positions: Array.from(this.#positions.values(), (each) => ({
          ...each,
          state: each.state.slice(),
        })),
        nextId: 0, // this store has no ids
      }
    );
  }

  async steps(): Promise<readonly StoredStep[]> {
    const { steps } = await this.#alone(() => this.#readState());
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
    const parts = (await this.#alone(() => this.#readState())).steps.get(step) ?? [];
    let chunk: StoredKey[] = [];
    let bytes = 0;
    let id = 0; // any number: changes name their keys
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

  /** Those of the lock as well: it is lost with its connection. */
  connections(): ConnectionReading[] {
    return byBroker([...this.#connection.connections(), ...this.#lock.connection.connections()]);
  }

  commit(epoch: Epoch, changes: EpochChanges): Promise<void> {
    return this.#alone(async () => {
      const next = thrownAsItIs(() => nextEpoch(this.#epoch, epoch));
      const positions = new Map(changes.positions.map((each) => [
        positionKey(each),
        { ...each, state: each.state.slice() },
      ]));
      const round = new Round(this.#producer, this.#storeTopics.stateTopic);
      try {
        const touched = new Set<number>();
        for (const chunk of watched(changes.state)) {
          for (const { key, state } of eachChange(chunk)) {
            const partition = partitionOf(keyGroupOf(key!), this.#partitions);
            touched.add(partition);
            const sent = round.add(partition, stateKey(chunk.step, key!), state);
            if (sent !== undefined) await sent;
          }
        }
        for (const partition of touched) {
          await round.add(partition, Buffer.from(EPOCH_KEY), Buffer.from(String(next)));
        }
        await round.flush();
        const written = this.#written.map((before, p) => touched.has(p) ? next : before);
        const committed: StoredEpoch = { epoch: next, committedAt: Date.now(), written };
        const meta = new Map([
          ...movedPositions(this.#positions, positions),
          [EPOCH_KEY, Buffer.from(JSON.stringify(committed))] as const,
        ]);
        await this.#writeMeta(meta);
        await this.#checkTopics();
        await this.#producer.end("commit");
        if (touched.size > 0) this.#state = null;
        this.#written = written;
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
      this.#state = null;
      await this.#free();
    });
    this.#busy = closed.catch(() => {});
    return closed;
  }

  /** Reads an existing store, or begins a new one. */
  async #begin(flow: string | null): Promise<void> {
    const { stateTopic, metaTopic, id } = this.#storeTopics;
    const partitions = await reachTopics(this.#connection, this.#storeTopics);
    this.#partitions = partitions;
    this.#producer = await TransactionalProducer.begin(this.#connection, id);
    await this.#producer.persist(() => this.#watch.look());
    for (const topic of [stateTopic, metaTopic]) this.#topicIds.set(topic, this.#watch.idOf(topic));
    await this.#readMeta();
    this.#flow = flow ?? this.#head?.flow ?? "";
    if (this.#head === null) {
      if (flow !== null) return await this.#create(flow);
      const { message } = refuse(this.#storeTopics, "it is empty: no run has used it yet");
      throw new NoStoreError(message);
    }
    const { format, flow: owner, partitions: made } = this.#head;
    if (format !== FORMAT) {
      throw refuse(this.#storeTopics, `it has format ${format}, and this version knows ${FORMAT}`);
    }
    if (flow !== null && owner !== flow) {
      throw refuse(
        this.#storeTopics,
        `it belongs to the flow ${JSON.stringify(owner)}, and this is ${
          JSON.stringify(flow)
        }: give ` +
          "each flow a prefix of its own",
      );
    }
    if (partitions < made) {
      throw refuse(
        this.#storeTopics,
        `"${stateTopic}" has ${
          counted(partitions, "partition")
        }, and was made with ${made}: it was ` +
          `deleted and created again; ${DAMAGED}`,
      );
    }
    this.#partitions = made; // partitions that were added later stay empty
    if (this.#epoch === null) this.#written = nothingWritten(made);
    const { marks } = await this.#readState();
    const damage = damageOf(
      marks,
      { id: this.#head.id, written: this.#written },
      this.#storeTopics,
    );
    if (damage !== null) throw refuse(this.#storeTopics, `${damage}; ${DAMAGED}`);
  }

  /** Writes the flow of a new store, and to each partition for state the store's id. */
  async #create(flow: string): Promise<void> {
    const { stateTopic } = this.#storeTopics;
    const { steps, marks } = await this.#readState();
    if (steps.size > 0 || this.#epoch !== null || marks.some(({ store }) => store !== null)) {
      throw ownerless(this.#storeTopics);
    }
    const partitions = this.#partitions;
    const head: StoreHead = { format: FORMAT, flow, id: crypto.randomUUID(), partitions };
    const round = new Round(this.#producer, stateTopic);
    for (let partition = 0; partition < partitions; partition++) {
      await round.add(partition, Buffer.from(STORE_KEY), Buffer.from(head.id));
    }
    await round.flush();
    await this.#writeMeta(new Map([[FLOW_KEY, Buffer.from(JSON.stringify(head))]]));
    await this.#producer.end("commit");
    this.#written = nothingWritten(partitions);
  }

  /** Checks that the next commit goes to the same topics as the ones before. */
  async #checkTopics(): Promise<void> {
    await this.#producer.persist(() => this.#watch.look());
    for (const [topic, before] of this.#topicIds) {
      const evidence = otherId(before, this.#watch.idOf(topic));
      if (evidence === null) continue;
      throw refuse(
        this.#storeTopics,
        `its topic "${topic}" was deleted and created again while a run used it (${evidence}): what it ` +
          `kept is gone; ${DAMAGED}`,
      );
    }
  }

  async #readMeta(): Promise<void> {
    const { head, epoch, positions } = await readMeta(this.#connection, this.#storeTopics);
    this.#head = head;
    if (epoch !== null) ({ epoch: this.#epoch, written: this.#written } = epoch);
    this.#positions = positions;
  }

  /** All keys. They are read once, and again after they have changed. */
  async #readState(): Promise<StateRead> {
    return this.#state ??= await readState(this.#connection, this.#storeTopics, this.#partitions);
  }

  async #writeMeta(records: ReadonlyMap<string, Uint8Array | null>): Promise<void> {
    const round = new Round(this.#producer, this.#storeTopics.metaTopic);
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

  /** Runs one call after the other. */
  #alone<T>(work: () => T | Promise<T>): Promise<T> {
    const done = this.#busy.then(async () => {
      if (this.#closed) throw refuse(this.#storeTopics, "it has been closed");
      if (this.#failure !== undefined) {
        throw refuse(
          this.#storeTopics,
          "it failed before: open it again, with a new run",
          this.#failure,
        );
      }
      if (this.#lock.isLost) {
        throw refuse(
          this.#storeTopics,
          "another run has taken it over, as this one could not speak to the broker for 10 s",
        );
      }
      try {
        return await work();
      } catch (error) {
        if (error instanceof TopicDeletedError) throw this.#deleted(error);
        throw error instanceof Thrown ? error.cause : explain(this.#storeTopics, error);
      }
    });
    this.#busy = done.catch(() => {});
    return done;
  }

  #deleted({ topic, cause }: TopicDeletedError): RecoveryError {
    return refuse(
      this.#storeTopics,
      `its topic "${topic}" was deleted while a run used it: what it kept is gone; ${DAMAGED}`,
      cause,
    );
  }

  async #free(): Promise<void> {
    this.#ended.abort();
    await this.#connection.close();
    await this.#lock.release();
  }
}

function nothingWritten(partitions: number): null[] {
  return Array.from({ length: partitions }, () => null);
}

/** An error that is not the store's, and passes through unchanged. */
class Thrown extends Error {}

/** The changes. Errors that they throw are marked as theirs. */
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

/** Deletes a store, under its lock. A long wait is logged. */
export async function dropStore(storeTopics: StoreTopics, log?: Log): Promise<void> {
  const { name: store, id } = storeTopics;
  const lock = await RunLock.take(storeTopics, undefined, log);
  try {
    // This also ends the transaction of a killed run, which would outlive its topics.
    await tellLongWait(
      { what: "waiting for the end of the transaction of the run before", store, log },
      () => TransactionalProducer.begin(lock.connection, id),
    );
    await tellLongWait(
      { what: "waiting until the brokers have deleted the store's topics", store, log },
      () => deleteTopics(lock.connection, storeTopics),
    );
  } catch (error) {
    throw explain(storeTopics, error);
  } finally {
    await lock.release();
  }
}
