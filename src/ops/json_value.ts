/**
 * Values that are more than JSON has, as JSON for people to read.
 *
 * @module
 */

/** How deep objects are shown. A value may hold itself. */
const DEEPEST = 16;

/**
 * Returns a value as JSON has it. A `Map` becomes an array of pairs, a `Set` and bytes an array, a
 * `Date` its ISO text. A bigint becomes text, and so does a number that JSON lacks. `undefined`
 * becomes `null`. What is deeper than 16 levels is left out.
 */
export function jsonValue(value: unknown, depth = 0): unknown {
  if (depth > DEEPEST) return "…";
  const inner = (each: unknown) => jsonValue(each, depth + 1);
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "bigint":
      return String(value);
    case "object":
      break;
    default:
      return null;
  }
  if (value === null) return null;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Map) return [...value].map(([key, each]) => [inner(key), inner(each)]);
  if (value instanceof Set) return [...value].map(inner);
  if (Array.isArray(value)) return value.map(inner);
  if (value instanceof ArrayBuffer) return [...new Uint8Array(value)];
  if (ArrayBuffer.isView(value)) return Array.from(value as Uint8Array, inner);
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (value instanceof RegExp) return String(value);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, inner(each)]));
}
