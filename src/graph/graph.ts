/**
 * A flow while it is written, and the checked graph made from it.
 *
 * @module
 */
import { FlowDefinitionError } from "../core/errors.ts";
import type { Keyed, StepId } from "../core/ids.ts";
import { preview } from "../core/preview.ts";
import { FlowMeters } from "./meters.ts";
import { freezeNode, type StepNode } from "./nodes.ts";

/**
 * Marks a handle on a flow. It is a registered symbol, as `instanceof` fails when the flow file and
 * the command line have loaded two copies of this module.
 */
export const FLOW_BRAND: unique symbol = Symbol.for("millrace.dataflow");

/** What every handle carries. */
export interface FlowBrand<out T> {
  /** The flow that the handle belongs to; for the engine. */
  readonly draft: object;
  /** The step whose items the handle stands for, `null` at the root; for the engine. */
  readonly node: object | null;
  /** Never set: ties the type of the items to the handle. */
  readonly items?: T;
  /** Never set: its name is the compiler's error where a join's side has no keys. */
  readonly "a join's side needs [key, value] pairs: call keyOn(...) before it"?: T;
}

/** The brand that a keyed step asks for: the compiler's error names the last property. */
export interface KeyedBrand<out V> {
  /** The flow that the handle belongs to; for the engine. */
  readonly draft: object;
  /** The step whose items the handle stands for, `null` at the root; for the engine. */
  readonly node: object | null;
  /** Never set: as in {@linkcode FlowBrand}. */
  readonly "a join's side needs [key, value] pairs: call keyOn(...) before it"?: Keyed<V>;
}

/** Where a handle stands: its brand, as the engine sees it. */
export interface FlowPosition {
  /** The flow. */
  readonly draft: FlowDraft;
  /** The step; `null` at the root. */
  readonly node: StepNode | null;
}

/** The steps of a flow so far. Handles share one; it only grows. */
export class FlowDraft {
  /** The flow's name. */
  readonly name: string;
  /** What users measure in their own code. */
  readonly meters: FlowMeters = new FlowMeters();
  readonly #nodes: StepNode[] = [];
  readonly #given = new Set<StepId>();

  /** Creates a flow without steps. */
  constructor(name: string) {
    this.name = name;
  }

  /** The steps in the order they were written, which is a topological order. */
  get nodes(): readonly StepNode[] {
    return this.#nodes;
  }

  /**
   * Adds a step.
   *
   * @throws {FlowDefinitionError} If its id is taken or not a non-empty string.
   */
  add<N extends StepNode>(node: N): N {
    if ("given" in node.name) {
      const id: unknown = node.name.given;
      if (typeof id !== "string" || id === "") {
        throw new FlowDefinitionError(
          `a step id must be a non-empty string; got ${preview(id)} in ${kindOf(node)}`,
        );
      }
      if (this.#given.has(id)) {
        throw new FlowDefinitionError(
          `step id "${id}" is used twice in flow "${this.name}": give each step one of its own, as ` +
            `state and errors are known by it`,
        );
      }
      this.#given.add(id);
    }
    this.#nodes.push(freezeNode(node));
    return node;
  }
}

/** A flow that passed all checks: what a worker runs. */
export interface FlowGraph {
  /** The flow's name. */
  readonly name: string;
  /** All steps, each after those upstream of it. */
  readonly nodes: readonly StepNode[];
  /** Each step's unique id. */
  readonly ids: ReadonlyMap<StepNode, StepId>;
  /** What users measure in their own code. */
  readonly meters: FlowMeters;
}

/** Returns where a handle stands, or `null` if the value is not a handle. */
export function positionOf(value: unknown): FlowPosition | null {
  if (typeof value !== "object" || value === null) return null;
  // A brand made by another copy of this module has the same shape: that is the brand's contract.
  return (value as { [FLOW_BRAND]?: FlowPosition })[FLOW_BRAND] ?? null;
}

/**
 * Checks a flow and freezes it.
 *
 * @param flow Any handle on the flow.
 * @throws {TypeError} If it is not a handle on a flow.
 * @throws {FlowDefinitionError} If the flow has no input or no output.
 */
export function graphOf(flow: unknown): FlowGraph {
  const position = positionOf(flow);
  if (position === null) {
    throw new TypeError(
      `expected a Dataflow, such as what .capture(config) returns; got ${preview(flow)}`,
    );
  }
  const { name, nodes, meters } = position.draft;
  if (!nodes.some((node) => node.kind === "input")) {
    throw new FlowDefinitionError(`flow "${name}" has no input: start it with .input(id, config)`);
  }
  if (!nodes.some((node) => node.kind === "capture")) {
    const last = nameSteps(nodes).get(nodes.findLast(({ part }) => part === undefined)!);
    throw new FlowDefinitionError(
      `flow "${name}" has no output: add .capture(config) after step "${last}", or its results ` +
        "are lost",
    );
  }
  return Object.freeze({ name, nodes: Object.freeze([...nodes]), ids: nameSteps(nodes), meters });
}

/** Assigns every step an id: the given ones first, so that no hint takes a user's name. */
function nameSteps(nodes: readonly StepNode[]): ReadonlyMap<StepNode, StepId> {
  const taken = new Set<StepId>();
  for (const { name } of nodes) if ("given" in name) taken.add(name.given);
  const ids = new Map<StepNode, StepId>();
  for (const node of nodes) {
    const id = "given" in node.name ? node.name.given : freeName(node.name, taken);
    taken.add(id);
    ids.set(node, id);
  }
  return ids;
}

function freeName(
  { hint, numbered }: { hint: string; numbered: boolean },
  taken: ReadonlySet<StepId>,
): StepId {
  if (!numbered && !taken.has(hint)) return hint;
  for (let n = numbered ? 1 : 2;; n++) {
    const id = `${hint}-${n}`;
    if (!taken.has(id)) return id;
  }
}

/** Returns the kind of step that a node is, such as `map` or `stateful`. */
export function kindOf(node: StepNode): string {
  return node.kind === "chain" ? node.op.name : node.kind;
}

/**
 * Returns each step as a line of text. Two workers compare them to find out whether they have the
 * same graph.
 */
export function describeSteps({ nodes, ids }: FlowGraph): string[] {
  return nodes.map((node) => {
    const kind = kindOf(node);
    const from = node.upstreams.map((upstream) => ids.get(upstream)!);
    return [`${kind} ${JSON.stringify(ids.get(node)!)}`, ...from.map((id) => JSON.stringify(id))]
      .join(" < ");
  });
}
