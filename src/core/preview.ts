/**
 * Values as text, for errors and for people.
 *
 * @module
 */

const PREVIEW_LENGTH = 200;

/** A value on one line, at most 200 characters, for an error to show. Never throws. */
export function preview(value: unknown): string {
  let text: string;
  try {
    text = Deno.inspect(value, {
      depth: 4,
      iterableLimit: 16,
      strAbbreviateSize: PREVIEW_LENGTH,
      breakLength: Infinity,
      compact: true,
    }).replaceAll(/\s*\n\s*/g, " ");
  } catch {
    // A getter, a proxy or a custom inspector of the user's threw: the error that we are about to
    // report matters more than how its item looks.
    text = `[${typeof value} that cannot be shown]`;
  }
  return text.length <= PREVIEW_LENGTH ? text : text.slice(0, PREVIEW_LENGTH - 1) + "…";
}

/**
 * A value as a line of output: strings as they are, everything else like `JSON.stringify`, with
 * what JSON has no form for written out (bigint as digits, `Map` as its pairs, `Set` as its
 * values, bytes as base64, an object met again inside itself as `"[Circular]"`). Never throws.
 */
export function toLine(value: unknown): string {
  if (typeof value === "string") return value;
  try {
    return plainJson(value) ?? preview(value);
  } catch {
    return spelledOut(value);
  }
}

/** Plain JSON where it tells the whole truth; throws where {@linkcode spelledOut} is needed. */
function plainJson(value: unknown): string | undefined {
  return JSON.stringify(value, function (this: Record<string, unknown>, key, inner) {
    const raw = this[key]; // `inner` is what a `toJSON` made of it, such as that of Node's buffers
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

/** Digits without quotes; `JSON.rawJSON` is not in TypeScript's library yet. */
function rawNumber(value: bigint): unknown {
  const { rawJSON } = JSON as unknown as { rawJSON?: (text: string) => unknown };
  return rawJSON === undefined ? String(value) : rawJSON(String(value));
}
