/**
 * The typed builder: thin methods over the operators.
 *
 * @module
 */
import type { Inferred } from "../core/inferred.ts";
import type { Keyed, StepId } from "../core/ids.ts";
import type { BuildLogic, InputConfig, OutputConfig } from "../graph/contracts.ts";
import { FLOW_BRAND, type FlowBrand, FlowDraft, positionOf } from "../graph/graph.ts";
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
 * A handle on a flow, standing where items of type `T` come out. Handles are immutable: each step
 * returns a new one, and using one twice branches the flow. Any handle stands for the whole flow
 * when it is run. Building runs nothing and opens nothing.
 *
 * Items are shared: all branches get the same object, as do windows that overlap and rows of a
 * join. So a function must not change an item in place; it returns a new one, such as
 * `{ ...item, total }`. The state of a stateful step is the step's own and may be changed in place;
 * results stay what they were.
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
  /** Marks the handle and ties it to its flow; for the engine. */
  readonly [FLOW_BRAND]: FlowBrand<T>;

  /**
   * The root of a new flow: only {@linkcode Dataflow.input} hangs off it.
   *
   * @param name What the flow is called in logs and snapshots.
   */
  constructor(name: string = "flow") {
    if (typeof name !== "string" || name === "") {
      throw new TypeError(`a flow's name must be a non-empty string; got ${Deno.inspect(name)}`);
    }
    this[FLOW_BRAND] = Object.freeze({ draft: new FlowDraft(name), node: null });
    Object.freeze(this);
  }

  /**
   * Adds an input. A flow may have several; the handle it is called on does not matter.
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
   * One item in, one item out. `f` is synchronous; what must be awaited goes into
   * {@linkcode Dataflow.mapAsync}. It must change neither the item, which branches share, nor later
   * on what it has returned.
   *
   * @param options `id` names the step in errors, counts and the log, as with all stateless steps.
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
   * Sends on each item of the iterable that `f` gives, in order. A string is an error. `f` must
   * change neither the item, which branches share, nor later on what it has given.
   */
  flatMap<U extends Inferred>(
    f: (item: T) => Iterable<U>,
    options: StepOptions = {},
  ): Dataflow<U> {
    return extend(this, flatMapNode(nodeOf(this, "flatMap"), f, options));
  }

  /** Keeps the items for which the type guard `p` holds, and narrows their type. */
  filter<U extends T>(p: (item: T) => item is U, options?: StepOptions): Dataflow<U>;
  /** Keeps the items for which `p` gives `true`. Anything but `true` or `false` is an error. */
  filter(p: (item: T) => boolean, options?: StepOptions): Dataflow<T>;
  filter(p: (item: T) => boolean, options: StepOptions = {}): Dataflow<T> {
    return extend(this, filterNode(nodeOf(this, "filter"), p, options));
  }

  /** Sends on what `f` gives, unless that is `null` or `undefined`. It must not change the item. */
  filterMap<U extends Inferred>(
    f: (item: T) => U,
    options: StepOptions = {},
  ): Dataflow<NonNullable<U>> {
    return extend(this, filterMapNode(nodeOf(this, "filterMap"), f, options));
  }

  /** Calls `f` with each item, and sends the item on. It must not change the item. */
  inspect(f: (item: T) => unknown, options: StepOptions = {}): Dataflow<T> {
    return extend(this, inspectNode(nodeOf(this, "inspect"), f, options));
  }

  /** Calls `f` with the epoch and each item, and sends the item on. */
  inspectEpoch(
    f: (epoch: number, item: T) => unknown,
    options: StepOptions = {},
  ): Dataflow<T> {
    return extend(this, inspectEpochNode(nodeOf(this, "inspectEpoch"), f, options));
  }

  /**
   * Awaits `f` for each item, several at a time, and sends on what it resolves with. A rejection
   * ends the run with an error that shows the item. All that is pending is awaited before an epoch
   * closes. `f` must not change the item, which branches share.
   *
   * @param f Gets the item and a signal that is aborted when the run fails or is stopped at once, and when a
   * graceful stop has nearly used up its time (`stopTimeout`). A call that rejects after that is no error:
   * the run ends at the last committed epoch.
   * @param options How many calls there may be at once, whether results keep their order, and the
   * step's id.
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
   * One stream of this and the others. Items of each stream keep their order.
   *
   * @throws {FlowDefinitionError} If one of the others belongs to another flow.
   */
  merge<U = never>(...others: [...Dataflow<U>[], options: StepOptions]): Dataflow<T | U>;
  /** One stream of this and the others. Items of each stream keep their order. */
  merge<U = never>(...others: Dataflow<U>[]): Dataflow<T | U>;
  merge<U = never>(...others: (Dataflow<U> | StepOptions)[]): Dataflow<T | U> {
    const last = others.at(-1);
    const options = last === undefined || positionOf(last) !== null ? {} : last as StepOptions;
    const streams = options === last ? others.slice(0, -1) : others;
    const upstreams = [nodeOf(this, "merge"), ...mergedNodes(this, streams)];
    return extend(this, mergeNode(upstreams, options));
  }

  /**
   * Parts the stream by a type guard into the items for which it holds, and the others. Using one
   * handle twice is another way to branch: then both get the same objects, which neither may
   * change. For one of the two streams alone, use {@linkcode Dataflow.filter}.
   */
  branch<U extends T>(
    p: (item: T) => item is U,
    options?: StepOptions,
  ): [yes: Dataflow<U>, no: Dataflow<Exclude<T, U>>];
  /** Parts the stream into the items for which `p` gives `true`, and those with `false`. */
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

  /** Spreads items evenly over the workers, for work that is heavy and needs no key. */
  redistribute(options: StepOptions = {}): Dataflow<T> {
    return extend(this, redistributeNode(nodeOf(this, "redistribute"), options));
  }

  /** Makes `[f(item), item]` of each item, for the stateful steps. The key must be a string. */
  keyOn(f: (item: T) => string, options: StepOptions = {}): Dataflow<Keyed<T>> {
    return extend(this, keyOnNode(nodeOf(this, "keyOn"), f, options));
  }

  /**
   * Maps the value of each pair; the key stays. `f` must not change the value, which branches
   * share.
   */
  mapValue<V, U extends Inferred>(
    this: Dataflow<Keyed<V>> & OnlyKeyed<T>,
    f: (value: V) => U,
    options: StepOptions = {},
  ): Dataflow<Keyed<U>> {
    return extend(this, mapValueNode(nodeOf(this, "mapValue"), f, options));
  }

  /**
   * Makes a pair, with the same key, of each item of the iterable that `f` gives for the value. `f`
   * must not change the value, which branches share.
   */
  flatMapValue<V, U extends Inferred>(
    this: Dataflow<Keyed<V>> & OnlyKeyed<T>,
    f: (value: V) => Iterable<U>,
    options: StepOptions = {},
  ): Dataflow<Keyed<U>> {
    return extend(this, flatMapValueNode(nodeOf(this, "flatMapValue"), f, options));
  }

  /**
   * The primitive under all stateful steps: one {@linkcode StatefulLogic} for each key. What it
   * emits is copied, so that it may change its state in place; only class instances stay the same
   * object. It must not change the values that come in: others share them.
   *
   * @param stepId Names the step's state in snapshots.
   * @param build Makes the logic of a key, from its snapshot where there is one.
   * @param options Whether keys are forgotten after a time without values.
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
   * Combines the values of each key until `isComplete` gives `true` for the accumulator; then emits
   * it and forgets the key. The first value, or a copy of it, is the first accumulator. What is
   * incomplete when the input ends stays in the state and is not emitted.
   *
   * @param reducer May change its first argument in place, and must not change the second.
   *
   * @param options Whether keys are forgotten, and not emitted, after a time without values.
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
   * One output for each value, from the state of its key. The mapper gives `[state, out]`; a `null`
   * state forgets the key, whose next value builds anew.
   *
   * The mapper may change the state in place, and give it or a part of it out: an output with an
   * object of the state in it is copied, so it stays what it was. A copy takes time with the size
   * of the output: give out what is needed. Class instances are not copied. The mapper must not
   * change the value. It must copy a part of a value that takes the place of an object as the state.
   *
   * @param build The state of a key that has none yet; a copy of it, should it return one object
   * for all.
   * @param options Whether keys are forgotten after a time without values. Without one, the step costs
   * less: it has no timers.
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
   * Like {@linkcode Dataflow.statefulMap}, with any number of outputs: `[state, outs]`. Outputs of
   * an iterable that is no array, such as a generator, are copied in any case.
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
   * Combines the values of each key, and emits one result a key when the input ends. Each value goes to
   * its key's worker: {@linkcode Dataflow.foldFinal} with a merger combines them before.
   *
   * @param reducer May change its first argument in place, and must not change the second.
   */
  reduceFinal<V>(
    this: Dataflow<Keyed<V>> & OnlyKeyed<T>,
    stepId: StepId,
    reducer: (acc: V, value: V) => V,
  ): Dataflow<Keyed<V>> {
    return this.stateful(stepId, reduceFinalLogic(reducer));
  }

  /**
   * Folds the values of each key from `build(key)`, and emits the result when the input ends.
   *
   * @param folder May change the accumulator in place. It must not change values, nor those it has
   * kept. It must copy a part of a value that takes the place of an object as the accumulator.
   * @param merger One accumulator out of two of a key, each folded from a part of its values in no
   * certain order. With it, several workers fold the values where they are, and only accumulators
   * change workers: with few keys, that is several times less work. Accumulators must then be of what
   * can be sent: no class instances, no functions.
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
    return keyed(this, stepId, foldFinalLogic(build, folder), { combiner });
  }

  /** How many values each key had, when the input ends. */
  countFinal<V>(this: Dataflow<Keyed<V>> & OnlyKeyed<T>, stepId: StepId): Dataflow<Keyed<number>> {
    return keyed(this, stepId, countFinalLogic(), { combiner: countFinalCombiner() });
  }

  /**
   * The largest value of each key, when the input ends; of equals the first that came. What comes
   * by several workers has no order.
   *
   * @param compare Needed for values other than numbers, bigints, strings, booleans and dates.
   */
  maxFinal<V>(
    this: Dataflow<Keyed<V>> & OnlyKeyed<T>,
    stepId: StepId,
    compare?: Compare<V>,
  ): Dataflow<Keyed<V>> {
    const { logic, combiner } = extremeFinal("maxFinal", compare);
    return keyed(this, stepId, logic, { combiner });
  }

  /**
   * The smallest value of each key, when the input ends; of equals the first that came. What comes
   * by several workers has no order.
   *
   * @param compare Needed for values other than numbers, bigints, strings, booleans and dates.
   */
  minFinal<V>(
    this: Dataflow<Keyed<V>> & OnlyKeyed<T>,
    stepId: StepId,
    compare?: Compare<V>,
  ): Dataflow<Keyed<V>> {
    const { logic, combiner } = extremeFinal("minFinal", compare);
    return keyed(this, stepId, logic, { combiner });
  }

  /**
   * Joins this stream with others by key. Across streams there is no order of time: the newest
   * value of a side is the last that has arrived. Rows share the values, which later steps must not
   * change. Except in mode `"final"`, what is there of a key when the input ends stays in the
   * state, and goes on in the next run.
   *
   * @param stepId Names the step's state in snapshots.
   * @param sides One keyed stream, or an array of them.
   * @param options When there are rows, and which; and whether keys are forgotten after a time without
   * values. A key that is forgotten gives no row, in mode `"final"` either.
   * @returns Rows: the value of this stream, then that of each side.
   * @throws {TypeError} If there are no sides, one is no stream, or there is no such mode.
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
    return keyed(sideBySide("join", streams, stepId), stepId, logic);
  }

  /**
   * Lets the first value of each key through, and drops those that come later, until the ttl has passed
   * since: then the next one is let through. Duplicates that come soon after one another are removed so,
   * with memory for the keys of one ttl.
   *
   * @param stepId Names the step's state in snapshots.
   * @param options For how long a key is remembered.
   * @throws {TypeError} If there is no ttl.
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
   * Gathers the values of each key into batches: one is emitted when it is full, when the timeout has
   * passed since its first value came, or when the input ends. When the run is stopped, a batch that is
   * not full stays in the state, with its time; without a recovery store, which would keep it, it is
   * emitted.
   *
   * @param stepId Names the step's state in snapshots.
   * @param options When a batch is full, and for how long it waits.
   * @throws {RangeError} If the size or the timeout is not more than zero.
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

  /**
   * Combines the values of each window from its first one, and emits the result when it closes.
   *
   * @param clock Where the time of values comes from.
   * @param windower Which windows there are.
   * @param reducer Combines two values; also the results of two sessions that become one, the
   * earlier first. It may change its first argument in place, and must not change the second.
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
   * const clock = new EventClockConfig({ getTime: ({ at }: { at: string }) => new Date(at), wait: 0 });
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
   * Folds the values of each window from `build()`, and emits the accumulator when it closes. Only the
   * accumulator is kept, not the values.
   *
   * @param build The accumulator of a new window; a copy of it, should it return one object for
   * all.
   * @param folder May change the accumulator in place, and in windows that overlap also values that
   * it has kept there: each window has its own copy. Otherwise it must not change values.
   * @param merger The accumulator of two windows that become one, the earlier one first: needed where
   * windows do, as sessions.
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
   * The values of each window, by their time; those of equal times in the order they came. All of
   * them are kept until the window closes. Windows that overlap share the values, which later steps
   * must not change.
   */
  collectWindow<V>(
    this: Dataflow<Keyed<V>> & OnlyKeyed<T>,
    stepId: StepId,
    clock: WindowClock<NoInfer<V>>,
    windower: Windower,
  ): WindowedDataflow<V[], V> {
    return windowed(this, stepId, { clock, windower, fold: collectFold<V>() });
  }

  /** How many values each window had. */
  countWindow<V>(
    this: Dataflow<Keyed<V>> & OnlyKeyed<T>,
    stepId: StepId,
    clock: WindowClock<NoInfer<V>>,
    windower: Windower,
  ): WindowedDataflow<number, V> {
    return windowed(this, stepId, { clock, windower, fold: countFold });
  }

  /**
   * The largest value of each window; of equals the first by time, and of one time the first that
   * came. Windows that overlap may give the same object, which later steps must not change.
   *
   * @param compare Needed for values other than numbers, bigints, strings, booleans and dates.
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
   * The smallest value of each window; of equals the first by time, and of one time the first that
   * came. Windows that overlap may give the same object, which later steps must not change.
   *
   * @param compare Needed for values other than numbers, bigints, strings, booleans and dates.
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
   * Joins this stream with others by key and window. The newest value of a side is that of the
   * latest time, in whichever order they came. Rows share the values, which later steps must not
   * change. A value of any side that comes when its windows have closed is late.
   *
   * @param clock Knows the time of the values of all sides.
   * @param sides One keyed stream, or an array of them.
   * @param options When there are rows, and which.
   * @returns Rows: the value of this stream, then that of each side.
   * @throws {TypeError} If there are no sides, one is no stream, or there is no such mode.
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
   * const HOUR = 3_600_000;
   * const flow = new Dataflow("shop");
   * const orders = flow.input("orders", new TestingInputConfig<Keyed<Order>>([
   *   ["17", { at: 0, goods: "apples" }],
   *   ["18", { at: 0, goods: "pears" }],
   * ]));
   * const payments = flow.input("payments", new TestingInputConfig<Keyed<Payment>>([
   *   ["17", { at: HOUR / 2, sum: 4.5 }],
   * ]));
   * const out: [string, string, number | undefined][] = [];
   * const clock = new EventClockConfig<Order | Payment>({ getTime: ({ at }) => at, wait: HOUR });
   * orders.joinWindow("paid", clock, new SessionWindowConfig({ gap: HOUR }), payments)
   *   .map(([id, [order, payment]]) => [id, order!.goods, payment?.sum] as [string, string, number | undefined])
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

  /**
   * Sends the items out. Gives back the handle it was called on, so a flow may have several.
   * Outputs share the items, and must not change them.
   *
   * A stream that nothing reads is warned of when the flow runs, as its items are lost: each stream
   * ends with a `capture` or an `inspect`. A window step's `late` values are warned of only if there
   * are some.
   */
  capture(config: OutputConfig<T>): Dataflow<T>;
  /** Sends the items out; `stepId` names the output in errors, counts and snapshots. */
  capture(stepId: StepId, config: OutputConfig<T>): Dataflow<T>;
  capture(...args: [OutputConfig<T>] | [StepId, OutputConfig<T>]): Dataflow<T> {
    const [stepId, config] = args.length === 1 ? [undefined, args[0]] : args;
    extend(this, captureNode(nodeOf(this, "capture"), config as OutputConfig<never>, stepId));
    return this;
  }
}

/**
 * Says what to do in the compiler's error where a stream without keys is given to a step that needs
 * them: nothing has this property. Of a stream with keys it asks nothing.
 *
 * @typeParam T The items of the stream.
 */
export type OnlyKeyed<T> = [T] extends [Keyed<unknown>] ? unknown
  : { readonly "this step needs [key, value] pairs: call keyOn(...) before it"?: never };

/** The last argument of `foldWindow`, which windows that become one cannot do without. */
export type MergerOf<W extends Windower, A> = W["overlap"] extends "never" | "may"
  ? [merger?: (earlier: A, later: A) => A]
  : [merger: (earlier: A, later: A) => A];

/**
 * The results of a window step: a stream like any other, with two more beside it.
 *
 * @typeParam R The results.
 * @typeParam V The values that go into the windows.
 */
export interface WindowedDataflow<out R, out V = unknown> extends Dataflow<Keyed<R>> {
  /** The values that came when all their windows had closed. They are counted, wherever they go. */
  readonly late: Dataflow<Keyed<V>>;
  /** The results, each with its window. */
  readonly windows: Dataflow<Keyed<[window: WindowMetadata, result: R]>>;
}

// Functions and not private methods: a handle may come from another copy of this module.

/** Adds a node to the flow of a handle, and gives the handle that stands on it. */
function extend<U>(handle: Dataflow<unknown>, node: StepNode): Dataflow<U> {
  const { draft } = standing(handle);
  draft.add(node);
  return handleOn(draft, node);
}

/** The handle on what brings the streams of a join together. */
function sideBySide(
  method: JoinMethod,
  streams: readonly Handle[],
  stepId: StepId,
): Dataflow<Keyed<Sided>> {
  return handleOn(standing(streams[0]).draft, addSides(method, streams, stepId));
}

/** The handle on a stateful step that is added. */
function keyed<V, W, S>(
  handle: Dataflow<Keyed<V>>,
  stepId: StepId,
  build: BuildLogic<V, W, S>,
  kind: StatefulKind = {},
): Dataflow<Keyed<W>> {
  return handleOn(standing(handle).draft, addKeyed(handle, stepId, build, kind));
}

/** The handle on a window step that is added. `lateValue`: what a late value is to users. */
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

/** A handle that stands on `node`, made without the constructor, which starts a new flow. */
function handleOn<U>(
  draft: FlowDraft,
  node: StepNode,
  more: PropertyDescriptorMap = {},
): Dataflow<U> {
  const handle = Object.create(Dataflow.prototype, more);
  Object.defineProperty(handle, FLOW_BRAND, { value: Object.freeze({ draft, node }) });
  return Object.freeze(handle);
}

/** Whether a value is a handle on a flow, of this copy of the module or another. */
export function isDataflow(value: unknown): value is Dataflow<unknown> {
  return positionOf(value) !== null;
}
