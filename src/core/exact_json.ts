/**
 * Values that are more than JSON has, as JSON that can be read back exactly.
 *
 * ```text
 *   text, true, false, null, numbers, arrays, objects      as they are
 *   undefined                                              {"$undefined": true}
 *   -0, NaN, Infinity                                      {"$number": "-0"}
 *   12n                                                    {"$bigint": "12"}
 *   a Date                                                 {"$date": "2026-11-28T10:00:00.000Z"}
 *   a Map                                                  {"$map": [[key, value], …]}
 *   a Set                                                  {"$set": [value, …]}
 *   a Uint8Array                                           {"$bytes": "BASE64"}
 *   an object with a key that begins with "$"              {"$object": [[key, value], …]}
 * ```
 *
 * The date of an invalid `Date` is `null`. What is not in the table has no such form.
 *
 * @module
 */

/** Deeper values have no form here. */
const DEEPEST = 64;

/** A value has no form as exact JSON. */
export class InexactError extends Error {}

/**
 * Returns a value as JSON.
 *
 * @throws {InexactError} If it holds something that has no form.
 */
export function toExactJson(value: unknown): unknown {
  return exactJson(value, 0, new Set());
}

/** `seen` has the objects that came before. */
function exactJson(value: unknown, depth: number, seen: Set<object>): unknown {
  if (depth > DEEPEST) throw new InexactError("it is too deep");
  const inner = (each: unknown) => exactJson(each, depth + 1, seen);
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "undefined":
      return { $undefined: true };
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0)
        ? value
        : { $number: Object.is(value, -0) ? "-0" : String(value) };
    case "bigint":
      return { $bigint: String(value) };
    case "object":
      break;
    default:
      throw new InexactError(`a ${typeof value}`);
  }
  if (value === null) return null;
  // It would become several, and their number may grow without end.
  if (seen.has(value)) throw new InexactError("an object in several places");
  seen.add(value);
  switch (Object.getPrototypeOf(value)) {
    case Array.prototype: {
      const array = value as unknown[];
      // Such as the result of a `match`.
      if (Object.keys(array).length > array.length) throw new InexactError("named properties");
      // `map` would leave the holes.
      return Array.from(array, (each, i) => {
        if (i in array) return inner(each);
        throw new InexactError("an array with holes");
      });
    }
    case Object.prototype: {
      const entries = Object.entries(value).map(([key, each]) => [key, inner(each)] as const);
      const isPlain = entries.every(([key]) => !key.startsWith("$"));
      return isPlain ? Object.fromEntries(entries) : { $object: entries };
    }
    case Date.prototype: {
      const time = (value as Date).getTime();
      return { $date: Number.isNaN(time) ? null : new Date(time).toISOString() };
    }
    case Map.prototype:
      return { $map: Array.from(value as Map<unknown, unknown>, (pair) => pair.map(inner)) };
    case Set.prototype:
      return { $set: Array.from(value as Set<unknown>, inner) };
    case Uint8Array.prototype:
      return { $bytes: (value as Uint8Array).toBase64() };
    default:
      throw new InexactError("an object of another kind");
  }
}

/**
 * Returns the value that {@linkcode toExactJson} received.
 *
 * @throws {TypeError} If the JSON is not of that form. The message names the part.
 */
export function fromExactJson(json: unknown): unknown {
  if (typeof json !== "object" || json === null) return json;
  if (Array.isArray(json)) return json.map(fromExactJson);
  const entries = Object.entries(json);
  if (entries.every(([key]) => !key.startsWith("$"))) {
    return Object.fromEntries(entries.map(([key, each]) => [key, fromExactJson(each)]));
  }
  const [[tag, content]] = entries;
  const read = entries.length === 1 && Object.hasOwn(READERS, tag) ? READERS[tag] : undefined;
  const value = read?.(content);
  if (value === undefined) {
    throw new TypeError(`${JSON.stringify(json).slice(0, 80)} stands for no value`);
  }
  return value.is;
}

/** The value of each tag; `undefined` if the content is wrong. */
const READERS: Readonly<Record<string, (content: unknown) => { is: unknown } | undefined>> = {
  $undefined: (content) => content === true ? { is: undefined } : undefined,
  $number: (content) => NUMBERS.find(([text]) => text === content)?.[1],
  $bigint: (content) =>
    typeof content === "string" && /^-?\d+$/.test(content) ? { is: BigInt(content) } : undefined,
  $date: (content) => {
    if (content === null) return { is: new Date(NaN) };
    const date = typeof content === "string" ? new Date(content) : null;
    return date === null || Number.isNaN(date.getTime()) ? undefined : { is: date };
  },
  $map: (content) => {
    const pairs = pairsOf(content);
    return pairs && { is: new Map(pairs.map(([k, v]) => [fromExactJson(k), fromExactJson(v)])) };
  },
  $set: (content) =>
    Array.isArray(content) ? { is: new Set(content.map(fromExactJson)) } : undefined,
  $bytes: (content) => {
    const bytes = typeof content === "string" ? bytesOf(content) : null;
    return bytes === null ? undefined : { is: bytes };
  },
  $object: (content) => {
    const pairs = pairsOf(content);
    if (pairs?.every(([key]) => typeof key === "string") !== true) return undefined;
    return { is: Object.fromEntries(pairs.map(([key, v]) => [key, fromExactJson(v)])) };
  },
};

const NUMBERS = [
  ["-0", { is: -0 }],
  ["NaN", { is: NaN }],
  ["Infinity", { is: Infinity }],
  ["-Infinity", { is: -Infinity }],
] as const;

function pairsOf(content: unknown): [unknown, unknown][] | undefined {
  const isPairs = Array.isArray(content) &&
    content.every((pair) => Array.isArray(pair) && pair.length === 2);
  return isPairs ? content as [unknown, unknown][] : undefined;
}

/** Returns the bytes of base64; `null` if the text is something else. */
export function bytesOf(base64: string): Uint8Array | null {
  try {
    return Uint8Array.fromBase64(base64);
  } catch {
    return null; // it is not base64
  }
}
