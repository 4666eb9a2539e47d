/**
 * What the engine does with an exactly-once output, by hand: epochs, a store in memory, and crashes
 * between any two steps.
 */
import type { Epoch, KafkaProperties, OutputWriter, Place, Positions } from "../../../mod.ts";
import { KafkaOutputConfig, type KafkaOutputItem } from "../../../mod.ts";
import { testPlace } from "../runtime/test_place.ts";
import { FAKE_TOPIC, type FakeBroker } from "./fake_broker.ts";

/** What a store has of an output. */
export interface Stored {
  epoch: Epoch;
  positions: Positions;
}

/** How an output is opened. */
export interface DriverOptions {
  readonly workers?: number;
  readonly delivery?: "exactly-once" | "at-least-once";
  readonly acceptLostEpoch?: number;
  readonly properties?: KafkaProperties;
}

/** One run of an output, on any number of workers. */
export class EpochDriver implements AsyncDisposable {
  readonly store: Stored;
  readonly places: ReturnType<typeof testPlace>[] = [];
  readonly writers: OutputWriter<KafkaOutputItem>[] = [];
  /** The epoch that is written. */
  epoch: Epoch;
  readonly #config: KafkaOutputConfig;
  readonly #workers: number;
  readonly #dead = new AbortController();
  readonly #prepared = new Map<Epoch, Positions[]>();

  constructor(broker: FakeBroker, store: Stored, options: DriverOptions = {}) {
    const { workers = 1, properties = {}, delivery = "exactly-once", ...more } = options;
    this.store = store;
    this.epoch = store.epoch + 1;
    this.#workers = workers;
    this.#config = new KafkaOutputConfig({
      brokers: broker.brokers,
      topic: FAKE_TOPIC,
      delivery,
      ...more,
      additionalProperties: { "retry.backoff.ms": 1, "retry.backoff.max.ms": 1, ...properties },
    });
  }

  /** Opens on all workers, stores the beginning, and begins. */
  async begin(): Promise<void> {
    await this.open();
    await this.prepare(this.epoch - 1);
    this.commitStore(this.epoch - 1);
    await this.commit(this.epoch - 1);
  }

  /** Opens on all workers. */
  async open(): Promise<void> {
    for (let workerIndex = 0; workerIndex < this.#workers; workerIndex++) {
      const place = testPlace({
        workerIndex,
        workerCount: this.#workers,
        signal: this.#dead.signal,
        recovery: { intervalMs: 1_000 },
      } as Partial<Place>);
      this.places.push(place);
      this.writers.push(await this.#config.open(place, this.store.positions));
    }
  }

  /** Writes values, each to partition 0, on one worker. */
  async write(values: readonly string[], worker = 0): Promise<void> {
    await this.writers[worker].write(
      values.map((value) => ({ key: "k", value, partition: 0 })),
      this.epoch,
    );
  }

  /** Prepares an epoch on all workers. */
  async prepare(epoch = this.epoch): Promise<void> {
    const all: Positions[] = [];
    for (const writer of this.writers) all.push(await writer.prepare(epoch));
    this.#prepared.set(epoch, all);
    this.epoch = epoch + 1;
  }

  /** The store commits an epoch. */
  commitStore(epoch: Epoch): void {
    this.store.epoch = epoch;
    // As a store does: what it returns later is a copy.
    this.store.positions = structuredClone(
      new Map(this.#prepared.get(epoch)!.flatMap((positions) => [...positions])),
    );
  }

  /** The outputs follow. */
  async commit(epoch: Epoch): Promise<void> {
    for (const writer of this.writers) await writer.commit?.(epoch);
  }

  /** A whole epoch. */
  async run(values: readonly string[]): Promise<void> {
    const { epoch } = this;
    await this.write(values);
    await this.prepare();
    this.commitStore(epoch);
    await this.commit(epoch);
  }

  /** Ends without a word to the broker, which must be gone already. */
  async die(broker: FakeBroker): Promise<void> {
    await broker[Symbol.asyncDispose]();
    await this.fail();
  }

  /** The run fails, and closes its outputs. */
  async fail(): Promise<void> {
    this.#dead.abort(new Error("the run has failed"));
    await this.close();
  }

  /** Closes the outputs. */
  async close(): Promise<void> {
    await Promise.all(this.writers.splice(0).map((writer) => writer.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** A store that has nothing. */
export function emptyStore(): Stored {
  return { epoch: -1, positions: new Map() };
}
