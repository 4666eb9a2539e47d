/**
 * Values that are more than JSON has, as JSON for people to read.
 *
 * @module
 */

/** How deep objects are shown. */
const DEEPEST = 16;

/** How many values are shown of objects that have been shown before. */
const MOST_AGAIN = 10_000;

/** Arrays of this length may be mostly holes. */
const LONG_ARRAY = 10_000;

/** Stands for what is left out. */
const LEFT_OUT = "…";

/**
 * Returns a value as JSON has it. A `Map` becomes an array of pairs, a `Set` and bytes an array, a
 * `Date` its ISO text. A bigint becomes text, and so does a number that JSON lacks. `undefined`
 * becomes `null`. A long array that is mostly holes becomes an object.
 *
 * What is deeper than 16 levels is left out, and an object within itself. So are objects that come
 * again and again: a few that refer to each other would otherwise be shown in all orders.
 */
export function jsonValue(value: unknown): unknown {
  return new Conversion().convert(value);
}

/** One conversion: it knows which objects it has come across. */
class Conversion {
  readonly #seen = new Set<object>();
  readonly #outer: object[] = []; // the objects that hold the value
  #again = 0; // values of objects that were shown before

  convert(value: unknown): unknown {
    switch (typeof value) {
      case "string":
      case "boolean":
        return value;
      case "number":
        return Number.isFinite(value) ? value : String(value);
      case "bigint":
        return String(value);
      case "object":
        return value === null ? null : this.#object(value);
      default:
        return null;
    }
  }

  #object(value: object): unknown {
    const isKnown = this.#seen.has(value);
    if (this.#outer.length > DEEPEST || (isKnown && this.#isTooMuch(value))) return LEFT_OUT;
    this.#seen.add(value);
    this.#outer.push(value);
    const converted = this.#inside(value);
    this.#outer.pop();
    return converted;
  }

  /** Whether an object that was shown before is not to be shown again. */
  #isTooMuch(value: object): boolean {
    if (this.#outer.includes(value)) return true;
    this.#again += 1 + sizeOf(value);
    return this.#again > MOST_AGAIN;
  }

  #inside(value: object): unknown {
    const convert = (each: unknown) => this.convert(each);
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
    if (value instanceof Map) {
      return Array.from(value, ([key, each]) => [convert(key), convert(each)]);
    }
    if (value instanceof Set) return Array.from(value, convert);
    if (Array.isArray(value) && !isSparse(value)) return value.map(convert);
    if (value instanceof ArrayBuffer) return [...new Uint8Array(value)];
    if (ArrayBuffer.isView(value)) return Array.from(value as Uint8Array, convert);
    if (value instanceof Error) return `${value.name}: ${value.message}`;
    if (value instanceof RegExp) return String(value);
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, convert(each)]));
  }
}

/** Whether an array is long because of its holes, such as one whose indices are ids. */
function isSparse(array: readonly unknown[]): boolean {
  return array.length > LONG_ARRAY && Object.keys(array).length < array.length / 2;
}

/** How many values an object holds. */
function sizeOf(value: object): number {
  if (value instanceof Map || value instanceof Set) return value.size;
  if (Array.isArray(value) && !isSparse(value)) return value.length;
  return ArrayBuffer.isView(value) ? value.byteLength : Object.keys(value).length;
}
