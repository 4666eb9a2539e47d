/**
 * How deep a value can be shown.
 *
 * @module
 */

/** Deeper values are not shown. */
const DEEPEST = 100;

/** How many values are shown at most, about. */
const MOST_VALUES = 200_000;

/**
 * Returns the depth for `Deno.inspect`. It is less than 100 where objects refer to each other in
 * many ways: to show each of them would not end.
 */
export function inspectDepth(value: unknown): number {
  let level = [value];
  let count = 0;
  for (let depth = 0; depth < DEEPEST && level.length > 0; depth++) {
    const next: unknown[] = [];
    for (const each of level) {
      for (const inner of insideOf(each)) {
        next.push(inner);
        if (++count > MOST_VALUES) return depth;
      }
    }
    level = next;
  }
  return DEEPEST;
}

/** What `Deno.inspect` would show of it: a hundred entries of what can be iterated. */
function insideOf(value: unknown): Iterable<unknown> {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return [];
  if (value instanceof Map) return value.entries().take(100).flatMap((pair) => pair);
  if (value instanceof Set) return value.values().take(100);
  return Array.isArray(value) ? value.slice(0, 100) : Object.values(value);
}
