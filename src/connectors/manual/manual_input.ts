import { type Duration, toMilliseconds } from "../../core/duration.ts";
import type { PartitionName } from "../../core/ids.ts";
import { requireOptions } from "../../core/options.ts";
import { snapshotOf } from "../../core/snapshot.ts";
import { IDLE_AFTER_MS } from "../../graph/idle_after.ts";
import { partitionOf, requireSameWorkers } from "../../graph/per_worker.ts";
import type { InputConfig, InputReader, Place, Positions } from "../../graph/contracts.ts";
import { sourceOf } from "./iterable_source.ts";
import { PairReader } from "./pair_reader.ts";

/**
 * What manual builders yield: the state to continue after, and the item. The flow keeps the item
 * itself, so it must not change any more. The flow copies the state.
 */
export type StateAndItem<T, S> = readonly [state: S, item: T];

/** What manual builders return. */
export type ManualSource<T, S> =
  | Iterable<StateAndItem<T, S>>
  | AsyncIterable<StateAndItem<T, S>>;

/** Options of {@linkcode ManualInputConfig}. */
export interface ManualInputOptions {
  /**
   * How long an asynchronous iterator yields nothing before the input counts as idle. Event time
   * advances only while inputs are idle, and only from then on: see {@linkcode EventClockConfig}.
   * The iterator may be waiting for a page of old items, and the engine cannot tell.
   *
   * Use `0` if waiting means that nothing has happened, as with a socket or a queue. Windows then
   * also close on time while other keys have values. If a page takes longer than 10 seconds, use
   * more, or its items may be late.
   *
   * @default {{ seconds: 10 }}
   */
  readonly idleAfter?: Duration;
}

/**
 * Reads items from your own function.
 *
 * The builder is called on every worker, and shares the work out by `workerIndex`. Standard input
 * needs no care: worker 0 has it, and for the others it is empty.
 *
 * The state of each item is copied at once, so a generator may keep one object and go on changing
 * it. Keep states small, as each item costs a copy. Items are not copied: yield a new object each
 * time. Batches hold up to 1,024 items, and an asynchronous generator is read that far ahead. Fewer
 * are read if the steps downstream are slow, and at most about 4 MiB of items.
 *
 * A graceful stop asks the iterator for no more, and works off all that it has yielded. A pending
 * `next()` has up to one second for its item. Then the iterator is closed, so a generator can
 * return to a queue, in a `finally` block, what it took but did not yield.
 *
 * If the iterator throws, the items that it yielded before still enter the flow. Without a recovery
 * store, they are also worked off, for up to five seconds, before the run fails. With a store, the
 * next run continues after the last committed epoch.
 *
 * @typeParam T The items.
 * @typeParam S The state of each item: plain data, kept in snapshots.
 *
 * @example Counting, and continuing after a restart
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Dataflow, ManualInputConfig, run, TestingOutputConfig } from "@millrace/millrace";
 *
 * const out: string[] = [];
 * const input = new ManualInputConfig<string, number>(function* (_index, _count, resume) {
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
   * Creates the config. Checks that `builder` is a function, and the options; does not call it.
   *
   * @param builder Called once on every worker. Returns an iterable or async iterable of
   * `[state, item]`. `resumeState` is `null` on a first run. Otherwise it is the state of the last
   * item before the last snapshot: continue *after* that item. The iterator is closed (`return()`)
   * when the run stops. Anything but a pair is an error that shows it.
   * @param options `idleAfter`: when the input counts as idle.
   * @throws {TypeError} If `builder` is not a function, or an option is unknown.
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

  /** For the engine: calls the builder. */
  async open(at: Place, resume: Positions): Promise<InputReader<T>> {
    const { workerIndex, workerCount } = at;
    requireSameWorkers(resume, workerCount);
    const partition = partitionOf(workerIndex, workerCount);
    const resumeState = resumeStateOf<S>(resume, partition);
    // A builder may be async by mistake or on purpose: a promise of an iterable is accepted too.
    const iterable = await this.#builder(workerIndex, workerCount, resumeState);
    return new PairReader(
      [[partition, sourceOf(iterable, "a manual input's builder", at.log)]],
      resume,
      this.#idleAfterMs,
    );
  }
}

/** Returns `idleAfter` in milliseconds. */
export function idleAfterMs(config: string, { idleAfter }: ManualInputOptions): number {
  return idleAfter === undefined
    ? IDLE_AFTER_MS
    : toMilliseconds(idleAfter, `idleAfter of ${config}`);
}

/**
 * Returns the state to continue after, or `null`. It is a copy: many builders go on changing the
 * object that they get. The position must stay as it was until an item has been read.
 */
export function resumeStateOf<S>(resume: Positions, partition: PartitionName): S | null {
  return resume.has(partition) ? snapshotOf(resume.get(partition)) as S : null;
}
