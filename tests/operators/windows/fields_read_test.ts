import { assertEquals } from "@std/assert";
import { fieldsRead } from "../../../src/operators/windows/fields_read.ts";

// deno-lint-ignore no-explicit-any
type Fold = (acc: any, value: any) => unknown;

Deno.test("fieldsRead() gives the fields of folds that take nothing else of values", () => {
  const folds: [Fold, string][] = [
    [(sum, { amount }) => sum + amount, "amount"],
    [(sum, order) => sum + order.amount, "amount"],
    [(sum, order) => sum + (order?.amount ?? 0) + order.more, "amount more"],
    [({ sum, n }, { amount: a, $b }) => ({ sum: sum + a, n: n + 1, $b }), "amount $b"],
    [(counts, { at }) => counts.set(at, (counts.get(at) ?? 0) + 1), "at"],
    [(n, _v) => n + 1, ""],
    [(sum, $) => sum + $.v, "v"],
    [(sum, v) => {
      sum.v = v.n;
      return sum;
    }, "n"],
    [function (sum, order) {
      return sum + order.amount;
    }, "amount"],
    [function named(sum, { amount }) {
      return sum + amount;
    }, "amount"],
  ];
  for (const [fold, fields] of folds) {
    assertEquals(fieldsRead(fold)?.join(" "), fields, String(fold));
  }
});

Deno.test("fieldsRead() is not sure of folds that may take the value itself", () => {
  const others = [(_: unknown, v: unknown) => v];
  const methods = {
    fold(_acc: unknown, v: { n: number }) {
      return v.n;
    },
  };
  const folds: Fold[] = [
    (list, v) => [...list, v],
    (list, v) => (list.push(v), list),
    (acc, v) => ({ ...acc, v }),
    (acc, v) => v.n > acc.n ? v : acc,
    (acc, v) => acc ?? [v][0],
    (acc, v) => acc + v,
    (acc, v) => acc + (v ? .5 : 1),
    (acc, v) => acc[v["n"]],
    (acc, { n, ...rest }) => acc.set(n, rest),
    (acc, { list = acc }) => list,
    (acc, { user: { name } }) => acc.set(name, 1),
    (acc, [first]) => acc.set(1, first),
    (...both) => both,
    (acc, v = acc) => v.n,
    function (acc, v) {
      return acc ?? (v.n > 0 ? arguments[1] : 0);
    },
    (acc, v) => acc ?? eval("v") ?? v.n,
    (acc, v) => `${acc}${v}`,
    others[0],
    methods.fold,
    methods.fold.bind(null),
    async (acc, v) => await acc + v.n,
    Math.max,
  ];
  for (const fold of folds) assertEquals(fieldsRead(fold), null, String(fold));
});
