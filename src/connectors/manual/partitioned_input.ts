import { requireOptions } from "../../core/options.ts";
import type { PartitionName } from "../../core/ids.ts";
import { preview } from "../../core/preview.ts";
import type { InputConfig, InputReader, Place, Positions } from "../../graph/contracts.ts";
import {
  idleAfterMs,
  type ManualInputOptions,
  type ManualSource,
  resumeStateOf,
} from "./manual_input.ts";
import { sourceOf } from "./iterable_source.ts";
import { PairReader } from "./pair_reader.ts";
import { PartitionsReader } from "./partitions_reader.ts";

/** Options of {@linkcode PartitionedInputConfig}: how to find and read the partitions. */
export interface PartitionedInputOptions<T, S> extends ManualInputOptions {
  /**
   * Returns the names of the partitions. Called once, on one worker, which shares them out to all.
   */
  partitions(): readonly PartitionName[] | Promise<readonly PartitionName[]>;
  /**
   * Reads one partition: returns an iterable or async iterable of `[state, item]`. `resumeState` is
   * `null` if the partition has not been read before. Otherwise continue *after* the item of that
   * state.
   */
  build(partition: PartitionName, resumeState: S | null): ManualSource<T, S>;
}

/**
 * Reads items from your own functions, by named partition. Unlike with a manual input, partitions
 * can move between workers, so the number of workers may change between runs. Standard input is
 * read on worker 0 only, which always has the partition whose name sorts first.
 *
 * If a run does not list a partition that was read before, its state is kept, with a warning. A
 * later run that lists it again continues after that state.
 *
 * For windows that use event time, each partition is a source of its own. It holds event time back
 * until it has ended, or has yielded nothing for `idleAfter`.
 *
 * States, items, stops and errors of each partition are as in {@linkcode ManualInputConfig}.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Dataflow, PartitionedInputConfig, run, TestingOutputConfig } from "@millrace/millrace";
 *
 * const shelves: Record<string, string[]> = { a: ["apple", "avocado"], b: ["banana"] };
 * const out: string[] = [];
 * const input = new PartitionedInputConfig<string, number>({
 *   partitions: () => Object.keys(shelves),
 *   *build(shelf, resume) {
 *     const start = resume === null ? 0 : resume + 1;
 *     for (let i = start; i < shelves[shelf].length; i++) yield [i, shelves[shelf][i]];
 *   },
 * });
 * await run(new Dataflow("shelves").input("in", input).capture(new TestingOutputConfig(out)));
 * assertEquals(out.sort(), ["apple", "avocado", "banana"]);
 * ```
 */
export class PartitionedInputConfig<T, S = unknown> implements InputConfig<T> {
  readonly #options: PartitionedInputOptions<T, S>;
  readonly #idleAfterMs: number;

  /**
   * Creates the config. Checks that both functions are given; calls neither.
   *
   * @throws {TypeError} If a function is missing, or an option is unknown.
   * @throws {RangeError} If `idleAfter` is not a duration.
   */
  constructor(options: PartitionedInputOptions<T, S>) {
    requireOptions("PartitionedInputConfig", options ?? {}, ["partitions", "build", "idleAfter"]);
    if (typeof options?.partitions !== "function" || typeof options.build !== "function") {
      throw new TypeError("PartitionedInputConfig needs { partitions, build }, both functions");
    }
    this.#options = options;
    this.#idleAfterMs = idleAfterMs("PartitionedInputConfig", options);
  }

  /**
   * For the engine: asks for the names of the partitions and shares them out.
   *
   * @throws {TypeError} If they are not names, or a name comes twice.
   */
  async plan({ workerCount }: Place): Promise<unknown> {
    const names = await this.#options.partitions();
    checkNames(names);
    const shares: PartitionName[][] = Array.from({ length: workerCount }, () => []);
    // Sorted, so that a partition stays on its worker whatever order they were listed in.
    for (const [i, name] of [...names].sort().entries()) shares[i % workerCount].push(name);
    return shares;
  }

  /** For the engine: reads the partitions of this worker. */
  // deno-lint-ignore require-await -- what `build` throws becomes a rejection
  async open(at: Place, resume: Positions): Promise<InputReader<T>> {
    const { plan, workerIndex, log, alignment = null } = at;
    const shares = plan as readonly (readonly PartitionName[])[];
    const partitions = shares[workerIndex].map((name) => {
      const iterable = this.#options.build(name, resumeStateOf<S>(resume, name));
      return [name, sourceOf(iterable, `build("${name}")`, log)] as const;
    });
    const unread = workerIndex === 0 ? unreadOf(resume, shares.flat(), at) : undefined;
    const idleAfterMs = this.#idleAfterMs;
    if (alignment === null) return new PairReader(partitions, resume, idleAfterMs, unread);
    const now = at.elapsed?.bind(at);
    return new PartitionsReader(partitions, { resume, idleAfterMs, unread, alignment, now });
  }
}

/** The stored states of partitions that are not listed now, which one worker keeps. */
function unreadOf(
  resume: Positions,
  listed: readonly PartitionName[],
  { stepId, log }: Place,
): Positions {
  const names = new Set(listed);
  const unread = new Map([...resume].filter(([name]) => !names.has(name)));
  const [first] = unread.keys();
  if (first !== undefined) {
    log.warn(
      `the store has states of partitions that step "${stepId}" does not list now: they are kept, ` +
        `such as that of ${preview(first)}`,
      { partitions: unread.size },
    );
  }
  return unread;
}

function checkNames(names: unknown): asserts names is readonly PartitionName[] {
  if (!Array.isArray(names) || names.some((name) => typeof name !== "string")) {
    throw new TypeError(`partitions() must return an array of strings; got ${preview(names)}`);
  }
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) {
    throw new TypeError(`partitions() must return each name once; got "${twice}" twice`);
  }
}
