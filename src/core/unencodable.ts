/**
 * The error for values that cannot be encoded, and the names of such values.
 *
 * @module
 */

/**
 * A value cannot be sent to another worker or kept in a snapshot. The message says what it is and
 * where.
 */
export class UnencodableError extends TypeError {
  /** Always `"UnencodableError"`. */
  override readonly name = "UnencodableError";
  /** What it is: `"class instance Order"`, `"function"`, `"Promise"`. */
  readonly what: string;
  /** Where it is in the value that was passed: `".orders[3].total"`; empty if it is that value. */
  readonly path: string;

  /** `what` and `path` are the fields. */
  constructor(what: string, path: string) {
    const where = path === "" ? "" : ` at ${path}`;
    super(`cannot encode ${what}${where}: ${adviceFor(what)}`);
    this.what = what;
    this.path = path;
  }
}

function adviceFor(what: string): string {
  if (what.startsWith("class instance")) {
    return "its class would be lost; make a plain object of it first";
  }
  if (what === "Promise") return "await it first, for example with mapAsync";
  return "such a value only exists where it was made";
}

/** Returns what an {@linkcode UnencodableError} calls a value that cannot be encoded. */
export function nameOfUnencodable(value: unknown): string {
  if (typeof value !== "object" || value === null) return typeof value;
  const name = Object.getPrototypeOf(value)?.constructor?.name;
  if (typeof name !== "string" || name === "") return "class instance without a name";
  const known = (globalThis as Record<string, unknown>)[name];
  const isBuiltin = typeof known === "function" &&
    known.prototype === Object.getPrototypeOf(value) &&
    /\[native code\]/.test(Function.prototype.toString.call(known));
  return isBuiltin ? name : `class instance ${name}`;
}
