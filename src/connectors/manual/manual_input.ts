import type { PartitionName } from "../../core/ids.ts";
import { preview } from "../../core/preview.ts";
import { partitionOf, requireSameWorkers } from "../../graph/per_worker.ts";
import type { InputConfig, InputReader, Place, Positions } from "../../graph/contracts.ts";
import { type Puller, pullerOf } from "./pull.ts";

/** What manual builders yield: the item, and the state to go on after it. */
export type StateAndItem<T, S> = readonly [state: S, item: T];

/** What manual builders return. */
export type ManualSource<T, S> =
  | Iterable<StateAndItem<T, S>>
  | AsyncIterable<StateAndItem<T, S>>;

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
  readonly #builder: (
    workerIndex: number,
    workerCount: number,
    resumeState: S | null,
  ) => ManualSource<T, S>;

  /**
   * Checks that `builder` is a function; does not call it.
   *
   * @param builder Called once on every worker. Gives an iterable or async iterable of
   * `[state, item]`. `resumeState` is `null` on a first run; else the state that was yielded with
   * the last item before the last snapshot: go on *after* that item. The iterator is closed
   * (`return()`) when the run stops. What is yielded and no pair is an error that shows it.
   */
  constructor(
    builder: (
      workerIndex: number,
      workerCount: number,
      resumeState: S | null,
    ) => ManualSource<T, S>,
  ) {
    if (typeof builder !== "function") {
      throw new TypeError(
        `ManualInputConfig needs a builder function; got ${Deno.inspect(builder, { depth: 0 })}`,
      );
    }
    this.#builder = builder;
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
    );
  }
}

/** Reads one or more partitions of `[state, item]` pairs, each in turn. */
export class PairReader<T> implements InputReader<T> {
  readonly #positions: Map<PartitionName, unknown>;
  #open: (readonly [PartitionName, Puller])[];
  readonly #all: readonly (readonly [PartitionName, Puller])[];

  /** `resume` holds the positions of partitions from which nothing has come yet. */
  constructor(partitions: (readonly [PartitionName, Puller])[], resume: Positions) {
    this.#all = partitions;
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
