/**
 * A state as it arrives, which is as JSON.
 *
 * - A `Map` is an array of pairs, a `Set` an array.
 * - A bigint is text, and so are `NaN` and the infinities, although the type says number.
 * - A `Date` is text as in `2026-11-28T10:00:00.000Z`; an invalid one is `null`.
 * - Bytes and other binary data are arrays of numbers.
 * - `undefined` is `null`.
 * - What is deeper than 16 levels is the text `…`.
 *
 * Window steps have a form of their own: `{ windows: [{ from, to, value }] }`.
 *
 * @example
 * ```ts
 * import type { AsJson } from "@millrace/millrace/client";
 *
 * interface Totals {
 *   count: bigint;
 *   since: Date;
 *   byDay: Map<string, number>;
 * }
 * const totals: AsJson<Totals> = {
 *   count: "3",
 *   since: "2026-11-28T10:00:00.000Z",
 *   byDay: [["mon", 2], ["tue", 1]],
 * };
 * console.assert(BigInt(totals.count) === 3n);
 * ```
 */
export type AsJson<T> = unknown extends T ? T
  : T extends string | number | boolean | null ? T
  : T extends bigint ? string
  : T extends undefined ? null
  : T extends Date ? string | null
  : T extends BigInt64Array | BigUint64Array ? string[]
  : T extends ArrayBuffer | ArrayBufferView ? number[]
  : T extends ReadonlyMap<infer K, infer V> ? [AsJson<K>, AsJson<V>][]
  : T extends ReadonlySet<infer V> ? AsJson<V>[]
  : { [K in keyof T]: AsJson<T[K]> };
