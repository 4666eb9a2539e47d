/**
 * Checks on the functions and options of steps, before anything runs.
 *
 * @module
 */
import { requireOptions } from "../core/options.ts";
import type { StepId } from "../core/ids.ts";
import type { StepName } from "../graph/nodes.ts";

/** The last argument of every stateless step. */
export interface StepOptions {
  /**
   * The step's name in errors, counts and the log: unique within the flow. By default it is the
   * name of the function, or else `map-1`, `map-2` and so on.
   */
  readonly id?: StepId;
}

/**
 * Returns a step's name: its id, or `parse` for `map(parse)`, else `map-1`, `map-2` and so on.
 *
 * @throws {TypeError} If `fn` is not a function, if it is `async` and `step` is synchronous, or if
 * an option is unknown.
 */
export function nameAfter(step: string, fn: unknown, options: StepOptions): StepName {
  requireFunction(step, fn);
  if (fn.constructor.name === "AsyncFunction") {
    throw new TypeError(
      `${step} is synchronous but was given an async function: use mapAsync for what must be awaited`,
    );
  }
  return nameAfterAny(step, fn, options);
}

/** Does the same for a step that awaits, which accepts an `async` function. */
export function nameAfterAny(
  step: string,
  fn: unknown,
  options: StepOptions,
  known: readonly string[] = ["id"],
): StepName {
  requireFunction(step, fn);
  const name = givenName(step, options, known);
  if (name !== null) return name;
  return fn.name === "" ? { hint: step, numbered: true } : { hint: fn.name, numbered: false };
}

/** Returns the name of a step without a function. */
export function nameOf(step: string, options: StepOptions): StepName {
  return givenName(step, options, ["id"]) ?? { hint: step, numbered: true };
}

function givenName(step: string, options: StepOptions, known: readonly string[]): StepName | null {
  requireOptions(step, options, known);
  return options.id === undefined ? null : { given: options.id };
}

/** Throws a `TypeError` unless `fn` is a function. `what` names it, such as `reduce's reducer`. */
export function requireFunction(
  what: string,
  fn: unknown,
): asserts fn is (...args: never[]) => unknown {
  if (typeof fn !== "function") {
    throw new TypeError(`${what} must be given a function; got ${Deno.inspect(fn, { depth: 0 })}`);
  }
}
