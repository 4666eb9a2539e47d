/**
 * Which of two values is the larger.
 *
 * @module
 */
import { preview } from "../core/preview.ts";
import { badResult } from "./results.ts";
import { requireFunction } from "./user_function.ts";

/**
 * What a user's compare function gave.
 *
 * @throws {TypeError} If it is no number: `a > b` gives a boolean, and would find nothing.
 */
export function comparison(what: string, got: number): number {
  if (typeof got !== "number" || Number.isNaN(got)) {
    badResult(`${what}'s compare`, "a number such as a - b", got);
  }
  return got;
}

/**
 * How far `a` is ahead of `b`, by the step's name: more than zero where `a` is the larger, for a
 * step that looks for the largest, or the smaller; zero where they are equal.
 *
 * @throws {TypeError} If `compare` is no function.
 */
export function leadOf<V>(
  step: `${"max" | "min"}${"Final" | "Window"}`,
  compare: Compare<V>,
): (a: V, b: V) => number {
  requireFunction(`${step}'s compare`, compare);
  const sign = step.startsWith("max") ? 1 : -1;
  return (a, b) => comparison(step, compare(a, b)) * sign;
}

/** Negative where `a` is the smaller, positive where it is the larger, zero where they are equal. */
export type Compare<V> = (a: V, b: V) => number;

/**
 * The order of numbers, bigints, strings (by UTF-16 code unit), booleans and dates.
 *
 * @throws {TypeError} If the values have no such order, such as objects or `NaN`: then a `compare`
 * must be given.
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
