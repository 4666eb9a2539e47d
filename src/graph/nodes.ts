/**
 * A flow as data: frozen nodes, each with its kind and the nodes upstream of it. Nothing here runs.
 *
 * The engine knows only these kinds; every step that users write is composed from them.
 *
 * @module
 */
import type { EventTime } from "./event_time.ts";
import type { StepId } from "../core/ids.ts";
import type { InputConfig, OutputConfig, StatefulLogic, StepTime } from "./contracts.ts";

/** A step's name: given by the user, or a hint from which the graph's check makes one. */
export type StepName =
  | { readonly given: StepId } // must be unique
  | { readonly hint: string; readonly numbered: boolean }; // made unique: `map-1`, or `parse`

/**
 * Nodes that a step may have besides its own. `route`: the way to the owners of its keys. `side`: a
 * side of a join. `late` and `result`: the streams of a window step. `yes` and `no`: the two
 * answers of a branch.
 */
export type StepPart = "route" | "side" | "late" | "result" | "yes" | "no";

interface Step {
  readonly name: StepName;
  readonly upstreams: readonly StepNode[];
  /** The node's role in a step that has several; absent on the node that stands for the step. */
  readonly part?: StepPart;
}

/** Where items come in. */
export interface InputNode extends Step {
  readonly kind: "input";
  readonly config: InputConfig<unknown>;
}

/** A synchronous stateless step, fused with its neighbours into one generated loop. */
export interface ChainNode extends Step {
  readonly kind: "chain";
  readonly op: ChainOp;
  /** The user's function. */
  readonly fn: (...args: never[]) => unknown;
}

/** A step that awaits a promise for each item. */
export interface AsyncNode extends Step {
  readonly kind: "async";
  readonly fn: (item: never, signal: AbortSignal) => PromiseLike<unknown>;
  /** How many promises may be pending at once on a worker. */
  readonly concurrency: number;
  /** Whether results leave in the order of their items. */
  readonly ordered: boolean;
}

/** Merges several streams into one. */
export interface MergeNode extends Step {
  readonly kind: "merge";
}

/** Sends items to other workers: to the owners of their keys, or spread evenly. */
export interface ExchangeNode extends Step {
  readonly kind: "exchange";
  readonly route: "key" | "spread";
}

/** Time as the logic of a built-in step sees it. */
export interface StepScope extends StepTime {
  /**
   * The largest watermark that was forgotten with its key, in milliseconds since the Unix epoch.
   * Older values may have been counted already. Part of snapshots.
   */
  forgotten: number;
  /** How many windows are open in all keys, for metrics; `null` for a step without windows. */
  openWindows: number | null;
  /**
   * By how many milliseconds `now` is ahead of the machine's clock, which may have been set back.
   */
  ahead(): number;
  /** The time of the values, for steps that are `quiet`. */
  readonly event: EventTime;
  /** Makes `now` continue from `at` at least, for restored state with times ahead of the clock. */
  reach(at: number): void;
}

/** Begins a stateful step on a worker. Returns the function that makes the logic of its keys. */
export type BeginStep = (
  scope: StepScope,
) => (
  resumeState: unknown,
  key: string,
  resumed: boolean,
) => StatefulLogic<never, unknown, unknown>;

/**
 * Combines a step's values on the worker that has them, so that one partial result for many values
 * of a key changes workers. This is the combiner function of Dean and Ghemawat, "MapReduce:
 * Simplified Data Processing on Large Clusters", 2004. Errors of the user's functions pass through.
 */
export interface Combiner {
  /** Returns the partial result of one value. */
  start(key: string, value: unknown): unknown;
  /** Returns the partial result with one more value of the key. */
  add(partial: unknown, value: unknown): unknown;
  /**
   * Begins the step over partial results instead of values. Its snapshots are those of the step
   * itself.
   */
  readonly begin: BeginStep;
}

/**
 * The same for a window step: a partial result is the open windows that some values of a key make.
 * None of its values may be late, as a late value is given out as it is.
 */
export interface WindowCombiner {
  /** How long windows wait, in milliseconds. */
  readonly waitMs: number;
  /** Returns the time of a value, in milliseconds since the Unix epoch. */
  timeOf(value: unknown): number;
  /** Returns where the first window of a value ends, in milliseconds since the Unix epoch. */
  endOf(time: number): number;
  /** Returns the partial result of no values. */
  start(): unknown;
  /** Adds a value. */
  add(partial: unknown, value: unknown, time: number): void;
  /** Returns a partial result as plain data. It grows no more. */
  take(partial: unknown): unknown;
}

/**
 * What a built-in step keeps for a key, so that tools can show the state. A window step keeps open
 * windows, with any accumulator, with values and their times, or with the sides of a join. `batch`
 * has its time, and `passed` is when a value was sent on.
 */
export type StateKind = "windows" | "collected" | "joined" | "batch" | "passed";

/** State for each key. */
export interface StatefulNode extends Step {
  readonly kind: "stateful";
  readonly begin: BeginStep;
  /**
   * How values are combined before they change workers; `null` if the step must see each of them.
   */
  readonly combiner: Combiner | null;
  /** The same for window steps; `null` for others too. */
  readonly windowCombiner: WindowCombiner | null;
  /**
   * Whether it makes {@linkcode SingleLogic}: one output for each value, and nothing at any other
   * time. If its items need not change workers, such a step is fused like a stateless one.
   */
  readonly single: boolean;
  /** Whether its logic reads `StepTime.quiet` and has `quietUntil`. */
  readonly quiet: boolean;
  /**
   * Returns the time of a value, in milliseconds since the Unix epoch; for steps that are `quiet`.
   */
  readonly timeOf?: (value: unknown) => number;
  /** How long its windows wait, in milliseconds of event time; for steps that are `quiet`. */
  readonly waitMs?: number;
  /** Present if it emits only when its input ends: a flow without an end has no results of it. */
  readonly emitsAtEnd?: true;
  /**
   * How far a source may be read ahead of the one that is least far, in milliseconds of event time.
   * For steps that are `quiet`.
   */
  readonly driftMs?: number;
  /** What the state is; absent if users' functions make it. */
  readonly stateKind?: StateKind;
}

/** Where items go out. */
export interface CaptureNode extends Step {
  readonly kind: "capture";
  readonly config: OutputConfig<never>;
}

/** Any step. */
export type StepNode =
  | InputNode
  | ChainNode
  | AsyncNode
  | MergeNode
  | ExchangeNode
  | StatefulNode
  | CaptureNode;

/**
 * How a synchronous step turns an item into the next, as source text. A chain of steps becomes one
 * loop (see `runtime/chain.ts`).
 */
export interface ChainOp {
  /** What the step is called in the API, such as `flatMap`. */
  readonly name: string;
  /** Whether more or fewer items may leave than came. */
  readonly changesCount: boolean;
  /** Whether one item may become many, so that the loop must be able to pause between items. */
  readonly expands: boolean;
  /** Whether outgoing items have the key of the incoming one, if that had one. */
  readonly keepsKey: boolean;
  /** Returns the source of the step, which contains the source of all steps downstream. */
  readonly source: (code: ChainCode) => string;
}

/** The names and pieces that a {@linkcode ChainOp} builds its source from. */
export interface ChainCode {
  /** The variable that holds the incoming item. */
  readonly item: string;
  /** The user's function. */
  readonly fn: string;
  /** A variable of this step's own, for its result. */
  readonly result: string;
  /** Another variable of this step's own, for an outgoing item that is not its result. */
  readonly output: string;
  /** The result variable of the step before. */
  readonly upstreamResult: string;
  /** The current epoch. */
  readonly epoch: string;
  /** Marks this step as the one at work again, after downstream steps ran in the middle of it. */
  readonly enter: string;
  /** The checks that generated code calls when a result is wrong; see `chain_checks.ts`. */
  readonly checks: string;
  /** Returns a statement that throws unless the item is a pair with a string key. */
  requireKeyed(item: string, step: string): string;
  /** Returns a statement that throws unless the result is an object that can be iterated. */
  requireIterable(result: string, step: string): string;
  /** Returns a statement that throws if the result of a synchronous function is a promise. */
  refusePromise(result: string, step: string): string;
  /**
   * Returns the source of all steps downstream, given the variable that holds the outgoing item.
   */
  next(variable: string): string;
}

/** Freezes a node and its lists. All nodes are made here. */
export function freezeNode<N extends StepNode>(node: N): N {
  Object.freeze(node.name);
  Object.freeze(node.upstreams);
  return Object.freeze(node);
}
