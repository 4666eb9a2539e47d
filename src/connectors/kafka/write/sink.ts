/**
 * Writes records to a topic, and knows of each whether it has been acknowledged.
 *
 * Records wait in a queue for each partition (`waiting_records.ts`). One *round* is under way at a
 * time: a batch from each queue (`delivery.ts`, `produce_round.ts`). KafkaJS's own producer cannot
 * be used for this. On retry, it skips partitions of brokers that answered before a leader moved.
 * It also reuses sequence numbers if sends overlap.
 *
 * Records of the next epoch may come while an epoch ends. They are encoded, and wait in queues of
 * their own until all of the epoch has been acknowledged, and its end is prepared. Otherwise,
 * brokers would have nothing to do meanwhile, and then the worker. The transaction of the next
 * epoch begins meanwhile too.
 *
 * @module
 */
import type { ConnectionReading } from "../../../core/connection_reading.ts";
import type { Epoch } from "../../../core/ids.ts";
import type {
  InputNotes,
  OpenTransactions,
  OutputWriter,
  Place,
  Positions,
} from "../../../graph/contracts.ts";
import { limited } from "../client/concurrency.ts";
import { KafkaConnection } from "../client/connection.ts";
import { messageOfKafka } from "../client/errors.ts";
import type { KafkaOutputItem } from "../output_item.ts";
import type { KafkaOutputSettings } from "../properties/settings.ts";
import { requireCodec } from "../wire/request_versions.ts";
import { AckRate } from "./ack_rate.ts";
import { Delivery } from "./delivery.ts";
import {
  type EpochSteps,
  type OpenedSession,
  openSession,
  requireRecovery,
} from "./open_session.ts";
import { PartitionCount } from "./partition_count.ts";
import { WaitingRecords } from "./waiting_records.ts";
import { WrittenTopic } from "./written_topic.ts";

/** Connects, and checks that the topic exists. `resume`: what a run before has left to commit. */
export async function openKafkaWriter(
  settings: KafkaOutputSettings,
  at: Place,
  resume: Positions = new Map(),
): Promise<OutputWriter<KafkaOutputItem>> {
  const { brokers, topic, output } = settings;
  requireRecovery(settings, at);
  const connection = new KafkaConnection(brokers, [topic], output, at);
  at.whileOpening?.(() => connection.waitingFor);
  const written = new WrittenTopic(connection, topic, output.metadataMaxAgeMs);
  const partitions = new PartitionCount(connection, topic, output.metadataMaxAgeMs, at.log);
  try {
    await connection.open(async () => {
      await written.open();
      await partitions.open();
    });
    requireCodec(output.compression, (await connection.anyBroker()).versions);
    const opened = await openSession(settings, connection, at, resume);
    connection.opened();
    return new KafkaWriter(settings, { connection, written, partitions, opened }, at);
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** Whether records are being sent. */
type Sending =
  | { readonly kind: "idle" }
  /** The first record waits for others (`linger.ms`). */
  | { readonly kind: "lingering"; readonly timer: ReturnType<typeof setTimeout> }
  /** `done` resolves when the queues are empty, or sending has failed. */
  | { readonly kind: "sending"; readonly done: Promise<void> };

const IDLE: Sending = { kind: "idle" };

/** A call that waits until something is so, such as until there is room in the queues. */
interface Waiter {
  readonly isOver: () => boolean;
  readonly done: PromiseWithResolvers<void>;
}

class KafkaWriter implements OutputWriter<KafkaOutputItem> {
  readonly writesAhead = true;
  /** Only with transactions: the engine waits for it between two epochs. */
  readonly commit?: (epoch: Epoch) => Promise<void>;
  readonly settled?: () => Positions;
  readonly #settings: KafkaOutputSettings;
  readonly #connection: KafkaConnection;
  readonly #written: WrittenTopic;
  readonly #partitions: PartitionCount;
  readonly #at: Place;
  #waiting: WaitingRecords; // of the epoch that is written
  #ending: WaitingRecords | null = null; // of the epoch that is being prepared
  readonly #delivery: Delivery;
  readonly #steps: EpochSteps | null;
  readonly #ackRate: AckRate;
  #sending: Sending = IDLE;
  #working: Promise<void> = Promise.resolve(); // for a call that no longer waits after a failure
  #failure: { error: unknown } | null = null;
  #closed = false;
  #waiters: Waiter[] = [];
  #beginning: Promise<void> | null = null; // while the transaction of the next epoch begins
  /** The run has failed elsewhere, so no call waits for room any longer. */
  readonly #onAbort = () => this.#fail(this.#at.signal.reason);

  constructor(
    settings: KafkaOutputSettings,
    { connection, written, partitions, opened: { session, steps } }: {
      readonly connection: KafkaConnection;
      readonly written: WrittenTopic;
      readonly partitions: PartitionCount;
      readonly opened: OpenedSession;
    },
    at: Place,
  ) {
    this.#settings = settings;
    this.#connection = connection;
    this.#written = written;
    this.#partitions = partitions;
    this.#at = at;
    at.signal.addEventListener("abort", this.#onAbort);
    this.#waiting = new WaitingRecords(settings, partitions);
    this.#delivery = new Delivery(settings, { connection, written, session });
    this.#steps = steps;
    if (steps !== null) {
      this.commit = async (epoch) => {
        this.#throwFailure();
        await this.#unlessFailed(steps.commit(epoch));
      };
      this.settled = () => steps.settled();
    }
    const { batchBytes, queuedMaxBytes } = settings.output;
    this.#ackRate = new AckRate(batchBytes, queuedMaxBytes);
    partitions.start();
  }

  write(batch: readonly KafkaOutputItem[]): void | Promise<void> {
    this.#throwFailure();
    const queued = this.#waiting.add(batch, true);
    this.#schedule();
    if (this.#ending !== null) this.#beginning ??= this.#beginAhead();
    return queued < batch.length ? this.#writeOn(batch.slice(queued)) : this.#roomAhead();
  }

  /** The first record is for an unknown partition, which may just have been added. */
  async #writeOn(rest: readonly KafkaOutputItem[]): Promise<void> {
    try {
      const { signal } = this.#at;
      const ms = this.#settings.output.requestTimeoutMs;
      await limited(this.#partitions.refresh(), { ms, signal, cut: () => new Error("no answer") });
    } catch (error) {
      this.#at.log.debug(`kafka: cannot ask for new partitions: ${messageOfKafka(error)}`);
    }
    this.#throwFailure();
    this.#waiting.add(rest.slice(0, 1), false);
    this.#schedule();
    await this.write(rest.slice(1));
  }

  #roomAhead(): void | Promise<void> {
    const { queuedMaxRecords } = this.#settings.output;
    const { ahead } = this.#ackRate;
    if (this.#bytes >= ahead || this.#records >= queuedMaxRecords) {
      return this.#until(() => this.#bytes <= ahead / 2 && this.#records <= queuedMaxRecords / 2);
    }
  }

  /** Of all records that are not acknowledged. */
  get #bytes(): number {
    return this.#waiting.bytes + (this.#ending?.bytes ?? 0);
  }

  get #records(): number {
    return this.#waiting.records + (this.#ending?.records ?? 0);
  }

  async prepare(epoch: Epoch, inputs?: InputNotes): Promise<Positions> {
    this.#throwFailure();
    const ending = this.#waiting;
    this.#ending = ending;
    this.#waiting = ending.next();
    this.#flush();
    await this.#until(() => ending.records === 0);
    await this.#confirm();
    if (this.#steps !== null) await this.#unlessFailed(this.#steps.commitInputs(inputs));
    const positions = this.#steps?.prepare(epoch) ?? new Map();
    this.#ending = null;
    this.#schedule();
    return positions;
  }

  /** Begins the transaction of the next epoch, whose records have come. Never rejects. */
  async #beginAhead(): Promise<void> {
    try {
      await this.#steps?.beginAhead(() => this.#ending === null ? [] : this.#waiting.queued);
    } catch (error) {
      // Its first round begins it again, and decides what an error means.
      const why = messageOfKafka(error);
      this.#at.log.debug(`kafka: a transaction cannot begin ahead: ${why}`);
    }
    this.#beginning = null;
  }

  openTransactions(): OpenTransactions | null {
    return this.#steps?.openTransactions ?? null;
  }

  waitingFor(): string | null {
    return this.#connection.waitingFor;
  }

  connections(): ConnectionReading[] {
    return this.#connection.connections();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#delivery.close();
    this.#at.signal.removeEventListener("abort", this.#onAbort);
    const sending = this.#sending;
    if (sending.kind === "lingering") clearTimeout(sending.timer);
    this.#partitions.close();
    const sent = sending.kind === "sending" ? sending.done : Promise.resolve();
    // Requests of the last epoch may be on their way too: the end of its transaction follows them.
    const isIdle = Promise.all([sent, this.#working]).then(() => {});
    await this.#steps?.close(isIdle).catch((error) => {
      this.#at.log.debug(`kafka: a transaction is left to the next run: ${messageOfKafka(error)}`);
    });
    await this.#connection.close(); // before the others, as it ends their waits
    await this.#steps?.closed();
    await sent;
    await this.#working;
    await this.#beginning;
  }

  /**
   * Makes sure that the acknowledged records still exist. An epoch must not count if its records
   * went to a topic that has been deleted since.
   */
  async #confirm(): Promise<void> {
    if (!this.#written.hasWritten) return;
    await this.#unlessFailed(this.#delivery.confirm(() => this.#failure === null));
  }

  /** Waits for work. Stops waiting once the run has failed. */
  async #unlessFailed(work: Promise<void>): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#waiters.push({ isOver: () => false, done }); // only a failure rejects it
    this.#working = work.then(done.resolve, done.reject);
    try {
      await done.promise;
    } finally {
      this.#waiters = this.#waiters.filter((waiter) => waiter.done !== done);
    }
  }

  /** What may be sent: of the epoch that ends, else of the one that is written. */
  get #sendable(): WaitingRecords {
    return this.#ending ?? this.#waiting;
  }

  /** Sends at once, or when the linger time is over or a batch is full. */
  #schedule(): void {
    const { lingerMs, batchBytes } = this.#settings.output;
    if (this.#ending !== null) return; // it is sent already
    if (this.#sending.kind === "sending" || this.#waiting.records === 0) return;
    if (lingerMs === 0 || this.#waiting.bytes >= batchBytes) this.#flush();
    else if (this.#sending.kind === "idle") {
      this.#sending = { kind: "lingering", timer: setTimeout(() => this.#flush(), lingerMs) };
    }
  }

  #flush(): void {
    if (this.#sending.kind === "lingering") {
      clearTimeout(this.#sending.timer);
      this.#sending = IDLE;
    }
    if (this.#sending.kind === "sending" || this.#sendable.records === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#sending = { kind: "sending", done: promise };
    this.#sendAll().then(resolve);
  }

  /** Sends round after round until the queues are empty. Never rejects. */
  async #sendAll(): Promise<void> {
    try {
      while (this.#sendable.records > 0 && !this.#closed) {
        const waiting = this.#sendable;
        const round = waiting.takeRound();
        const begun = performance.now();
        await this.#delivery.deliver(round);
        if (this.#closed) break;
        this.#ackRate.acknowledged(waiting.acknowledged(round), performance.now() - begun);
        this.#wake();
      }
    } catch (error) {
      this.#fail(error);
    }
    // Now instead of in a `then`: a caller that was woken may write at once, and must find us idle.
    this.#sending = IDLE;
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#at.fail(error);
    this.#wake();
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  /** Resolves once something is so after an acknowledgement. */
  #until(isOver: () => boolean): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#waiters.push({ isOver, done });
    this.#wake();
    return done.promise;
  }

  #wake(): void {
    this.#waiters = this.#waiters.filter(({ isOver, done }) => {
      if (this.#failure !== null) done.reject(this.#failure.error);
      else if (!isOver()) return true;
      else done.resolve();
      return false;
    });
  }
}
