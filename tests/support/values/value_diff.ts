/**
 * Where two values differ, as a path; `undefined` if they do not. It distinguishes -0 from 0, holes
 * from `undefined`, orders of keys, prototypes, and cycles that lead to different places. Views are
 * compared by what they show, not by their buffers.
 */
export function difference(a: unknown, b: unknown): string | undefined {
  return find(a, b, "value", new Map());
}

function find(
  a: unknown,
  b: unknown,
  path: string,
  open: Map<unknown, unknown>,
): string | undefined {
  if (typeof a !== "object" || a === null || typeof b !== "object" || b === null) {
    return Object.is(a, b) ? undefined : path;
  }
  if (open.has(a)) return open.get(a) === b ? undefined : `${path} (cycle)`;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return `${path} (prototype)`;
  open.set(a, b);
  try {
    return inside(a, b, path, open);
  } finally {
    open.delete(a);
  }
}

function inside(a: object, b: object, path: string, open: Map<unknown, unknown>) {
  if (ArrayBuffer.isView(a) || a instanceof ArrayBuffer) {
    return bytesOf(a).toHex() === bytesOf(b).toHex() ? undefined : path;
  }
  if (a instanceof Map) return find([...a].flat(), [...b as typeof a].flat(), `${path}.map`, open);
  if (a instanceof Set) return find([...a], [...b as typeof a], `${path}.set`, open);
  if (a instanceof RegExp) return String(a) === String(b) ? undefined : path;
  // Date, boxed primitives
  const primitive = a.valueOf?.() ?? a; // an object without prototype has none
  if (typeof primitive !== "object") return find(primitive, b.valueOf(), `${path}.valueOf()`, open);
  const of = a instanceof Error ? Reflect.ownKeys : Object.keys;
  const keys = of(a);
  if (keys.map(String).join("\n") !== of(b).map(String).join("\n")) return `${path} (keys)`;
  if (Array.isArray(a) && a.length !== (b as typeof a).length) return `${path}.length`;
  for (const key of keys) {
    const [own, other] = [a, b].map((each) => Object.getOwnPropertyDescriptor(each, key)!);
    if (own.enumerable !== other.enumerable) return `${path}.${String(key)} (enumerable)`;
    const found = find(
      Reflect.get(a, key),
      Reflect.get(b, key),
      `${path}.${String(key)}`,
      open,
    );
    if (found !== undefined) return found;
  }
  return undefined;
}

function bytesOf(binary: object): Uint8Array {
  if (binary instanceof ArrayBuffer) return new Uint8Array(binary);
  const { buffer, byteOffset, byteLength } = binary as DataView;
  return new Uint8Array(buffer, byteOffset, byteLength);
}
