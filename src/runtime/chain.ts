/**
 * Fuses the synchronous steps of a stage into one generated loop.
 *
 * Each user function is a parameter of the generated function, so that the JIT inlines it. Measured
 * with four steps over 20 M integers on two cores, in items a second:
 *
 * - the loop written by hand 240 M, the generated one 235 M;
 * - one closure inside the other 50 to 80 M;
 * - an array for each step 38 M, generators 12 M.
 *
 * One `try` around the loop and a local with the current step tell which step failed. Neither costs
 * anything measurable, nor do the checks of results. Output arrays are created with the batch's
 * length and shortened at the end. To push into an empty one took 1.3 to 1.7 times as long (see
 * `bench/`).
 *
 * @module
 */
import { StepError } from "../core/errors.ts";
import type { Epoch, StepId } from "../core/ids.ts";
import { chainChecks, chainSnippets } from "../graph/chain_checks.ts";
import type { ChainNode, StatefulNode, StepNode } from "../graph/nodes.ts";
import { fusedStep } from "./keyed/fused.ts";
import type { KeyTable } from "./keyed/key_table.ts";
import { idOf, type Plan, type PortNode, type StagePlan } from "./plan.ts";

/**
 * A stage's loop. It works on a batch from index `from` up to `to`, and fills `outs` with one array
 * for each port. It returns the index to continue at. That is less than `to` if one of the arrays
 * has `most` items or more.
 */
export type Chain = (
  batch: readonly unknown[],
  from: number,
  to: number,
  epoch: Epoch,
  outs: unknown[][],
  most: number,
) => number;

/** Makes a step's error from what it threw, its item, and the item that came into the loop. */
export type FailStep = (stepId: StepId, item: unknown, thrown: unknown, head: unknown) => Error;

/** Where a stage's loop keeps its counts. */
export interface StepCounter {
  /** How many items left each step, by the step's number. */
  readonly out: Float64Array;
  /** Returns the number of a step. */
  numberOf(node: StepNode): number;
}

/**
 * Numbers the loops of this process. V8 shares compiled code and its type feedback between
 * functions of equal source. Two chains of one shape, each with its own user functions, would then
 * prevent each other's inlining (measured: 47 M items/s instead of 200 M). A number in the source
 * keeps them apart.
 */
let loops = 0;

/** Generates and compiles a stage's loop. `tableOf` makes the key table of each stateful step. */
export function compileChain(
  plan: Plan,
  stage: StagePlan,
  counter: StepCounter,
  tableOf: (node: StatefulNode) => KeyTable,
  failStep: FailStep,
): Chain {
  const writer = new ChainWriter(plan, stage, counter);
  const body = writer.write();
  const steps = writer.steps;
  const of = (node: ChainNode | StatefulNode) => node.kind === "chain" ? node.fn : tableOf(node);
  const fail = (step: number, item: unknown, thrown: unknown, head: unknown): unknown =>
    thrown instanceof StepError // made in the loop already
      ? thrown
      : failStep(idOf(plan, steps[step]), item, thrown, head);
  const make = new Function(
    "checks",
    "fail",
    "counts",
    ...steps.map((_, step) => `f${step}`),
    body,
  );
  return make(chainChecks, fail, counter.out, ...steps.map(of));
}

/** Returns whether a stage only passes batches on: it has one port and no steps of its own. */
export function isPassThrough(plan: Plan, { head, ports }: StagePlan): boolean {
  const consumers = plan.consumers.get(head)!;
  return ports.length === 1 && consumers.length === 1 && consumers[0] === ports[0];
}

/** Writes the source of one stage's loop. */
class ChainWriter {
  /** The steps with a function or keys, by the number they have in the loop. */
  readonly steps: (ChainNode | StatefulNode)[] = [];
  readonly #plan: Plan;
  readonly #stage: StagePlan;
  readonly #counter: StepCounter;
  readonly #merges = new Map<StepNode, string>(); // each in-stage merge's function, written once
  readonly #parts: string[] = []; // declares the variables of each stateful step
  readonly #pairs: string[] = []; // its item, made from them
  readonly #counted = new Map<StepNode, string>(); // the local counter of each step that has one

  constructor(plan: Plan, stage: StagePlan, counter: StepCounter) {
    this.#plan = plan;
    this.#stage = stage;
    this.#counter = counter;
  }

  write(): string {
    const loop = this.#consumers(this.#stage.head, "x", "x");
    const outs = this.#stage.ports.map((_, port) => `o${port}`);
    const expands = this.steps.some((node) => node.kind === "chain" && node.op.expands);
    const pause = outs.map((_, port) => `kept${port} >= most`).join(" || ");
    return `"use strict";
return function chain(batch, from, to, epoch, outs, most) {
  let item, step = 0, i = from;
  ${this.#parts.join(" ")}
  ${[...this.#counted.values()].map((name) => `let ${name} = 0;`).join(" ")}
  ${outs.map((out, port) => `const ${out} = new Array(to - from); let kept${port} = 0;`).join(" ")}
  ${[...this.#merges.values()].join("\n  ")}
  try {
    for (; i < to; i++) {
      const x = batch[i];
      ${loop}
      ${expands && outs.length > 0 ? `if (${pause}) { i++; break; }` : ""}
    }
  } catch (thrown) {
    throw fail(step, ${[...this.#pairs, "item"].join(" : ")}, thrown, batch[i]);
  }
  ${outs.map((out, port) => `${out}.length = kept${port}; outs[${port}] = ${out};`).join(" ")}
  ${
      [...this.#counted].map(([node, name]) =>
        `counts[${this.#counter.numberOf(node)}] += ${name};`
      ).join(" ")
    }
  return i;
}
//# sourceURL=millrace-chain-${++loops}-${
      encodeURIComponent(idOf(this.#plan, this.#stage.head).toWellFormed())
    }`;
  }

  /** Returns the source of all that reads `node`, whose item is in `variable`. */
  #consumers(node: StepNode, variable: string, result: string): string {
    return this.#plan.consumers.get(node)!
      .map((consumer) => `{ ${this.#consumer(consumer, variable, result)} }`)
      .join("\n");
  }

  #consumer(node: StepNode, variable: string, upstreamResult: string): string {
    if (this.#plan.stageOf.get(node) !== this.#stage.head) {
      const port = this.#stage.ports.indexOf(node as PortNode);
      return `o${port}[kept${port}++] = ${variable};`;
    }
    switch (node.kind) {
      case "chain":
        return this.#chain(node, variable, upstreamResult);
      case "stateful":
        return this.#fused(node, variable);
      case "exchange":
        return this.#consumers(node, variable, upstreamResult);
      case "merge":
        return `${this.#mergeFunction(node)}(${variable});`;
      default:
        throw new Error(`a ${node.kind} step cannot be fused`);
    }
  }

  #chain(node: ChainNode, item: string, upstreamResult: string): string {
    const step = this.steps.push(node) - 1;
    // Noting the item costs nothing measurable. The alternative, to declare every step's variables
    // outside the `try` so that the handler can read them, cost 10 %.
    const enter = `step = ${step}; item = ${item};`;
    const [result, output] = [`r${step}`, `v${step}`];
    const source = node.op.source({
      item,
      fn: `f${step}`,
      result,
      output,
      upstreamResult,
      epoch: "epoch",
      checks: "checks",
      ...chainSnippets,
      enter,
      next: (variable) => this.#count(node) + this.#consumers(node, variable, result),
    });
    return enter + source;
  }

  #fused(node: StatefulNode, pair: string): string {
    const step = this.steps.push(node) - 1;
    const { variables, item, output, source } = fusedStep(step, pair);
    this.#parts.push(variables);
    this.#pairs.push(`step === ${step} ? ${item}`);
    return source + this.#consumers(node, output, output);
  }

  #count(node: ChainNode): string {
    if (!node.op.changesCount) return "";
    const name = `n${this.#counter.numberOf(node)}`;
    this.#counted.set(node, name);
    return `${name}++; `;
  }

  /** Returns the name of a function with a merge's readers. Each stream of the merge calls it. */
  #mergeFunction(node: StepNode): string {
    const name = `merge${this.#counter.numberOf(node)}`;
    if (!this.#merges.has(node)) {
      const variable = `${name}_item`;
      this.#merges.set(node, ""); // reserves its position: inner merges come after it
      const readers = this.#consumers(node, variable, variable);
      this.#merges.set(node, `const ${name} = (${variable}) => { ${readers} };`);
    }
    return name;
  }
}
