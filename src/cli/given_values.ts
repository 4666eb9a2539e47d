/**
 * Values of options, as numbers, times and words.
 *
 * @module
 */
import { parseDuration } from "../core/duration.ts";
import { UsageError } from "../core/errors.ts";
import type { Given } from "./step_changes.ts";

/**
 * Returns a whole number.
 *
 * @throws {UsageError} If it is none, or out of bounds.
 */
export function parseCount(
  given: Given | undefined,
  { fallback, least, most }: { fallback: number; least: number; most: number },
): number {
  if (given === undefined) return fallback;
  const count = /^\d+$/.test(given.value) ? Number(given.value) : NaN;
  if (!(count >= least && count <= most)) {
    throw new UsageError(
      `${given.from} must be a whole number from ${least} to ${most}; got "${given.value}"`,
    );
  }
  return count;
}

/**
 * Returns a time in milliseconds; `undefined` if it was not given.
 *
 * @param check Returns it, or throws a `RangeError`.
 * @throws {UsageError} If it is none.
 */
export function parseTime(
  given: Given | undefined,
  check = (ms: number, _what: string): number => ms,
): number | undefined {
  if (given === undefined) return undefined;
  try {
    return check(parseDuration(given.value, given.from), given.from);
  } catch (cause) {
    throw new UsageError((cause as RangeError).message, { cause });
  }
}

/**
 * Returns one of some words.
 *
 * @throws {UsageError} If it is another one.
 */
export function oneOf<const V extends string>(
  given: Given | undefined,
  values: readonly V[],
  fallback: V,
): V {
  if (given === undefined) return fallback;
  const value = values.find((value) => value === given.value);
  if (value === undefined) {
    throw new UsageError(`${given.from} must be ${values.join(" or ")}; got "${given.value}"`);
  }
  return value;
}
