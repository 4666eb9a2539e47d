/**
 * The typed builder: thin methods over the operators.
 *
 * @module
 */
import type { Inferred } from "../core/inferred.ts";
import type { Keyed, StepId } from "../core/ids.ts";
import { preview } from "../core/preview.ts";
import type { BuildLogic, InputConfig, OutputConfig } from "../graph/contracts.ts";
import { FLOW_BRAND, type FlowBrand, FlowDraft, positionOf } from "../graph/graph.ts";
import type { Meter } from "../graph/meter.ts";
import type { StepNode } from "../graph/nodes.ts";
import { branchNodes } from "../operators/branch.ts";
import { captureNode } from "../operators/capture.ts";
import { type Compare, compareNaturally } from "../operators/compare.ts";
import { collectLogic, type CollectOptions } from "../operators/collect.ts";
import { countFinalCombiner, countFinalLogic } from "../operators/count_final.ts";
import { dedupeLogic, type DedupeOptions } from "../operators/dedupe.ts";
import { redistributeNode } from "../operators/exchange.ts";
import { extremeFinal } from "../operators/extreme_final.ts";
import { filterNode } from "../operators/filter.ts";
import { filterMapNode } from "../operators/filter_map.ts";
import { flatMapNode } from "../operators/flat_map.ts";
import { flatMapValueNode } from "../operators/flat_map_value.ts";
import { foldFinalCombiner, foldFinalLogic } from "../operators/fold_final.ts";
import { inputNode } from "../operators/input.ts";
import { inspectNode } from "../operators/inspect.ts";
import { inspectEpochNode } from "../operators/inspect_epoch.ts";
import { joinLogic, type Sided } from "../operators/join.ts";
import {
  type JoinMethod,
  type JoinMode,
  joinMode,
  type JoinOptions,
  type JoinRow,
  type JoinSides,
  type JoinSideValue,
  type JoinWindowOptions,
} from "../operators/join_options.ts";
import { keyOnNode } from "../operators/key_on.ts";
import { mapNode } from "../operators/map.ts";
import { mapAsyncNode, type MapAsyncOptions } from "../operators/map_async.ts";
import { mapValueNode } from "../operators/map_value.ts";
import { mergeNode } from "../operators/merge.ts";
import { reduceLogic } from "../operators/reduce.ts";
import { reduceFinalLogic } from "../operators/reduce_final.ts";
import type { StatefulKind } from "../operators/stateful.ts";
import { statefulFlatMapLogic } from "../operators/stateful_flat_map.ts";
import { statefulMapLogic } from "../operators/stateful_map.ts";
import { type StateOptions, withTtl } from "../operators/ttl.ts";
import type { StepOptions } from "../operators/user_function.ts";
import { joinFold, sidedClock } from "../operators/windows/join_fold.ts";
import {
  collectFold,
  countFold,
  customFold,
  extremeFold,
  reduceFold,
} from "../operators/windows/window_folds.ts";
import type { WindowStep } from "../operators/windows/window_logic.ts";
import type { WindowMetadata } from "../operators/windows/window_parts.ts";
import type { WindowClock } from "../windows/clocks.ts";
import type { Windower } from "../windows/windowers.ts";
import {
  addKeyed,
  addSides,
  addWindowStep,
  type Handle,
  joinStreams,
  mergedNodes,
  nodeOf,
  standing,
} from "./compose.ts";

/**
 * A handle on a flow, at the place where items of type `T` come out. Handles are immutable: each
 * step returns a new one. Using a handle twice branches the flow. Any handle stands for the whole
 * flow when you run it. Building a flow runs and opens nothing.
 *
 * Items are shared: all branches get the same object, and so do overlapping windows and the rows of
 * a join. So a function must not change an item in place. It returns a new one, such as
 * `{ ...item, total }`. A stateful step owns its state and may change it in place; results that it
 * has emitted stay as they were.
 *
 * @typeParam T The items that come out here.
 *
 * @example Counting words
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Dataflow, run, TestingInputConfig, TestingOutputConfig } from "@millrace/millrace";
 *
 * const counts: [string, number][] = [];
 * const flow = new Dataflow("wordcount")
 *   .input("lines", new TestingInputConfig(["to be or", "not to be"]))
 *   .flatMap((line) => line.split(" "))
 *   .keyOn((word) => word)
 *   .countFinal("count")
 *   .capture(new TestingOutputConfig(counts));
 * await run(flow);
 * assertEquals(new Map(counts).get("be"), 2);
 * ```
 */
export class Dataflow<out T = never> {
  /** For the engine: marks the handle and ties it to its flow. */
  readonly [FLOW_BRAND]: FlowBrand<T>;

  /**
   * Starts a new flow. Its root has no items: only {@linkcode Dataflow.input} can follow.
   *
   * @param name The flow's name in logs and snapshots.
   */
  constructor(name: string = "flow") {
    if (typeof name !== "string" || name === "") {
      throw new TypeError(`a flow's name must be a non-empty string; got ${Deno.inspect(name)}`);
    }
    this[FLOW_BRAND] = Object.freeze({ draft: new FlowDraft(name), node: null });
    Object.freeze(this);
  }

  /**
   * Returns what measures a step: counters, gauges and histograms of your own, which `/metrics`
   * shows and OpenTelemetry exports. Functions of any step may use them. Inputs and outputs have
   * the same one as {@linkcode Place.meter}. {@linkcode Meter} has an example.
   *
   * @param stepId The id of the step that the values are of: their label `step`.
   * @throws {TypeError} If the id is not a non-empty string.
   */
  meter(stepId: StepId): Meter {
    if (typeof stepId !== "string" || stepId === "") {
      throw new TypeError(
        `meter needs the id of a step, a non-empty string; got ${preview(stepId)}`,
      );
    }
    return positionOf(this)!.draft.meters.of(stepId);
  }

  // Inputs and stateless steps --------------------------------------------------------------------

  /**
   * Adds an input. A flow may have several. Any handle on the flow will do, the root too.
   *
   * @param stepId The input's id, which names its positions in snapshots.
   * @param config Where the items come from.
   * @returns The stream of the input's items.
   * @throws {FlowDefinitionError} If the id is taken.
   *
   * @example
   * ```ts
   * import { Dataflow, StdOutputConfig, TestingInputConfig } from "@millrace/millrace";
   *
   * const flow = new Dataflow("greeter");
   * flow.input("names", new TestingInputConfig(["Ada", "Grace"]))
   *   .map((name) => `hello ${name}`)
   *   .capture(new StdOutputConfig());
   * ```
   */
  input<U>(stepId: StepId, config: InputConfig<U>): Dataflow<U> {
    return extend(this, inputNode(stepId, config));
  }

  /**
   * Sends on `f(item)`: one item in, one item out. `f` is synchronous; for a function that returns
   * a promise, use {@linkcode Dataflow.mapAsync}. `f` must not change the item, which branches
   * share. It must not change its result later either.
   *
   * @param options `id` names the step in errors, counts and the log. All stateless steps accept
   * it.
   * @throws {FlowDefinitionError} If the id is taken.
   *
   * @example A step that errors name
   * ```ts
   * import { assertEquals, assertRejects } from "@std/assert";
   * import {
   *   Dataflow,
   *   run,
   *   StepError,
   *   TestingInputConfig,
   *   TestingOutputConfig,
   * } from "@millrace/millrace";
   *
   * const flow = new Dataflow("numbers")
   *   .input("texts", new TestingInputConfig(["1", "x"]))
   *   .map((text) => BigInt(text), { id: "parse" })
   *   .capture(new TestingOutputConfig<bigint>([]));
   * const error = await assertRejects(() => run(flow), StepError);
   * assertEquals(error.stepId, "parse");
   * ```
   */
  map<U extends Inferred>(f: (item: T) => U, options: StepOptions = {}): Dataflow<U> {
    return extend(this, mapNode(nodeOf(this, "map"), f, options));
  }

  /**
   * Sends on each item of the iterable that `f` returns, in order. A string is an error. `f` must
   * not change the item, which branches share. It must not change its results later either.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Dataflow, run, TestingInputConfig, TestingOutputConfig } from "@millrace/millrace";
   *
   * const words: string[] = [];
   * const flow = new Dataflow("words")
   *   .input("lines", new TestingInputConfig(["to be", "or not"]))
   *   .flatMap((line) => line.split(" "))
   *   .capture(new TestingOutputConfig(words));
   * await run(flow);
   * assertEquals(words, ["to", "be", "or", "not"]);
   * ```
   */
  flatMap<U extends Inferred>(
    f: (item: T) => Iterable<U>,
    options: StepOptions = {},
  ): Dataflow<U> {
    return extend(this, flatMapNode(nodeOf(this, "flatMap"), f, options));
  }

  /**
   * Keeps the items for which the type guard `p` is `true`, and narrows their type.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Dataflow, run, TestingInputConfig, TestingOutputConfig } from "@millrace/millrace";
   *
   * const lines: string[] = [];
   * const flow = new Dataflow("filter")
   *   .input("in", new TestingInputConfig<string | null>(["a", null, "b"]))
   *   .filter((line) => line !== null) // a stream of string, without null
   *   .capture(new TestingOutputConfig(lines));
   * await run(flow);
   * assertEquals(lines, ["a", "b"]);
   * ```
   */
  filter<U extends T>(p: (item: T) => item is U, options?: StepOptions): Dataflow<U>;
  /**
   * Keeps the items for which `p` returns `true`. A result other than `true` or `false` is an
   * error.
   */
  filter(p: (item: T) => boolean, options?: StepOptions): Dataflow<T>;
  filter(p: (item: T) => boolean, options: StepOptions = {}): Dataflow<T> {
    return extend(this, filterNode(nodeOf(this, "filter"), p, options));
  }

  /**
   * Sends on what `f` returns, except `null` and `undefined`. `f` must not change the item.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Dataflow, run, TestingInputConfig, TestingOutputConfig } from "@millrace/millrace";
   *
   * const prices = new Map([["apple", 2]]);
   * const found: number[] = [];
   * const flow = new Dataflow("prices")
   *   .input("names", new TestingInputConfig(["apple", "pear"]))
   *   .filterMap((name) => prices.get(name))
   *   .capture(new TestingOutputConfig(found));
   * await run(flow);
   * assertEquals(found, [2]);
   * ```
   */
  filterMap<U extends Inferred>(
    f: (item: T) => U,
    options: StepOptions = {},
  ): Dataflow<NonNullable<U>> {
    return extend(this, filterMapNode(nodeOf(this, "filterMap"), f, options));
  }

  /**
   * Calls `f` with each item, then sends the item on. `f` must not change the item.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Dataflow, run, TestingInputConfig, TestingOutputConfig } from "@millrace/millrace";
   *
   * const seen: number[] = [];
   * const flow = new Dataflow("look")
   *   .input("in", new TestingInputConfig([1, 2]))
   *   .inspect((item) => seen.push(item))
   *   .capture(new TestingOutputConfig<number>([]));
   * await run(flow);
   * assertEquals(seen, [1, 2]);
   * ```
   */
  inspect(f: (item: T) => unknown, options: StepOptions = {}): Dataflow<T> {
    return extend(this, inspectNode(nodeOf(this, "inspect"), f, options));
  }

  /**
   * Calls `f` with the epoch and each item, then sends the item on. `f` must not change the item.
   */
  inspectEpoch(
    f: (epoch: number, item: T) => unknown,
    options: StepOptions = {},
  ): Dataflow<T> {
    return extend(this, inspectEpochNode(nodeOf(this, "inspectEpoch"), f, options));
  }

  /**
   * Calls `f` for each item, several at a time, and sends on what its promises resolve with. A
   * rejection ends the run with an error that shows the item. An epoch closes only when all its
   * calls are settled. `f` must not change the item, which branches share. With `OTEL_DENO`, it
   * runs in the trace of its item, if that is a Kafka message with `traceparent`.
   *
   * @param f Accepts the item and an abort signal. The signal aborts when the run fails or stops at
   * once, and shortly before a graceful stop reaches its limit (`stopTimeout`). A call that rejects
   * after that does not fail the run, which ends at the last committed epoch.
   * @param options `concurrency`: calls in flight on each worker, 16 by default. `ordered`: whether
   * results keep the order of their items, `true` by default. `id`: the step's name.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Dataflow, run, TestingInputConfig, TestingOutputConfig } from "@millrace/millrace";
   *
   * const out: string[] = [];
   * const flow = new Dataflow("enrich")
   *   .input("ids", new TestingInputConfig([1, 2, 3]))
   *   .mapAsync(async (id) => await Promise.resolve(`user-${id}`), { concurrency: 2 })
   *   .capture(new TestingOutputConfig(out));
   * await run(flow);
   * assertEquals(out, ["user-1", "user-2", "user-3"]);
   * ```
   */
  mapAsync<U extends Inferred>(
    f: (item: T, signal: AbortSignal) => PromiseLike<U>,
    options: MapAsyncOptions = {},
  ): Dataflow<U> {
    return extend(this, mapAsyncNode(nodeOf(this, "mapAsync"), f, options));
  }

  /**
   * Merges this stream and the others into one. Items of each stream keep their order.
   *
   * @throws {FlowDefinitionError} If one of the others belongs to another flow.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Dataflow, run, TestingInputConfig, TestingOutputConfig } from "@millrace/millrace";
   *
   * const out: string[] = [];
   * const flow = new Dataflow("both");
   * const a = flow.input("a", new TestingInputConfig(["a1", "a2"]));
   * const b = flow.input("b", new TestingInputConfig(["b1"]));
   * a.merge(b).capture(new TestingOutputConfig(out));
   * await run(flow);
   * assertEquals(out.sort(), ["a1", "a2", "b1"]);
   * ```
   */
  merge<U = never>(...others: [...Dataflow<U>[], options: StepOptions]): Dataflow<T | U>;
  /** Merges this stream and the others into one. Items of each stream keep their order. */
  merge<U = never>(...others: Dataflow<U>[]): Dataflow<T | U>;
  merge<U = never>(...others: (Dataflow<U> | StepOptions)[]): Dataflow<T | U> {
    const last = others.at(-1);
    const options = last === undefined || positionOf(last) !== null ? {} : last as StepOptions;
    const streams = options === last ? others.slice(0, -1) : others;
    const upstreams = [nodeOf(this, "merge"), ...mergedNodes(this, streams)];
    return extend(this, mergeNode(upstreams, options));
  }

  /**
   * Splits the stream by a type guard: first the items for which it is `true`, then the others.
   * Using one handle twice also branches: then both branches get the same objects, and neither may
   * change them. For only one of the two streams, use {@linkcode Dataflow.filter}.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Dataflow, run, TestingInputConfig, TestingOutputConfig } from "@millrace/millrace";
   *
   * const even: number[] = [];
   * const odd: number[] = [];
   * const flow = new Dataflow("parity");
   * const [yes, no] = flow
   *   .input("in", new TestingInputConfig([1, 2, 3]))
   *   .branch((n) => n % 2 === 0);
   * yes.capture(new TestingOutputConfig(even));
   * no.capture(new TestingOutputConfig(odd));
   * await run(flow);
   * assertEquals([even, odd], [[2], [1, 3]]);
   * ```
   */
  branch<U extends T>(
    p: (item: T) => item is U,
    options?: StepOptions,
  ): [yes: Dataflow<U>, no: Dataflow<Exclude<T, U>>];
  /** Splits the stream: first the items for which `p` returns `true`, then those with `false`. */
  branch(
    p: (item: T) => boolean,
    options?: StepOptions,
  ): [yes: Dataflow<T>, no: Dataflow<T>];
  branch(
    p: (item: T) => boolean,
    options: StepOptions = {},
  ): [yes: Dataflow<T>, no: Dataflow<T>] {
    const { ask, yes, no } = branchNodes(nodeOf(this, "branch"), p, options);
    const asked = extend<T>(this, ask);
    return [extend(asked, yes), extend(asked, no)];
  }

  /** Spreads items evenly over the workers. Use it before heavy work that needs no key. */
  redistribute(options: StepOptions = {}): Dataflow<T> {
    return extend(this, redistributeNode(nodeOf(this, "redistribute"), options));
  }

  // Keys ------------------------------------------------------------------------------------------

  /**
   * Turns each item into `[f(item), item]`, for the keyed steps. The key must be a string.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Dataflow, run, TestingInputConfig, TestingOutputConfig } from "@millrace/millrace";
   *
   * const out: [string, { user: string; page: string }][] = [];
   * const flow = new Dataflow("clicks")
   *   .input("in", new TestingInputConfig([{ user: "ada", page: "/" }]))
   *   .keyOn(({ user }) => user)
   *   .capture(new TestingOutputConfig(out));
   * await run(flow);
   * assertEquals(out, [["ada", { user: "ada", page: "/" }]]);
   * ```
   */
  keyOn(f: (item: T) => string, options: StepOptions = {}): Dataflow<Keyed<T>> {
    return extend(this, keyOnNode(nodeOf(this, "keyOn"), f, options));
  }

  /**
   * Turns `[key, value]` into `[key, f(value)]`. `f` must not change the value, which branches
   * share.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Dataflow, run, TestingInputConfig, TestingOutputConfig } from "@millrace/millrace";
   *
   * const lengths: [string, number][] = [];
   * const flow = new Dataflow("lengths")
   *   .input("words", new TestingInputConfig(["to", "question"]))
   *   .keyOn((word) => word[0])
   *   .mapValue((word) => word.length)
   *   .capture(new TestingOutputConfig(lengths));
   * await run(flow);
   * assertEquals(lengths, [["t", 2], ["q", 8]]);
   * ```
   */
  mapValue<V, U extends Inferred>(
    this: Dataflow<Keyed<V>> & OnlyKeyed<T>,
    f: (value: V) => U,
    options: StepOptions = {},
  ): Dataflow<Keyed<U>> {
    return extend(this, mapValueNode(nodeOf(this, "mapValue"), f, options));
  }

  /**
   * Turns `[key, value]` into one pair, with the same key, for each item that `f(value)` returns.
   * `f` must not change the value, which branches share.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import {
   *   Dataflow,
   *   type Keyed,
   *   run,
   *   TestingInputConfig,
   *   TestingOutputConfig,
   * } from "@millrace/millrace";
   *
   * const goods: Keyed<string>[] = [];
   * const orders: Keyed<string[]>[] = [["17", ["apples", "pears"]], ["18", []]];
   * const flow = new Dataflow("goods")
   *   .input("orders", new TestingInputConfig(orders))
   *   .flatMapValue((list) => list)
   *   .capture(new TestingOutputConfig(goods));
   * await run(flow);
   * assertEquals(goods, [["17", "apples"], ["17", "pears"]]);
   * ```
   */
  flatMapValue<V, U extends Inferred>(
    this: Dataflow<Keyed<V>> & OnlyKeyed<T>,
    f: (value: V) => Iterable<U>,
    options: StepOptions = {},
  ): Dataflow<Keyed<U>> {
    return extend(this, flatMapValueNode(nodeOf(this, "flatMapValue"), f, options));
  }

  // Stateful steps --------------------------------------------------------------------------------

  /**
   * The primitive of all stateful steps: one {@linkcode StatefulLogic} for each key. The engine
   * copies what the logic emits, so the logic may change its state in place. Class instances are
   * not copied. The logic must not change its incoming values: other steps share them.
   *
   * @param stepId Names the step's state in snapshots.
   * @param build Makes the logic of a key, from its snapshot if there is one.
   * @param options `ttl`: forget keys after this time without values.
   *
   * @example A key's values in pairs
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import {
   *   Dataflow,
   *   type Keyed,
   *   run,
   *   TestingInputConfig,
   *   TestingOutputConfig,
   * } from "@millrace/millrace";
   *
   * const out: Keyed<[number, number]>[] = [];
   * const input: Keyed<number>[] = [["a", 1], ["b", 5], ["a", 2]];
   * const flow = new Dataflow("pairs")
   *   .input("in", new TestingInputConfig(input))
   *   .stateful<number, [number, number], number>("pairs", (resumed) => {
   *     let first = resumed;
   *     return {
   *       onItem(value, emit) {
   *         if (first === undefined) first = value;
   *         else {
   *           emit([first, value]);
   *           first = undefined;
   *         }
   *       },
   *       isDone: () => first === undefined,
   *       snapshot: () => first!,
   *     };
   *   })
   *   .capture(new TestingOutputConfig(out));
   * await run(flow);
   * assertEquals(out, [["a", [1, 2]]]);
   * ```
   */
  stateful<V, W, S>(
    this: Dataflow<Keyed<V>> & OnlyKeyed<T>,
    stepId: StepId,
    build: BuildLogic<V, W, S>,
    options: StateOptions = {},
  ): Dataflow<Keyed<W>> {
    return keyed(this, stepId, withTtl(`stateful step "${stepId}"`, build, options));
  }

  /**
   * Combines the values of each key until `isComplete` returns `true` for the accumulator; then
   * emits `[key, accumulator]` and forgets the key. The first value, or a copy of it, is the first
   * accumulator. `isComplete` runs after every value, the first one too. When the input ends,
   * incomplete accumulators stay in the state and are not emitted.
   *
   * @param reducer May change its first argument in place, but not its second.
   *
   * @param options `ttl`: forget keys, without emitting them, after this time without values.
   *
   * @example Baskets that reach 100
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import {
   *   Dataflow,
   *   type Keyed,
   *   run,
   *   TestingInputConfig,
   *   TestingOutputConfig,
   * } from "@millrace/millrace";
   *
   * const baskets: Keyed<number>[] = [];
   * const items: Keyed<number>[] = [["ada", 60], ["bob", 10], ["ada", 50]];
   * const flow = new Dataflow("baskets")
   *   .input("items", new TestingInputConfig(items))
   *   .reduce("to-100", (sum, price) => sum + price, (sum) => sum >= 100)
   *   .capture(new TestingOutputConfig(baskets));
   * await run(flow);
   * assertEquals(baskets, [["ada", 110]]); // bob's 10 stay in the state
   * ```
   */
  reduce<V>(
    this: Dataflow<Keyed<V>> & OnlyKeyed<T>,
    stepId: StepId,
    reducer: (acc: V, value: V) => V,
    isComplete: (acc: V) => boolean,
    options: StateOptions = {},
  ): Dataflow<Keyed<V>> {
    return this.stateful(stepId, reduceLogic(reducer, isComplete), options);
  }

  /**
   * Emits one output for each value, from the state of its key. The mapper returns `[state, out]`.
   * A `null` state forgets the key: `build` is called again for its next value.
   *
   * The mapper may change the state in place, and may return it or a part of it as the output. The
   * engine copies an output that shares an object with the state, so the output stays as it was. A
   * copy takes time in proportion to its size, so output only what is needed. Class instances are
   * not copied. The mapper must not change the value. If a part of a value becomes the new state
   * object, the mapper must copy it.
   *
   * @param build Returns the state of a new key. If it returns one object for all keys, each key
   * gets a copy.
   * @param options `ttl`: forget keys after this time without values. A step without it needs no
   * timers and costs less.
   *
   * @example A running total
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import {
   *   Dataflow,
   *   type Keyed,
   *   run,
   *   TestingInputConfig,
   *   TestingOutputConfig,
   * } from "@millrace/millrace";
   *
   * const out: Keyed<number>[] = [];
   * const flow = new Dataflow("totals")
   *   .input("in", new TestingInputConfig<Keyed<number>>([["a", 1], ["b", 5], ["a", 2]]))
   *   .statefulMap("total", () => 0, (total, amount) => [total + amount, total + amount])
   *   .capture(new TestingOutputConfig(out));
   * await run(flow);
   * assertEquals(out, [["a", 1], ["b", 5], ["a", 3]]);
   * ```
   */
  statefulMap<V, W, S>(
    this: Dataflow<Keyed<V>> & OnlyKeyed<T>,
    stepId: StepId,
    build: (key: string) => S,
    mapper: (state: S, value: V) => [state: S | null, out: W],
    options: StateOptions = {},
  ): Dataflow<Keyed<W>> {
    const logic = withTtl(`stateful step "${stepId}"`, statefulMapLogic(build, mapper), options);
    return keyed(this, stepId, logic, { single: options.ttl === undefined });
  }

  /**
   * Like {@linkcode Dataflow.statefulMap}, with any number of outputs: the mapper returns `[state,
   * outs]`. Outputs from a generator or another iterable that is not an array are always copied.
   *
   * @example Only changes
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import {
   *   Dataflow,
   *   type Keyed,
   *   run,
   *   TestingInputConfig,
   *   TestingOutputConfig,
   * } from "@millrace/millrace";
   *
   * const changes: Keyed<string>[] = [];
   * const states: Keyed<string>[] = [["door", "open"], ["door", "open"], ["door", "shut"]];
   * const flow = new Dataflow("changes")
   *   .input("states", new TestingInputConfig(states))
   *   .statefulFlatMap("last", () => "", (last, now) => [now, now === last ? [] : [now]])
   *   .capture(new TestingOutputConfig(changes));
   * await run(flow);
   * assertEquals(changes, [["door", "open"], ["door", "shut"]]);
   * ```
   */
  statefulFlatMap<V, W, S>(
    this: Dataflow<Keyed<V>> & OnlyKeyed<T>,
    stepId: StepId,
    build: (key: string) => S,
    mapper: (state: S, value: V) => [state: S | null, outs: Iterable<W>],
    options: StateOptions = {},
  ): Dataflow<Keyed<W>> {
    return this.stateful(stepId, statefulFlatMapLogic(build, mapper), options);
  }

  /**
   * Sends on the first value of each key, and drops later ones until the ttl has passed. Then the
   * next value passes. This removes duplicates that arrive close together, with memory for the keys
   * of one ttl.
   *
   * @param stepId Names the step's state in snapshots.
   * @param options `ttl`: how long a key is remembered.
   * @throws {TypeError} If `ttl` is missing.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Dataflow, run, TestingInputConfig, TestingOutputConfig } from "@millrace/millrace";
   *
   * const out: [string, string][] = [];
   * const flow = new Dataflow("once")
   *   .input("ids", new TestingInputConfig(["a", "b", "a"]))
   *   .keyOn((id) => id)
   *   .dedupe("once", { ttl: { hours: 1 } })
   *   .capture(new TestingOutputConfig(out));
   * await run(flow);
   * assertEquals(out, [["a", "a"], ["b", "b"]]);
   * ```
   */
  dedupe<V>(
    this: Dataflow<Keyed<V>> & OnlyKeyed<T>,
    stepId: StepId,
    options: DedupeOptions,
  ): Dataflow<Keyed<V>> {
    const logic = withTtl(`stateful step "${stepId}"`, dedupeLogic<V>(stepId, options), {});
    return keyed(this, stepId, logic, { stateKind: "passed" });
  }

  /**
   * Gathers the values of each key into batches. A batch is emitted when it is full, when `timeout`
   * has passed since its first value, or when the input ends. When a run is stopped, a partial
   * batch stays in the state, with its time. Without a recovery store it is emitted instead.
   *
   * @param stepId Names the step's state in snapshots.
   * @param options `maxSize`: values in a full batch. `timeout`: how long its first value waits.
   * @throws {RangeError} If the size or the timeout is not above zero.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import {
   *   Dataflow,
   *   type Keyed,
   *   run,
   *   TestingInputConfig,
   *   TestingOutputConfig,
   * } from "@millrace/millrace";
   *
   * const out: Keyed<number[]>[] = [];
   * const input: Keyed<number>[] = [["a", 1], ["b", 5], ["a", 2], ["a", 3]];
   * const flow = new Dataflow("batches")
   *   .input("in", new TestingInputConfig(input))
   *   .collect("two", { maxSize: 2, timeout: { seconds: 10 } })
   *   .capture(new TestingOutputConfig(out));
   * await run(flow);
   * assertEquals(out, [["a", [1, 2]], ["b", [5]], ["a", [3]]]);
   * ```
   */
  collect<V>(
    this: Dataflow<Keyed<V>> & OnlyKeyed<T>,
    stepId: StepId,
    options: CollectOptions,
  ): Dataflow<Keyed<V[]>> {
    const logic = withTtl(`stateful step "${stepId}"`, collectLogic<V>(stepId, options), {});
    return keyed(this, stepId, logic, { stateKind: "batch" });
  }

  // Final steps: one result a key when the input ends ---------------------------------------------

  /**
   * Combines the values of each key and emits one result a key when the input ends. Each value
   * travels to the worker that owns its key; {@linkcode Dataflow.foldFinal} with a merger sends
   * less.
   *
   * @param reducer May change its first argument in place, but not its second.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import {
   *   Dataflow,
   *   type Keyed,
   *   run,
   *   TestingInputConfig,
   *   TestingOutputConfig,
   * } from "@millrace/millrace";
   *
   * const sums: Keyed<number>[] = [];
   * const flow = new Dataflow("sums")
   *   .input("in", new TestingInputConfig<Keyed<number>>([["a", 1], ["b", 5], ["a", 2]]))
   *   .reduceFinal("sum", (a, b) => a + b)
   *   .capture(new TestingOutputConfig(sums));
   * await run(flow);
   * assertEquals(sums, [["a", 3], ["b", 5]]);
   * ```
   */
  reduceFinal<V>(
    this: Dataflow<Keyed<V>> & OnlyKeyed<T>,
    stepId: StepId,
    reducer: (acc: V, value: V) => V,
  ): Dataflow<Keyed<V>> {
    const logic = withTtl(`stateful step "${stepId}"`, reduceFinalLogic(reducer), {});
    return keyed(this, stepId, logic, { emitsAtEnd: true });
  }

  /**
   * Folds the values of each key from `build(key)` and emits the accumulator when the input ends.
   *
   * @param folder May change the accumulator in place. It must not change values, nor values that
   * it has kept. If a part of a value becomes the accumulator, it must copy that part.
   * @param merger Merges two accumulators of a key. Each holds some of its values, in no certain
   * order. With a merger, each worker folds its own values, and only accumulators change workers.
   * With few keys, that takes several times less work. Accumulators must then be plain data: no
   * class instances, no functions.
   *
   * @example The mean of each key, from sums that can be merged
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import {
   *   Dataflow,
   *   type Keyed,
   *   run,
   *   TestingInputConfig,
   *   TestingOutputConfig,
   * } from "@millrace/millrace";
   *
   * const means: Keyed<number>[] = [];
   * const flow = new Dataflow("means")
   *   .input("in", new TestingInputConfig<Keyed<number>>([["a", 1], ["b", 5], ["a", 2]]))
   *   .foldFinal(
   *     "sums",
   *     () => ({ sum: 0, count: 0 }),
   *     ({ sum, count }, value) => ({ sum: sum + value, count: count + 1 }),
   *     (a, b) => ({ sum: a.sum + b.sum, count: a.count + b.count }),
   *   )
   *   .mapValue(({ sum, count }) => sum / count)
   *   .capture(new TestingOutputConfig(means));
   * await run(flow);
   * assertEquals(means, [["a", 1.5], ["b", 5]]);
   * ```
   */
  foldFinal<V, A>(
    this: Dataflow<Keyed<V>> & OnlyKeyed<T>,
    stepId: StepId,
    build: (key: string) => A,
    folder: (acc: A, value: V) => A,
    merger?: (a: A, b: A) => A,
  ): Dataflow<Keyed<A>> {
    const combiner = foldFinalCombiner(build, folder, merger);
    return keyed(this, stepId, foldFinalLogic(build, folder), { combiner, emitsAtEnd: true });
  }

  /**
   * Emits how many values each key had when the input ends.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Dataflow, run, TestingInputConfig, TestingOutputConfig } from "@millrace/millrace";
   *
   * const counts: [string, number][] = [];
   * const flow = new Dataflow("letters")
   *   .input("letters", new TestingInputConfig(["a", "b", "a"]))
   *   .keyOn((letter) => letter)
   *   .countFinal("count")
   *   .capture(new TestingOutputConfig(counts));
   * await run(flow);
   * assertEquals(counts, [["a", 2], ["b", 1]]);
   * ```
   */
  countFinal<V>(this: Dataflow<Keyed<V>> & OnlyKeyed<T>, stepId: StepId): Dataflow<Keyed<number>> {
    const combiner = countFinalCombiner();
    return keyed(this, stepId, countFinalLogic(), { combiner, emitsAtEnd: true });
  }

  /**
   * Emits the largest value of each key when the input ends. Of equal values, the first to arrive
   * counts; values from several workers arrive in any order.
   *
   * @param compare Needed unless values are numbers, bigints, strings, booleans or dates.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import {
   *   Dataflow,
   *   type Keyed,
   *   run,
   *   TestingInputConfig,
   *   TestingOutputConfig,
   * } from "@millrace/millrace";
   *
   * const out: Keyed<number>[] = [];
   * const flow = new Dataflow("max")
   *   .input("in", new TestingInputConfig<Keyed<number>>([["a", 1], ["a", 3], ["a", 2]]))
   *   .maxFinal("max")
   *   .capture(new TestingOutputConfig(out));
   * await run(flow);
   * assertEquals(out, [["a", 3]]);
   * ```
   */
  maxFinal<V>(
    this: Dataflow<Keyed<V>> & OnlyKeyed<T>,
    stepId: StepId,
    compare?: Compare<V>,
  ): Dataflow<Keyed<V>> {
    const { logic, combiner } = extremeFinal("maxFinal", compare);
    return keyed(this, stepId, logic, { combiner, emitsAtEnd: true });
  }

  /**
   * Emits the smallest value of each key when the input ends. Of equal values, the first to arrive
   * counts; values from several workers arrive in any order.
   *
   * @param compare Needed unless values are numbers, bigints, strings, booleans or dates.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import {
   *   Dataflow,
   *   type Keyed,
   *   run,
   *   TestingInputConfig,
   *   TestingOutputConfig,
   * } from "@millrace/millrace";
   *
   * const out: Keyed<number>[] = [];
   * const flow = new Dataflow("min")
   *   .input("in", new TestingInputConfig<Keyed<number>>([["a", 1], ["a", 3], ["a", 2]]))
   *   .minFinal("min")
   *   .capture(new TestingOutputConfig(out));
   * await run(flow);
   * assertEquals(out, [["a", 1]]);
   * ```
   */
  minFinal<V>(
    this: Dataflow<Keyed<V>> & OnlyKeyed<T>,
    stepId: StepId,
    compare?: Compare<V>,
  ): Dataflow<Keyed<V>> {
    const { logic, combiner } = extremeFinal("minFinal", compare);
    return keyed(this, stepId, logic, { combiner, emitsAtEnd: true });
  }

  // Joins -----------------------------------------------------------------------------------------

  /**
   * Joins this stream with others by key. The newest value of a side is the one that arrived last:
   * streams have no common order. Rows share the values, which later steps must not change. When
   * the input ends, the values of a key stay in the state for the next run, except in mode
   * `"final"`.
   *
   * @param stepId Names the step's state in snapshots.
   * @param sides One keyed stream, or an array of them.
   * @param options `mode`: when rows are emitted, and which (`"complete"` by default). `ttl`:
   * forget keys after this time without values; a forgotten key emits no row, even in mode
   * `"final"`.
   * @returns Rows: the value of this stream, then one value for each side.
   * @throws {TypeError} If a side is missing or not a stream, or the mode is unknown.
   * @throws {FlowDefinitionError} If a side belongs to another flow.
   *
   * @example Orders that have been paid
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import {
   *   Dataflow,
   *   type Keyed,
   *   run,
   *   TestingInputConfig,
   *   TestingOutputConfig,
   * } from "@millrace/millrace";
   *
   * const flow = new Dataflow("shop");
   * const orders = flow.input(
   *   "orders",
   *   new TestingInputConfig<Keyed<string>>([["17", "apples"], ["18", "pears"]]),
   * );
   * const payments = flow.input("payments", new TestingInputConfig<Keyed<number>>([["17", 4.5]]));
   * const out: Keyed<[string, number]>[] = [];
   * orders.join("paid", payments, { ttl: { days: 7 } }).capture(new TestingOutputConfig(out));
   * await run(flow);
   * assertEquals(out, [["17", ["apples", 4.5]]]);
   * ```
   *
   * @example All that is known of each user, at the end
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import {
   *   Dataflow,
   *   type Keyed,
   *   run,
   *   TestingInputConfig,
   *   TestingOutputConfig,
   * } from "@millrace/millrace";
   *
   * const flow = new Dataflow("users");
   * const input = <V>(id: string, ...items: Keyed<V>[]) =>
   *   flow.input(id, new TestingInputConfig(items));
   * const names = input("names", ["u1", "Ada"], ["u2", "Grace"]);
   * const ages = input("ages", ["u1", 36]);
   * const cities = input("cities", ["u2", "New York"]);
   * const out: Keyed<[string | undefined, number | undefined, string | undefined]>[] = [];
   * names.join("known", [ages, cities], { mode: "final" }).capture(new TestingOutputConfig(out));
   * await run(flow);
   * assertEquals(new Map(out).get("u1"), ["Ada", 36, undefined]);
   * assertEquals(new Map(out).get("u2"), ["Grace", undefined, "New York"]);
   * ```
   */
  join<V, S extends JoinSides, M extends JoinMode = "complete">(
    this: Dataflow<Keyed<V>> & OnlyKeyed<T>,
    stepId: StepId,
    sides: S,
    options: JoinOptions<M> = {},
  ): Dataflow<Keyed<JoinRow<V, S, M>>> {
    const streams = joinStreams("join", stepId, this, sides);
    const logic = joinLogic<JoinRow<V, S, M>>(stepId, streams.length, options);
    const kind: StatefulKind = options.mode === "final" ? { emitsAtEnd: true } : {};
    return keyed(sideBySide("join", streams, stepId), stepId, logic, kind);
  }

  // Windows ---------------------------------------------------------------------------------------

  /**
   * Combines the values of each window, starting from the first, and emits the result when the
   * window closes.
   *
   * @param clock Knows the time of values.
   * @param windower Decides which windows a value is in.
   * @param reducer Combines two values, or the results of two sessions that merge, the earlier one
   * first. It may change its first argument in place, but not its second.
   *
   * @example Sums of five minutes
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import {
   *   Dataflow,
   *   EventClockConfig,
   *   type Keyed,
   *   run,
   *   TestingInputConfig,
   *   TestingOutputConfig,
   *   TumblingWindowConfig,
   * } from "@millrace/millrace";
   *
   * const sales: Keyed<{ at: string; sum: number }>[] = [
   *   ["shop", { at: "2026-01-01T10:00:00Z", sum: 5 }],
   *   ["shop", { at: "2026-01-01T10:04:59Z", sum: 7 }],
   *   ["shop", { at: "2026-01-01T10:05:00Z", sum: 1 }],
   *   ["shop", { at: "2026-01-01T10:04:00Z", sum: 100 }],
   * ];
   * const getTime = ({ at }: { at: string }) => new Date(at);
   * const clock = new EventClockConfig({ getTime, wait: 0 });
   * const windower = new TumblingWindowConfig({ length: { minutes: 5 } });
   * const sums: Keyed<number>[] = [];
   * const late: Keyed<number>[] = [];
   * const flow = new Dataflow("sales").input("sales", new TestingInputConfig(sales));
   * const perWindow = flow
   *   .reduceWindow("sums", clock, windower, (a, b) => ({ ...a, sum: a.sum + b.sum }));
   * perWindow.mapValue(({ sum }) => sum).capture(new TestingOutputConfig(sums));
   * perWindow.late.mapValue(({ sum }) => sum).capture(new TestingOutputConfig(late));
   * await run(flow);
   * assertEquals(sums, [["shop", 12], ["shop", 1]]);
   * assertEquals(late, [["shop", 100]]);
   * ```
   */
  reduceWindow<V>(
    this: Dataflow<Keyed<V>> & OnlyKeyed<T>,
    stepId: StepId,
    clock: WindowClock<NoInfer<V>>,
    windower: Windower,
    reducer: (acc: V, value: V) => V,
  ): WindowedDataflow<V, V> {
    return windowed(this, stepId, { clock, windower, fold: reduceFold(reducer) });
  }

  /**
   * Folds the values of each window from `build()` and emits the accumulator when the window
   * closes. Only the accumulator is kept, not the values.
   *
   * @param build Returns the accumulator of a new window. If it returns one object for all windows,
   * each window gets a copy.
   * @param folder May change the accumulator in place, but not values. In overlapping windows it
   * may also change values that the accumulator holds: each window has its own copy.
   * @param merger Merges two accumulators. Each holds some of the values of a window, the first
   * one those that came earlier. Required for windowers that merge windows, such as sessions. With
   * a merger, each of several workers folds its own values, and accumulators change workers instead
   * of values. Accumulators must then be plain data: no class instances, no functions. `build()`
   * must return an accumulator of no values, as each worker begins with one.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import {
   *   Dataflow,
   *   EventClockConfig,
   *   type Keyed,
   *   run,
   *   TestingInputConfig,
   *   TestingOutputConfig,
   *   TumblingWindowConfig,
   * } from "@millrace/millrace";
   *
   * const times: Keyed<number>[] = [["a", 10], ["a", 40], ["a", 120]]; // milliseconds
   * const clock = new EventClockConfig({ getTime: (time: number) => time, wait: 0 });
   * const windower = new TumblingWindowConfig({ length: 100 });
   *
   * const out: Keyed<string>[] = [];
   * const flow = new Dataflow("windows")
   *   .input("in", new TestingInputConfig(times))
   *   .foldWindow("texts", clock, windower, () => "", (text, time) => `${text} ${time}`)
   *   .capture(new TestingOutputConfig(out));
   * await run(flow);
   * assertEquals(out, [["a", " 10 40"], ["a", " 120"]]);
   * ```
   */
  foldWindow<V, A, W extends Windower>(
    this: Dataflow<Keyed<V>> & OnlyKeyed<T>,
    stepId: StepId,
    clock: WindowClock<NoInfer<V>>,
    windower: W,
    build: () => A,
    folder: (acc: A, value: V) => A,
    ...merger: MergerOf<W, A>
  ): WindowedDataflow<A, V> {
    const fold = customFold(windower, build, folder, merger[0]);
    return windowed(this, stepId, { clock, windower, fold });
  }

  /**
   * Emits the values of each window, sorted by their time; values of equal times keep their order.
   * All values are kept until the window closes. Overlapping windows share the values, which later
   * steps must not change.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import {
   *   Dataflow,
   *   EventClockConfig,
   *   type Keyed,
   *   run,
   *   TestingInputConfig,
   *   TestingOutputConfig,
   *   TumblingWindowConfig,
   * } from "@millrace/millrace";
   *
   * const times: Keyed<number>[] = [["a", 10], ["a", 40], ["a", 120]]; // milliseconds
   * const clock = new EventClockConfig({ getTime: (time: number) => time, wait: 0 });
   * const windower = new TumblingWindowConfig({ length: 100 });
   *
   * const out: Keyed<number[]>[] = [];
   * const flow = new Dataflow("windows")
   *   .input("in", new TestingInputConfig(times))
   *   .collectWindow("lists", clock, windower)
   *   .capture(new TestingOutputConfig(out));
   * await run(flow);
   * assertEquals(out, [["a", [10, 40]], ["a", [120]]]);
   * ```
   */
  collectWindow<V>(
    this: Dataflow<Keyed<V>> & OnlyKeyed<T>,
    stepId: StepId,
    clock: WindowClock<NoInfer<V>>,
    windower: Windower,
  ): WindowedDataflow<V[], V> {
    return windowed(this, stepId, { clock, windower, fold: collectFold<V>() });
  }

  /**
   * Emits how many values each window had.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import {
   *   Dataflow,
   *   EventClockConfig,
   *   type Keyed,
   *   run,
   *   TestingInputConfig,
   *   TestingOutputConfig,
   *   TumblingWindowConfig,
   * } from "@millrace/millrace";
   *
   * const times: Keyed<number>[] = [["a", 10], ["a", 40], ["a", 120]]; // milliseconds
   * const clock = new EventClockConfig({ getTime: (time: number) => time, wait: 0 });
   * const windower = new TumblingWindowConfig({ length: 100 });
   *
   * const out: Keyed<number>[] = [];
   * const flow = new Dataflow("windows")
   *   .input("in", new TestingInputConfig(times))
   *   .countWindow("counts", clock, windower)
   *   .capture(new TestingOutputConfig(out));
   * await run(flow);
   * assertEquals(out, [["a", 2], ["a", 1]]);
   * ```
   */
  countWindow<V>(
    this: Dataflow<Keyed<V>> & OnlyKeyed<T>,
    stepId: StepId,
    clock: WindowClock<NoInfer<V>>,
    windower: Windower,
  ): WindowedDataflow<number, V> {
    return windowed(this, stepId, { clock, windower, fold: countFold });
  }

  /**
   * Emits the largest value of each window. Of equal values, the earliest counts; of equal times,
   * the first to arrive. Overlapping windows may emit the same object, which later steps must not
   * change.
   *
   * @param compare Needed unless values are numbers, bigints, strings, booleans or dates.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import {
   *   Dataflow,
   *   EventClockConfig,
   *   type Keyed,
   *   run,
   *   TestingInputConfig,
   *   TestingOutputConfig,
   *   TumblingWindowConfig,
   * } from "@millrace/millrace";
   *
   * const times: Keyed<number>[] = [["a", 10], ["a", 40], ["a", 120]]; // milliseconds
   * const clock = new EventClockConfig({ getTime: (time: number) => time, wait: 0 });
   * const windower = new TumblingWindowConfig({ length: 100 });
   *
   * const out: Keyed<number>[] = [];
   * const flow = new Dataflow("windows")
   *   .input("in", new TestingInputConfig(times))
   *   .maxWindow("latest", clock, windower)
   *   .capture(new TestingOutputConfig(out));
   * await run(flow);
   * assertEquals(out, [["a", 40], ["a", 120]]);
   * ```
   */
  maxWindow<V>(
    this: Dataflow<Keyed<V>> & OnlyKeyed<T>,
    stepId: StepId,
    clock: WindowClock<NoInfer<V>>,
    windower: Windower,
    compare: Compare<V> = compareNaturally,
  ): WindowedDataflow<V, V> {
    return windowed(this, stepId, { clock, windower, fold: extremeFold("maxWindow", compare) });
  }

  /**
   * Emits the smallest value of each window. Of equal values, the earliest counts; of equal times,
   * the first to arrive. Overlapping windows may emit the same object, which later steps must not
   * change.
   *
   * @param compare Needed unless values are numbers, bigints, strings, booleans or dates.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import {
   *   Dataflow,
   *   EventClockConfig,
   *   type Keyed,
   *   run,
   *   TestingInputConfig,
   *   TestingOutputConfig,
   *   TumblingWindowConfig,
   * } from "@millrace/millrace";
   *
   * const times: Keyed<number>[] = [["a", 10], ["a", 40], ["a", 120]]; // milliseconds
   * const clock = new EventClockConfig({ getTime: (time: number) => time, wait: 0 });
   * const windower = new TumblingWindowConfig({ length: 100 });
   *
   * const out: Keyed<number>[] = [];
   * const flow = new Dataflow("windows")
   *   .input("in", new TestingInputConfig(times))
   *   .minWindow("earliest", clock, windower)
   *   .capture(new TestingOutputConfig(out));
   * await run(flow);
   * assertEquals(out, [["a", 10], ["a", 120]]);
   * ```
   */
  minWindow<V>(
    this: Dataflow<Keyed<V>> & OnlyKeyed<T>,
    stepId: StepId,
    clock: WindowClock<NoInfer<V>>,
    windower: Windower,
    compare: Compare<V> = compareNaturally,
  ): WindowedDataflow<V, V> {
    return windowed(this, stepId, { clock, windower, fold: extremeFold("minWindow", compare) });
  }

  /**
   * Joins this stream with others by key and window. The newest value of a side is the one with the
   * latest time, in whichever order values arrive. Rows share the values, which later steps must
   * not change. A value of any side is late if all its windows have closed.
   *
   * @param clock Knows the time of the values of every side.
   * @param sides One keyed stream, or an array of them.
   * @param options `mode`: when rows are emitted, and which (`"final"` by default).
   * @returns Rows: the value of this stream, then one value for each side.
   * @throws {TypeError} If a side is missing or not a stream, or the mode is unknown.
   * @throws {FlowDefinitionError} If a side belongs to another flow.
   *
   * @example Orders, and whether they were paid within the hour
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import {
   *   Dataflow,
   *   EventClockConfig,
   *   type Keyed,
   *   run,
   *   SessionWindowConfig,
   *   TestingInputConfig,
   *   TestingOutputConfig,
   * } from "@millrace/millrace";
   *
   * interface Order { at: number; goods: string }
   * interface Payment { at: number; sum: number }
   * type Row = [string, string, number | undefined];
   * const HOUR = 3_600_000;
   * const flow = new Dataflow("shop");
   * const orders = flow.input("orders", new TestingInputConfig<Keyed<Order>>([
   *   ["17", { at: 0, goods: "apples" }],
   *   ["18", { at: 0, goods: "pears" }],
   * ]));
   * const payments = flow.input("payments", new TestingInputConfig<Keyed<Payment>>([
   *   ["17", { at: HOUR / 2, sum: 4.5 }],
   * ]));
   * const out: Row[] = [];
   * const clock = new EventClockConfig<Order | Payment>({ getTime: ({ at }) => at, wait: HOUR });
   * orders.joinWindow("paid", clock, new SessionWindowConfig({ gap: HOUR }), payments)
   *   .map(([id, [order, payment]]) => [id, order!.goods, payment?.sum] as Row)
   *   .capture(new TestingOutputConfig(out));
   * await run(flow);
   * assertEquals(out.sort(), [["17", "apples", 4.5], ["18", "pears", undefined]]);
   * ```
   */
  joinWindow<V, S extends JoinSides, M extends JoinMode = "final">(
    this: Dataflow<Keyed<V>> & OnlyKeyed<T>,
    stepId: StepId,
    clock: WindowClock<NoInfer<V | JoinSideValue<S>>>,
    windower: Windower,
    sides: S,
    options: JoinWindowOptions<M> = {},
  ): WindowedDataflow<JoinRow<V, S, M>, V | JoinSideValue<S>> {
    const streams = joinStreams("joinWindow", stepId, this, sides);
    const mode = joinMode(`joinWindow "${stepId}"`, options, "final", ["mode"]);
    const fold = joinFold(mode, streams.length);
    const step = { clock: sidedClock(`joinWindow "${stepId}"`, clock), windower, fold };
    const rows = windowed(
      sideBySide("joinWindow", streams, stepId),
      stepId,
      step,
      (late) => late[1],
    );
    return rows as WindowedDataflow<unknown> as WindowedDataflow<
      JoinRow<V, S, M>,
      V | JoinSideValue<S>
    >;
  }

  // Outputs ---------------------------------------------------------------------------------------

  /**
   * Sends the items to an output. Returns the handle it was called on, so further steps and outputs
   * can follow. Outputs share the items and must not change them.
   *
   * A flow needs at least one `capture`. Other streams may end with an `inspect`. A stream that
   * nothing reads loses its items, and the run logs a warning. For a window step's `late` stream,
   * the warning comes only if there are late values.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Dataflow, run, TestingInputConfig, TestingOutputConfig } from "@millrace/millrace";
   *
   * const numbers: number[] = [];
   * const labels: string[] = [];
   * const flow = new Dataflow("two-outputs")
   *   .input("in", new TestingInputConfig([1, 2]))
   *   .capture("numbers", new TestingOutputConfig(numbers))
   *   .map((n) => `no. ${n}`)
   *   .capture("labels", new TestingOutputConfig(labels));
   * await run(flow);
   * assertEquals([numbers, labels], [[1, 2], ["no. 1", "no. 2"]]);
   * ```
   */
  capture(config: OutputConfig<T>): Dataflow<T>;
  /** Sends the items to an output. `stepId` names it in errors, counts and snapshots. */
  capture(stepId: StepId, config: OutputConfig<T>): Dataflow<T>;
  capture(...args: [OutputConfig<T>] | [StepId, OutputConfig<T>]): Dataflow<T> {
    const [stepId, config] = args.length === 1 ? [undefined, args[0]] : args;
    extend(this, captureNode(nodeOf(this, "capture"), config as OutputConfig<never>, stepId));
    return this;
  }
}

/**
 * Makes the compiler's error name the cure when a stream without keys meets a step that needs them.
 * No stream has the property below, so an unkeyed stream does not match. A keyed stream always
 * matches.
 *
 * @typeParam T The items of the stream.
 */
export type OnlyKeyed<T> = [T] extends [Keyed<unknown>] ? unknown
  : { readonly "this step needs [key, value] pairs: call keyOn(...) before it"?: never };

/** The last argument of `foldWindow`: required for windowers that merge windows. */
export type MergerOf<W extends Windower, A> = W["overlap"] extends "never" | "may"
  ? [merger?: (earlier: A, later: A) => A]
  : [merger: (earlier: A, later: A) => A];

/**
 * The results of a window step: a stream like any other, with two more streams as properties.
 *
 * @typeParam R The result of a window.
 * @typeParam V The values that enter the windows.
 */
export interface WindowedDataflow<out R, out V = unknown> extends Dataflow<Keyed<R>> {
  /**
   * The values that arrived after all their windows had closed. They are counted even if nothing
   * reads them.
   */
  readonly late: Dataflow<Keyed<V>>;
  /** The results with their windows. */
  readonly windows: Dataflow<Keyed<[window: WindowMetadata, result: R]>>;
}

// These are functions, not private methods: a handle may come from another copy of this module.

/** Adds a node to a handle's flow. Returns the handle on that node. */
function extend<U>(handle: Dataflow<unknown>, node: StepNode): Dataflow<U> {
  const { draft } = standing(handle);
  draft.add(node);
  return handleOn(draft, node);
}

/** Returns the handle on the node that brings the streams of a join together. */
function sideBySide(
  method: JoinMethod,
  streams: readonly Handle[],
  stepId: StepId,
): Dataflow<Keyed<Sided>> {
  return handleOn(standing(streams[0]).draft, addSides(method, streams, stepId));
}

/** Adds a stateful step. Returns the handle on it. */
function keyed<V, W, S>(
  handle: Dataflow<Keyed<V>>,
  stepId: StepId,
  build: BuildLogic<V, W, S>,
  kind: StatefulKind = {},
): Dataflow<Keyed<W>> {
  return handleOn(standing(handle).draft, addKeyed(handle, stepId, build, kind));
}

/**
 * Adds a window step. Returns the handle on it. `lateValue` turns a late value into the user's
 * form.
 */
function windowed<V, A, R>(
  handle: Dataflow<Keyed<V>>,
  stepId: StepId,
  step: WindowStep<V, A, R>,
  lateValue: (late: V) => unknown = (late) => late,
): WindowedDataflow<R, V> {
  const { draft } = standing(handle);
  const { results, late, addWindows } = addWindowStep(handle, stepId, step, lateValue);
  let windows: Dataflow<unknown> | undefined;
  return handleOn<Keyed<R>>(draft, results, {
    late: { value: handleOn(draft, late), enumerable: true },
    windows: { get: () => windows ??= handleOn(draft, addWindows()), enumerable: true },
  }) as WindowedDataflow<R, V>;
}

/** Returns a handle on `node`, made without the constructor, which would start a new flow. */
function handleOn<U>(
  draft: FlowDraft,
  node: StepNode,
  more: PropertyDescriptorMap = {},
): Dataflow<U> {
  const handle = Object.create(Dataflow.prototype, more);
  Object.defineProperty(handle, FLOW_BRAND, { value: Object.freeze({ draft, node }) });
  return Object.freeze(handle);
}

/** Returns whether a value is a handle on a flow, from this copy of the module or another. */
export function isDataflow(value: unknown): value is Dataflow<unknown> {
  return positionOf(value) !== null;
}
