/**
 * A flow as data: frozen nodes, each with its kind and the nodes upstream of it. Nothing here runs.
 *
 * The engine knows only these kinds; every step that users write is composed from them.
 *
 * @module
 */
import type { StepId } from "../core/ids.ts";
import type { InputConfig, OutputConfig, StatefulLogic, StepTime } from "./contracts.ts";

/** How a step is called: by the user, or, where only a hint is known, by the graph's check. */
export type StepName =
  | { readonly given: StepId } // must be unique
  | { readonly hint: string; readonly numbered: boolean }; // made unique: `map-1`, or `parse`

/**
 * The nodes that a step may have beside its own: the way to the owners of its keys, a side of a
 * join, what was late for a window or came of one, the two answers of a branch.
 */
export type StepPart = "route" | "side" | "late" | "result" | "yes" | "no";

interface Step {
  readonly name: StepName;
  readonly upstreams: readonly StepNode[];
  /** What the node is to a step that has several; absent on the one that stands for the step. */
  readonly part?: StepPart;
}

/** Where items come in. */
export interface InputNode extends Step {
  readonly kind: "input";
  readonly config: InputConfig<unknown>;
}

/** A synchronous stateless step, which is fused with its neighbours into one generated loop. */
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

/** Several streams as one. */
export interface MergeNode extends Step {
  readonly kind: "merge";
}

/** Items change workers here: to their key's owner, or spread evenly. */
export interface ExchangeNode extends Step {
  readonly kind: "exchange";
  readonly route: "key" | "spread";
}

/** Time as the logic of a step of ours sees it. */
export interface StepScope extends StepTime {
  /**
   * The largest watermark that was forgotten with its key, in milliseconds since the Unix epoch: what is
   * older than it may have been counted already. Part of snapshots.
   */
  forgotten: number;
  /** By how many milliseconds `now` is ahead of the machine's clock, which may have been set back. */
  ahead(): number;
  /** Has `now` go on from `at` at least: for state of a time that the clock is not at yet. */
  reach(at: number): void;
}

/** Begins a stateful step on a worker: gives what makes the logic of its keys there. */
export type BeginStep = (
  scope: StepScope,
) => (
  resumeState: unknown,
  key: string,
  resumed: boolean,
) => StatefulLogic<never, unknown, unknown>;

/**
 * How a step's values are combined on the worker where they are, so that what changes workers is one
 * partial result for many values of a key (the combiner function of Dean, Ghemawat, "MapReduce:
 * Simplified Data Processing on Large Clusters", 2004). Each function throws what the user's throw.
 */
export interface Combiner {
  /** The partial result of one value. */
  start(key: string, value: unknown): unknown;
  /** The partial result with one more value of the key. */
  add(partial: unknown, value: unknown): unknown;
  /** The step over partial results instead of values. Its snapshots are those of the step itself. */
  readonly begin: BeginStep;
}

/**
 * What a step of ours keeps for a key, so that the state can be shown: open windows, with any
 * accumulator, with values and their times, or with the sides of a join; a batch with its time; or
 * when a value was let through.
 */
export type StateKind = "windows" | "collected" | "joined" | "batch" | "passed";

/** State for each key. */
export interface StatefulNode extends Step {
  readonly kind: "stateful";
  readonly begin: BeginStep;
  /** How values are combined before they change workers; `null` where each of them has to be seen. */
  readonly combiner: Combiner | null;
  /**
   * Whether it makes {@linkcode SingleLogic}: one output for each value, and nothing at any other
   * time. Such a step can be fused like a stateless one, where its items need not change workers.
   */
  readonly single: boolean;
  /** Whether its logic asks for `StepTime.quiet` and has `quietUntil`. */
  readonly quiet: boolean;
  /** What the state is; absent where it is what the user's functions keep. */
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
 * How a synchronous step turns an item into the next, as source text, so that a whole chain of
 * steps becomes one loop (see `runtime/chain.ts`).
 */
export interface ChainOp {
  /** What the step is called in the API, such as `flatMap`. */
  readonly name: string;
  /** Whether a different number of items may leave than came. */
  readonly changesCount: boolean;
  /** Whether one item may become many, so that the loop must be able to pause between items. */
  readonly expands: boolean;
  /** Whether items that leave have the key of the one that came, where that had one. */
  readonly keepsKey: boolean;
  /** Writes the source of the step, with that of all that comes after it inside. */
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
  /** Notes that this step is at work again, after what comes next has run in the middle of it. */
  readonly enter: string;
  /** The checks that generated code calls when something is wrong; see `chain_checks.ts`. */
  readonly checks: string;
  /** The source of all that comes after, given the variable that holds the outgoing item. */
  next(variable: string): string;
}

/** Freezes a node and its lists; the one way to make one. */
export function freezeNode<N extends StepNode>(node: N): N {
  Object.freeze(node.name);
  Object.freeze(node.upstreams);
  return Object.freeze(node);
}
