/**
 * The source of a stateful step that is fused into its stage's loop.
 *
 * A stateful step runs in one of two ways:
 *
 * - **In its own task**, by the loop in `keyed_loop.ts`. Any step can run so. Each value may emit
 *   any number of values, and the loop asks for timers, notifies keys and ends them.
 * - **Fused**, by the source that is made here, as a part of the loop that `chain.ts` generates.
 *   Only a step that makes `SingleLogic` can run so: it has one output for each value, and neither
 *   timers nor ends. Its items must not have to change workers either, as an exchange ends a stage.
 *
 * The second way exists for speed. Where V8 inlines the functions around the step, neither the pair
 * that comes in nor the one that goes out needs to exist. At 1,000 keys, that is 33 ns an item
 * instead of 47. The first way remains for all that needs a timer, an end or an exchange.
 *
 * Both ways share the table of keys (`key_table.ts`) and do the same for a value. They check the
 * pair, find or add the key, mark it as changed, call its logic, and forget it if it is done.
 *
 * @module
 */
import { notKeyedSource } from "../../graph/chain_checks.ts";

/** The pieces of a loop with a fused step. */
export interface FusedStep {
  /** The variables that the loop must declare, outside its `try`. */
  readonly variables: string;
  /** The step's item, for an error: it is made from the variables, as no pair need exist. */
  readonly item: string;
  /** The variable that holds the outgoing pair. */
  readonly output: string;
  /** What the step does with an item. */
  readonly source: string;
}

/**
 * Writes a step. Its key table is in the variable `f` with the step's number. `pair` names the
 * variable with its item; `x` is the item that came into the loop.
 */
export function fusedStep(step: number, pair: string): FusedStep {
  const table = `f${step}`;
  const [key, value, logic, done, output] = ["k", "w", "l", "d", "v"].map((name) => name + step);
  return {
    variables: `let ${key}, ${value};`,
    item: `[${key}, ${value}]`,
    output,
    source: `
    step = ${step};
    if (${notKeyedSource(pair)})
      throw fail(step, ${pair}, checks.notKeyed("a stateful step", ${pair}), x);
    ${key} = ${pair}[0];
    ${value} = ${pair}[1];
    let ${logic} = ${table}.keys.get(${key});
    if (${logic} === undefined) ${logic} = ${table}.add(${key});
    else if (${logic}.dirty === false) ${table}.markChanged(${logic});
    const ${output} = [${key}, ${logic}.one(${value})];
    const ${done} = ${logic}.isDone();
    if (${done} !== false) ${table}.forget(${logic}, ${done});
    `,
  };
}
