/**
 * What a step says about the function it was given, before anything runs.
 *
 * @module
 */
import type { StepName } from "../graph/nodes.ts";

/**
 * A step's name taken from its function: `parse` for `map(parse)`, else `map-1`, `map-2` … .
 *
 * @throws {TypeError} If `fn` is no function, or an `async` one, where `step` is synchronous.
 */
export function nameAfter(step: string, fn: unknown): StepName {
  requireFunction(step, fn);
  if (fn.constructor.name === "AsyncFunction") {
    throw new TypeError(
      `${step} is synchronous but was given an async function: use mapAsync for what must be awaited`,
    );
  }
  return nameAfterAny(step, fn);
}

/** The same for a step that awaits, where an `async` function is welcome. */
export function nameAfterAny(step: string, fn: unknown): StepName {
  requireFunction(step, fn);
  return fn.name === "" ? { hint: step, numbered: true } : { hint: fn.name, numbered: false };
}

/** Throws a `TypeError` unless `fn` is a function; `what` says which, such as `reduce's reducer`. */
export function requireFunction(
  what: string,
  fn: unknown,
): asserts fn is (...args: never[]) => unknown {
  if (typeof fn !== "function") {
    throw new TypeError(`${what} must be given a function; got ${Deno.inspect(fn, { depth: 0 })}`);
  }
}
