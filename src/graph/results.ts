/**
 * Checks on what users' functions and logics in stateful steps return. Operators and the engine
 * share them. Generated loops have their own: see `chain_checks.ts`.
 *
 * @module
 */
import { preview } from "../core/preview.ts";
import { isPromiseLike } from "../core/promises.ts";

/** Throws a `TypeError` if `got` is a promise; `what` is the function, such as `the reducer`. */
export function refusePromise(what: string, got: unknown): void {
  if (isPromiseLike(got)) {
    throw new TypeError(
      `${what} returned a promise, but stateful steps are synchronous: ` +
        `await in a mapAsync before this step`,
    );
  }
}

/** Throws a `TypeError` that shows what `what` returned and what it must return. */
export function badResult(what: string, must: string, got: unknown): never {
  refusePromise(what, got);
  throw new TypeError(`${what} must return ${must}; got ${preview(got)}`);
}
