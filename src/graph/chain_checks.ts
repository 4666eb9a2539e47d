/**
 * Errors of generated loops, for results of users' functions that would otherwise pass silently.
 * The loops test inline, which costs nothing measurable, and call these to throw. Tests that
 * several steps share are written here once, as source text.
 *
 * @module
 */
import { isPromiseLike } from "../core/promises.ts";
import { preview } from "../core/preview.ts";
import type { ChainCode } from "./nodes.ts";

/** The checks, by the names that generated code uses. */
export const chainChecks = Object.freeze({
  /** A predicate returned something other than `true` or `false`. */
  notBoolean(step: string, got: unknown): TypeError {
    if (isPromiseLike(got)) return gavePromise(step);
    return new TypeError(
      `the predicate of ${step} must return true or false; got ${preview(got)} ` +
        `(write Boolean(…) or !! where truthiness is meant)`,
    );
  },
  /** A synchronous function returned a promise. */
  gavePromise,
  /** A `flatMap` function returned a string, or something that cannot be iterated. */
  notIterable(step: string, got: unknown): TypeError {
    if (isPromiseLike(got)) return gavePromise(step);
    const cure = typeof got === "string"
      ? "a string would fall apart into characters, so write [text], or [...text] if you mean it"
      : "return an array or another iterable, empty for nothing";
    return new TypeError(
      `the function of ${step} must return an iterable; got ${preview(got)}: ${cure}`,
    );
  },
  /** A keyed step got an item that is not a pair with a string key. */
  notKeyed(step: string, got: unknown): TypeError {
    const isPair = Array.isArray(got) && got.length === 2;
    return new TypeError(
      isPair
        ? `${step} needs string keys; got the key ${preview(got[0])} in ${preview(got)}`
        : `${step} needs [key, value] pairs; got ${preview(got)} (use keyOn or map to make pairs)`,
    );
  },
  /** A `keyOn` function returned a key that is not a string. */
  badKey(step: string, got: unknown): TypeError {
    if (isPromiseLike(got)) return gavePromise(step);
    return new TypeError(
      `the function of ${step} must return a string key; got ${preview(got)} (write String(…))`,
    );
  },
});

/** Returns whether an item is a pair with a string key. */
export function isKeyed(item: unknown): item is [string, unknown] {
  return Array.isArray(item) && item.length === 2 && typeof item[0] === "string";
}

/** Returns the source of the opposite of {@linkcode isKeyed} for a variable. */
export function notKeyedSource(item: string): string {
  return `!Array.isArray(${item}) || ${item}.length !== 2 || typeof ${item}[0] !== "string"`;
}

/** Statements of generated loops, which call {@linkcode chainChecks} by the name `checks`. */
export const chainSnippets: Pick<ChainCode, "requireKeyed" | "requireIterable" | "refusePromise"> =
  Object.freeze({
    requireKeyed: (item: string, step: string): string => `
    if (${notKeyedSource(item)})
      throw checks.notKeyed(${JSON.stringify(step)}, ${item});`,
    requireIterable: (result: string, step: string): string => `
    if (typeof ${result} !== "object" || ${result} === null ||
        typeof ${result}[Symbol.iterator] !== "function")
      throw checks.notIterable(${JSON.stringify(step)}, ${result});`,
    refusePromise: (result: string, step: string): string => `
    if (typeof ${result} === "object" && ${result} !== null &&
        typeof ${result}.then === "function") throw checks.gavePromise(${JSON.stringify(step)});`,
  });

function gavePromise(step: string): TypeError {
  return new TypeError(
    `the function of ${step} returned a promise, but ${step} is synchronous: use mapAsync for ` +
      `what must be awaited`,
  );
}
