/**
 * Checks of option objects.
 *
 * @module
 */
import { didYouMean } from "./closest_name.ts";
import { preview } from "./preview.ts";

/** Throws a `TypeError` unless `options` is an object that has only the options in `known`. */
export function requireOptions(what: string, options: unknown, known: readonly string[]): void {
  const has = `it has: ${known.join(", ")}`;
  if (typeof options !== "object" || options === null) {
    throw new TypeError(
      `${what} accepts its options as an object (${has}); got ${preview(options)}`,
    );
  }
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new TypeError(
    `${what} has no option "${unknown}"; ${has}${didYouMean(unknown, known)}`,
  );
}
