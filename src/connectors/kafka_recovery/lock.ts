/**
 * One run at a time: a consumer group whose leader holds the store.
 *
 * Every JoinGroup makes all members rejoin. A live holder rejoins and stays leader, so a newcomer
 * sees within a second that it lost, and leaves. A dead holder is expelled after its session
 * timeout, and a waiting member becomes leader. That may be a run that was killed while it waited.
 * It never sends an assignment, and the others wait for that until it is expelled too. The broker
 * decides, so no two runs can hold the lock. A holder that could not reach the broker for that time
 * may have lost it. Then its writes are refused, as the next run has a newer epoch of the
 * transactional id (`transaction.ts`).
 *
 * @module
 */
import { sleep } from "../../core/promises.ts";
import { type Log, silentLog } from "../../core/log.ts";
import { KafkaConnection } from "../kafka/client/connection.ts";
import { errorKind } from "../kafka/client/errors.ts";
import { Buffer } from "node:buffer";
import type { KafkaBroker } from "../kafka/client/kafkajs.ts";
import { tellLongWait } from "../../recovery/long_wait.ts";
import { explain, inUse, type StoreTopics } from "./store_topics.ts";

/** How long a holder may be silent. Most brokers allow no less than 6 s. */
const SESSION_MS = 10_000;

/**
 * How long joining may take: the broker waits for a dead holder, then for runs that were killed
 * while they waited. Some brokers are slow.
 */
const JOIN_MS = 4 * SESSION_MS;

/**
 * How often a holder sends a heartbeat, in milliseconds. Another run is refused within that time.
 */
const HEARTBEAT_MS = 500;

const WAITS =
  "waiting for the lock of the run before: one that was killed holds the store for 10 s";

/** A store's lock. It has its own connection, as requests after a JoinGroup wait for its answer. */
export class RunLock {
  readonly #storeTopics: StoreTopics;
  readonly #ended = new AbortController();
  readonly #connection: KafkaConnection;
  #member = "";
  #generation = -1;
  #isLost = false;
  #beating: Promise<void> = Promise.resolve();

  private constructor(storeTopics: StoreTopics, stop?: AbortSignal) {
    const { signal } = this.#ended;
    this.#storeTopics = storeTopics;
    this.#connection = new KafkaConnection(storeTopics.brokers, [], storeTopics.settings, {
      log: silentLog,
      signal: stop === undefined ? signal : AbortSignal.any([signal, stop]),
    });
  }

  /**
   * Acquires the lock. If a holder has died, waits for the end of its session and logs that, unless
   * `stop` is aborted.
   *
   * @throws {RecoveryError} If another run holds it, or the broker is not in reach or refuses us.
   */
  static async take(
    storeTopics: StoreTopics,
    stop?: AbortSignal,
    log?: Log,
  ): Promise<RunLock> {
    const lock = new RunLock(storeTopics, stop);
    try {
      await lock.#connection.open(() => lock.#coordinator()); // first, as it has its own limit
      const joined = await tellLongWait(
        { what: WAITS, store: storeTopics.name, log },
        () => lock.#connection.open(() => lock.#join(), { limitMs: JOIN_MS }),
      );
      if (!joined) throw inUse(storeTopics);
      lock.#beating = lock.#beat();
      return lock;
    } catch (error) {
      await lock.#connection.close();
      throw explain(storeTopics, error);
    }
  }

  /** The lock's own connection. The store's topics are also created and dropped over it. */
  get connection(): KafkaConnection {
    return this.#connection;
  }

  /** Whether another run has the lock now. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** Releases the lock. */
  async release(): Promise<void> {
    this.#ended.abort();
    await this.#beating;
    if (!this.#isLost) await this.#leave();
    await this.#connection.close();
  }

  /** Joins the group. Returns whether we have the lock. Repeats it while others join or leave. */
  async #join(): Promise<boolean> {
    for (;;) {
      try {
        return await this.#joinOnce();
      } catch (error) {
        const kind = errorKind(error);
        if (this.#ended.signal.aborted) throw error;
        if (kind === "notMember") this.#member = "";
        else if (kind !== "rebalance") throw error;
      }
    }
  }

  async #joinOnce(): Promise<boolean> {
    const groupId = this.#storeTopics.id;
    const coordinator = await this.#coordinator();
    const { memberId, leaderId, generationId } = await coordinator.joinGroup({
      groupId,
      sessionTimeout: SESSION_MS,
      rebalanceTimeout: SESSION_MS,
      memberId: this.#member,
      protocolType: "millrace",
      groupProtocols: [{ name: "lock", metadata: Buffer.alloc(0) }],
    });
    this.#member = memberId;
    this.#generation = generationId;
    const isLeader = leaderId === memberId;
    // The answer comes once the leader has sent its own: so it lives.
    await coordinator.syncGroup({
      groupId,
      generationId,
      memberId,
      groupAssignment: isLeader ? [{ memberId, memberAssignment: Buffer.from("held") }] : [],
    });
    if (!isLeader) await this.#leave();
    return isLeader;
  }

  async #beat(): Promise<void> {
    const { signal } = this.#ended;
    while (!this.#isLost) {
      await sleep(HEARTBEAT_MS, signal);
      if (signal.aborted) return;
      try {
        const coordinator = await this.#coordinator();
        await coordinator.heartbeat({
          groupId: this.#storeTopics.id,
          groupGenerationId: this.#generation,
          memberId: this.#member,
        });
      } catch (error) {
        await this.#rejoin(error);
      }
    }
  }

  /** After a failed heartbeat: another member has joined, or we were away for too long. */
  async #rejoin(error: unknown): Promise<void> {
    const kind = errorKind(error);
    if (kind === "notMember") this.#member = "";
    else if (kind !== "rebalance") return this.#connection.drop(); // the next one connects again
    try {
      this.#isLost = !await this.#join();
    } catch {
      this.#connection.drop(); // as above
    }
  }

  async #coordinator(): Promise<KafkaBroker> {
    return await this.#connection.coordinator({ kind: "group", id: this.#storeTopics.id });
  }

  /** Leaves the group. If that fails, the broker expels the member when its session ends. */
  async #leave(): Promise<void> {
    try {
      const coordinator = await this.#coordinator();
      await coordinator.leaveGroup({ groupId: this.#storeTopics.id, memberId: this.#member });
    } catch {
      this.#connection.drop();
    }
  }
}
