/**
 * Values as text, for errors and for people.
 *
 * @module
 */

import { oneLine } from "./safe_text.ts";

const PREVIEW_LENGTH = 200;

/** Returns a value on one line, at most 200 characters, for an error to show. Never throws. */
export function preview(value: unknown): string {
  let text: string;
  try {
    text = Deno.inspect(withReadableBytes(value, 3), {
      depth: 4,
      iterableLimit: 16,
      strAbbreviateSize: PREVIEW_LENGTH,
      breakLength: Infinity,
      compact: true,
    }).replaceAll(/\s*\n\s*/g, " ");
  } catch {
    // A getter, a proxy or a custom inspector of the user's threw. The error that is about to be
    // reported matters more than how its item looks.
    text = `[${typeof value} that cannot be shown]`;
  }
  // names of classes and functions, and results of inspectors, may hold anything
  text = oneLine(text);
  return text.length <= PREVIEW_LENGTH ? text : text.slice(0, PREVIEW_LENGTH - 1) + "…";
}

/** Inspects as its text. */
class Shown {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  [Symbol.for("Deno.customInspect")](): string {
    return this.#text;
  }
}

const MOST_BYTES = 60;

/** Shows bytes as text, as most are text or JSON: as numbers, nobody recognises them. */
function withReadableBytes(value: unknown, depth: number): unknown {
  if (value instanceof Uint8Array) return new Shown(showBytes(value));
  if (depth === 0 || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    return value.length > 16 ? value : value.map((each) => withReadableBytes(each, depth - 1));
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  const properties = Object.getOwnPropertyDescriptors(value);
  // An object with getters or an inspector of its own keeps its own look.
  if (Object.getOwnPropertySymbols(value).length > 0) return value;
  if (Object.values(properties).some((property) => !("value" in property))) return value;
  for (const property of Object.values(properties)) {
    property.value = withReadableBytes(property.value, depth - 1);
  }
  return Object.create(prototype, properties);
}

function showBytes(bytes: Uint8Array): string {
  const more = bytes.length > MOST_BYTES ? ` … (${bytes.length} bytes)` : "";
  const start = bytes.subarray(0, MOST_BYTES);
  try {
    // A character that is cut in two at the end must not make text look like bytes.
    const utf8 = new TextDecoder("utf-8", { fatal: true });
    const text = utf8.decode(start, { stream: more !== "" });
    if (!/\p{Cc}/u.test(text.replaceAll(/[\n\r\t]/g, ""))) {
      return `bytes ${JSON.stringify(text)}${more}`;
    }
  } catch {
    // It is not text.
  }
  return `bytes 0x${start.toHex()}${more}`;
}

/**
 * Returns a value as a line of output. Strings stay as they are; everything else is as from
 * `JSON.stringify`. Values that JSON cannot express are written out: a bigint as digits, a `Map` as
 * its pairs, a `Set` as its values, bytes as base64. An object inside itself is `"[Circular]"`.
 * Never throws.
 */
export function toLine(value: unknown): string {
  if (typeof value === "string") return value;
  try {
    return plainJson(value) ?? preview(value);
  } catch {
    return spelledOut(value);
  }
}

/** Returns plain JSON if it loses nothing; throws if {@linkcode spelledOut} is needed. */
function plainJson(value: unknown): string | undefined {
  return JSON.stringify(value, function (this: Record<string, unknown>, key, inner) {
    const raw = this[key]; // `inner` is the result of a `toJSON`, such as that of Node's buffers
    if (typeof raw === "object" && raw !== null && hasNoJsonForm(raw)) {
      throw new TypeError("no JSON form");
    }
    return inner;
  });
}

function hasNoJsonForm(value: object): boolean {
  return value instanceof Map || value instanceof Set || value instanceof Uint8Array ||
    value instanceof Error;
}

function spelledOut(value: unknown): string {
  const open = new Set<object>();
  const plain = (inner: unknown): unknown => {
    if (typeof inner === "bigint") return rawNumber(inner);
    if (typeof inner !== "object" || inner === null) return inner;
    if (open.has(inner)) return "[Circular]";
    open.add(inner);
    try {
      if (inner instanceof Date) return Number.isNaN(inner.getTime()) ? null : inner;
      if (inner instanceof Map) return [...inner].map(([k, v]) => [plain(k), plain(v)]);
      if (inner instanceof Set) return [...inner].map(plain);
      if (inner instanceof Uint8Array) return inner.toBase64();
      if ("toJSON" in inner && typeof inner.toJSON === "function") return plain(inner.toJSON());
      if (inner instanceof Error) return `${inner.name}: ${inner.message}`;
      if (Array.isArray(inner)) return inner.map(plain);
      return Object.fromEntries(Object.entries(inner).map(([k, v]) => [k, plain(v)]));
    } finally {
      open.delete(inner);
    }
  };
  try {
    return JSON.stringify(plain(value)) ?? preview(value);
  } catch {
    return preview(value);
  }
}

/** Returns digits without quotes; `JSON.rawJSON` is not in TypeScript's library yet. */
function rawNumber(value: bigint): unknown {
  const { rawJSON } = JSON as unknown as { rawJSON?: (text: string) => unknown };
  return rawJSON === undefined ? String(value) : rawJSON(String(value));
}
