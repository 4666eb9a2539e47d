import { type Duration, toMilliseconds } from "../../core/duration.ts";
import type { PartitionName } from "../../core/ids.ts";
import { requireOptions } from "../../core/options.ts";
import { preview } from "../../core/preview.ts";
import { IDLE_AFTER_MS } from "../../graph/idle_after.ts";
import { partitionOf, requireSameWorkers } from "../../graph/per_worker.ts";
import type { InputConfig, InputReader, Place, Positions } from "../../graph/contracts.ts";
import { type Puller, pullerOf } from "./pull.ts";

/** What manual builders yield: the item, and the state to go on after it. */
export type StateAndItem<T, S> = readonly [state: S, item: T];

/** What manual builders return. */
export type ManualSource<T, S> =
  | Iterable<StateAndItem<T, S>>
  | AsyncIterable<StateAndItem<T, S>>;

/** What else there is to say of a manual input. */
export interface ManualInputOptions {
  /**
   * How long an asynchronous iterator gives nothing before the input counts as having nothing to read.
   * Only then does time go on for windows by the time of values, and only from then on: see
   * {@linkcode EventClockConfig}. What the iterator waits for may be a page of old items, and the engine
   * cannot tell.
   *
   * Where waiting means that nothing has happened, as with a socket or a queue, say `0`: windows then
   * close on time also while other keys have values. Where a page takes longer than 10 seconds, say more,
   * or its items may be late.
   *
   * @default {{ seconds: 10 }}
   */
  readonly idleAfter?: Duration;
}

/**
 * Items from a function of the user's.
 *
 * The builder is called on every worker. What only one may read is for the builder to share out, by
 * `workerIndex`. Standard input needs no care: worker 0 has it, and for the others it is empty.
 *
 * @typeParam T The items.
 * @typeParam S The state that goes with each: plain data, kept in snapshots.
 *
 * @example Counting, and going on where it was after a restart
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Dataflow, ManualInputConfig, run, TestingOutputConfig } from "millrace";
 *
 * const out: string[] = [];
 * const input = new ManualInputConfig<string, number>(function* (workerIndex, workerCount, resume) {
 *   for (let n = resume === null ? 0 : resume + 1; n < 3; n++) yield [n, `item ${n}`];
 * });
 * const flow = new Dataflow("manual").input("in", input).capture(new TestingOutputConfig(out));
 * await run(flow);
 * assertEquals(out, ["item 0", "item 1", "item 2"]);
 * ```
 */
export class ManualInputConfig<out T, S = unknown> implements InputConfig<T> {
  readonly #idleAfterMs: number;
  readonly #builder: (
    workerIndex: number,
    workerCount: number,
    resumeState: S | null,
  ) => ManualSource<T, S>;

  /**
   * Checks that `builder` is a function, and the options; does not call it.
   *
   * @param builder Called once on every worker. Gives an iterable or async iterable of
   * `[state, item]`. `resumeState` is `null` on a first run; else the state that was yielded with
   * the last item before the last snapshot: go on *after* that item. The iterator is closed
   * (`return()`) when the run stops. What is yielded and no pair is an error that shows it.
   * @param options When the input counts as having nothing to read.
   * @throws {TypeError} If there is an option that it does not have.
   * @throws {RangeError} If `idleAfter` is not a duration.
   */
  constructor(
    builder: (
      workerIndex: number,
      workerCount: number,
      resumeState: S | null,
    ) => ManualSource<T, S>,
    options: ManualInputOptions = {},
  ) {
    if (typeof builder !== "function") {
      throw new TypeError(
        `ManualInputConfig needs a builder function; got ${Deno.inspect(builder, { depth: 0 })}`,
      );
    }
    requireOptions("ManualInputConfig", options, ["idleAfter"]);
    this.#builder = builder;
    this.#idleAfterMs = idleAfterMs("ManualInputConfig", options);
  }

  /** Calls the builder; for the engine. */
  async open(at: Place, resume: Positions): Promise<InputReader<T>> {
    const { workerIndex, workerCount } = at;
    requireSameWorkers(resume, workerCount);
    const partition = partitionOf(workerIndex, workerCount);
    const resumeState = resume.has(partition) ? resume.get(partition) as S : null;
    // A builder may be async by mistake or on purpose: a promise of an iterable is as clear.
    const source = await this.#builder(workerIndex, workerCount, resumeState);
    return new PairReader(
      [[partition, pullerOf(source, "a manual input's builder", at.log)]],
      resume,
      this.#idleAfterMs,
    );
  }
}

/** What `idleAfter` says, in milliseconds. */
export function idleAfterMs(config: string, { idleAfter }: ManualInputOptions): number {
  return idleAfter === undefined
    ? IDLE_AFTER_MS
    : toMilliseconds(idleAfter, `idleAfter of ${config}`);
}

/** Reads one or more partitions of `[state, item]` pairs, each in turn. */
export class PairReader<T> implements InputReader<T> {
  readonly #positions: Map<PartitionName, unknown>;
  #open: (readonly [PartitionName, Puller])[];
  readonly #all: readonly (readonly [PartitionName, Puller])[];
  readonly #idleAfterMs: number;

  /** `resume` holds the positions of partitions from which nothing has come yet. */
  constructor(
    partitions: (readonly [PartitionName, Puller])[],
    resume: Positions,
    idleAfterMs: number,
  ) {
    this.#all = partitions;
    this.#idleAfterMs = idleAfterMs;
    this.#open = [...partitions];
    this.#positions = new Map(
      partitions.filter(([name]) => resume.has(name)).map(([name]) => [name, resume.get(name)]),
    );
  }

  next(): T[] | null {
    const items: T[] = [];
    this.#open = this.#open.filter(([name, puller]) => this.#take(name, puller, items));
    return items.length === 0 && this.#open.length === 0 ? null : items;
  }

  /** None of the partitions can know; where all of them give nothing, each does so for at least as long. */
  idle(): number {
    return this.#idleAfterMs;
  }

  ready(): Promise<void> {
    return Promise.race(this.#open.map(([, puller]) => puller.ready()));
  }

  positions(): Positions {
    return new Map(this.#positions);
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map(async ([, puller]) => await puller.close()));
  }

  #take(name: PartitionName, puller: Puller, items: T[]): boolean {
    let last: readonly unknown[] | undefined;
    const more = puller.pull((yielded) => {
      if (!Array.isArray(yielded) || yielded.length !== 2) {
        throw new TypeError(
          `a manual input must yield [state, item] pairs; got ${preview(yielded)} ` +
            `(yield [null, item] where there is no state to go on after)`,
        );
      }
      last = yielded;
      items.push(yielded[1]);
    });
    if (last !== undefined) this.#positions.set(name, last[0]);
    return more;
  }
}
