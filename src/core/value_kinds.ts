/**
 * The built-in kind of an object, and what is kept of it.
 *
 * @module
 */
import { BINARY_KINDS, ERRORS } from "./value_format.ts";

/** The index in `BINARY_KINDS` for binary data with this prototype. */
export const binaryKindOf: ReadonlyMap<unknown, number> = new Map(
  BINARY_KINDS.map((constructor, kind) => [constructor.prototype, kind]),
);

/** Returns the primitive in a box with this prototype; throws a `TypeError` on anything else. */
export const unboxerOf: ReadonlyMap<unknown, () => unknown> = new Map<unknown, () => unknown>([
  [Number.prototype, Number.prototype.valueOf],
  [String.prototype, String.prototype.valueOf],
  [Boolean.prototype, Boolean.prototype.valueOf],
  [BigInt.prototype, BigInt.prototype.valueOf],
]);

const errorPrototypes = new Set<unknown>(ERRORS.map((constructor) => constructor.prototype));
const errorNames = ERRORS.map((constructor) => constructor.name);

/** What an error keeps. */
export interface ErrorParts {
  /** Its index in `ERRORS`. */
  readonly type: number;
  /** Absent if the error has none of its own. */
  readonly message: string | undefined;
  /** Absent if the error has none that is a string. */
  readonly stack: string | undefined;
  /** Whether it has a cause, which may be `undefined`. */
  readonly hasCause: boolean;
  /** The cause. */
  readonly cause: unknown;
}

/**
 * Returns what an error keeps, as in `structuredClone`; `undefined` if it is not a built-in error.
 */
export function errorParts(value: object, prototype: unknown): ErrorParts | undefined {
  if (!errorPrototypes.has(prototype) || !Error.isError(value)) return undefined;
  const message = Object.getOwnPropertyDescriptor(value, "message");
  const cause = Object.getOwnPropertyDescriptor(value, "cause");
  const { stack } = value;
  return {
    type: Math.max(0, errorNames.indexOf(String(value.name))),
    message: message !== undefined && "value" in message ? String(message.value) : undefined,
    stack: typeof stack === "string" ? stack : undefined,
    hasCause: cause !== undefined && "value" in cause,
    cause: cause?.value,
  };
}

/** Whether this is the result of a `match` or `exec`, which has named properties. */
export function isMatch(array: readonly unknown[]): boolean {
  return typeof array[0] === "string" && typeof array[array.length - 1] !== "number" &&
    "index" in array;
}

/** Whether this is the prototype of Node's Buffer. Buffer is not loaded for the comparison. */
export function isBuffer(prototype: unknown): boolean {
  return Object.getPrototypeOf(prototype) === Uint8Array.prototype &&
    (prototype as object).constructor?.name === "Buffer";
}
