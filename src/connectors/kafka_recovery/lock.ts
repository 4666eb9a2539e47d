/**
 * One run at a time: a consumer group whose leader holds the store.
 *
 * Joining a group makes all of its members join again. A holder that is alive does, and stays the
 * leader: who came later sees that within a second, and leaves. One that has died does not, and is taken out by
 * the broker when its session has ended; then the one that waits is the leader. The broker decides, so no two
 * can hold it. A holder that could not speak to the broker for so long may have lost it; its writes
 * are refused then, as the next run has a newer epoch of the transactional id (`transaction.ts`).
 *
 * @module
 */
import { sleep } from "../../core/promises.ts";
import { type Log, silentLog } from "../../core/log.ts";
import { KafkaConnection } from "../kafka/client/connection.ts";
import { errorKind } from "../kafka/client/errors.ts";
import { Buffer } from "node:buffer";
import type { KafkaBroker } from "../kafka/client/kafkajs.ts";
import { explain, IN_USE, type KafkaPlace, refuse } from "./place.ts";

/** How long a holder may be silent: most brokers allow no less than 6 s. */
const SESSION_MS = 10_000;

/** How long joining may take: the broker waits for a holder that has died, and some are slow. */
const JOIN_MS = 3 * SESSION_MS;

/** How long joining may take before a line says what is waited for, in milliseconds. */
const QUIET_MS = 1_000;

/** How often a holder speaks: so fast is another one refused. */
const HEARTBEAT_MS = 500;

const WAITS =
  "waiting for the lock of the run before: one that was killed holds the store for 10 s";

/** A store's lock. It has a connection of its own: the answer to joining holds up what is behind it. */
export class RunLock {
  readonly #place: KafkaPlace;
  readonly #ended = new AbortController();
  readonly #connection: KafkaConnection;
  #member = "";
  #generation = -1;
  #isLost = false;
  #beating: Promise<void> = Promise.resolve();

  private constructor(place: KafkaPlace, stop?: AbortSignal) {
    const { signal } = this.#ended;
    this.#place = place;
    this.#connection = new KafkaConnection(place.brokers, [], place.settings, {
      log: silentLog,
      signal: stop === undefined ? signal : AbortSignal.any([signal, stop]),
    });
  }

  /**
   * Takes the lock. Waits for the session of a holder that has died, unless `stop` is aborted; `log` says
   * so.
   *
   * @throws {RecoveryError} If another run holds it, or the broker is not in reach or refuses us.
   */
  static async take(place: KafkaPlace, stop?: AbortSignal, log: Log = silentLog): Promise<RunLock> {
    const lock = new RunLock(place, stop);
    let slow: ReturnType<typeof setTimeout> | undefined;
    try {
      await lock.#connection.open(() => lock.#coordinator()); // first: that has a limit of its own
      slow = setTimeout(() => log.info(WAITS, { store: place.name }), QUIET_MS);
      const joined = await lock.#connection.open(() => lock.#join(), { limitMs: JOIN_MS });
      if (!joined) throw refuse(place, IN_USE);
      lock.#beating = lock.#beat();
      return lock;
    } catch (error) {
      await lock.#connection.close();
      throw explain(place, error);
    } finally {
      clearTimeout(slow);
    }
  }

  /** A connection for what has no place elsewhere: topics are made and dropped over it. */
  get connection(): KafkaConnection {
    return this.#connection;
  }

  /** Whether another run has taken it. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** Gives it back. */
  async release(): Promise<void> {
    this.#ended.abort();
    await this.#beating;
    if (!this.#isLost) await this.#leave();
    await this.#connection.close();
  }

  /** Joins, and gives whether the lock is ours. */
  async #join(): Promise<boolean> {
    const groupId = this.#place.id;
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
    if (leaderId !== memberId) {
      await this.#leave();
      return false;
    }
    const groupAssignment = [{ memberId, memberAssignment: Buffer.from("held") }];
    await coordinator.syncGroup({ groupId, generationId, memberId, groupAssignment });
    return true;
  }

  async #beat(): Promise<void> {
    const { signal } = this.#ended;
    while (!this.#isLost) {
      await sleep(HEARTBEAT_MS, signal);
      if (signal.aborted) return;
      try {
        const coordinator = await this.#coordinator();
        await coordinator.heartbeat({
          groupId: this.#place.id,
          groupGenerationId: this.#generation,
          memberId: this.#member,
        });
      } catch (error) {
        await this.#rejoin(error);
      }
    }
  }

  /** After a heartbeat that failed: another one has joined, or we were away for too long. */
  async #rejoin(error: unknown): Promise<void> {
    let kind = errorKind(error);
    // Each time round another one may have joined meanwhile.
    while (!this.#ended.signal.aborted) {
      if (kind === "notMember") this.#member = "";
      else if (kind !== "rebalance") return this.#connection.drop(); // the next one, anew
      try {
        this.#isLost = !await this.#join();
        return;
      } catch (error) {
        kind = errorKind(error);
      }
    }
  }

  async #coordinator(): Promise<KafkaBroker> {
    return await this.#connection.coordinator({ kind: "group", id: this.#place.id });
  }

  /** Whoever cannot leave is taken out when its session ends. */
  async #leave(): Promise<void> {
    try {
      const coordinator = await this.#coordinator();
      await coordinator.leaveGroup({ groupId: this.#place.id, memberId: this.#member });
    } catch {
      this.#connection.drop();
    }
  }
}
