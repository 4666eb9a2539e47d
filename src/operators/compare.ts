/**
 * Which of two values is the larger.
 *
 * @module
 */
import { preview } from "../core/preview.ts";
import { badResult } from "../graph/results.ts";
import { requireFunction } from "./user_function.ts";

/**
 * Checks the result of a user's compare function.
 *
 * @throws {TypeError} If it is not a number: `a > b` returns a boolean, and would find nothing.
 */
export function comparison(what: string, got: number): number {
  if (typeof got !== "number" || Number.isNaN(got)) {
    badResult(`${what}'s compare`, "a number such as a - b", got);
  }
  return got;
}

/**
 * Returns a function that compares in the step's direction. Its result is above zero if `a` is
 * larger (for max) or smaller (for min), and zero if they are equal.
 *
 * @throws {TypeError} If `compare` is not a function.
 */
export function leadOf<V>(
  step: `${"max" | "min"}${"Final" | "Window"}`,
  compare: Compare<V>,
): (a: V, b: V) => number {
  requireFunction(`${step}'s compare`, compare);
  const sign = step.startsWith("max") ? 1 : -1;
  return (a, b) => comparison(step, compare(a, b)) * sign;
}

/**
 * Returns a negative number if `a` is smaller, a positive one if it is larger, zero if they are
 * equal.
 */
export type Compare<V> = (a: V, b: V) => number;

/**
 * Compares numbers, bigints, strings (by UTF-16 code unit), booleans and dates.
 *
 * @throws {TypeError} If the values have no natural order, such as objects or `NaN`. Such steps
 * need a `compare`.
 */
export function compareNaturally(a: unknown, b: unknown): number {
  const x = a instanceof Date ? a.getTime() : a;
  const y = b instanceof Date ? b.getTime() : b;
  const comparable = typeof x === typeof y &&
    (typeof x === "number" || typeof x === "bigint" || typeof x === "string" ||
      typeof x === "boolean");
  if (comparable) {
    if (x < y!) return -1;
    if (x > y!) return 1;
    if (x === y) return 0;
  }
  throw new TypeError(
    `${preview(a)} and ${preview(b)} have no natural order: give a compare function`,
  );
}
