/**
 * How item types are inferred.
 *
 * @module
 */

/**
 * Makes TypeScript infer pairs. With this constraint, `map((w) => [w, 1])` returns
 * `[string, number]` rather than `(string | number)[]`, without `as const`.
 */
// deno-lint-ignore ban-types -- `{}` is meant: anything but null and undefined
export type Inferred = [unknown, unknown] | {} | null | undefined;
