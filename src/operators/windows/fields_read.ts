/**
 * What the source of a fold says of what it takes from values.
 *
 * @module
 */

const NAME = String.raw`[\w$]+`;
const FIELDS = String.raw`\{[\w$\s,:]*\}`;

/**
 * `(acc, value) =>` or `function (acc, value) {`, where either may be taken apart:
 * `{ sum, of: user }`.
 */
const HEAD = new RegExp(
  String.raw`^(?:function\b\s*[\w$]*\s*)?\(\s*(?:${NAME}|${FIELDS})\s*,\s*` +
    String.raw`(?<value>${NAME}|${FIELDS})\s*,?\s*\)\s*(?:=>|\{)`,
);

/** With one of these, a value may be reached by other ways than its name. */
const OTHER_WAYS = /\b(?:arguments|eval|with)\b|\\u/;

/**
 * The fields that a folder or reducer takes of its second argument, if it is sure to take nothing
 * else: `amount` for both `(sum, { amount }) => sum + amount` and
 * `(sum, order) => sum + order.amount`. Where these hold primitives, nothing of a value that could
 * be changed gets into the accumulator, and the value need not be copied.
 *
 * @returns `null` where the source leaves any doubt; that is never wrong, and costs copies.
 */
export function fieldsRead(fold: (...args: never[]) => unknown): readonly string[] | null {
  const source = Function.prototype.toString.call(fold);
  const head = HEAD.exec(source);
  if (head === null || OTHER_WAYS.test(source)) return null;
  const value = head.groups!.value;
  if (value.startsWith("{")) {
    const fields = value.slice(1, -1).split(",").map((field) => field.split(":")[0].trim());
    return fields.filter((field) => field !== "");
  }
  const body = source.slice(head[0].length);
  // Where the name is no field's itself, which follows a single dot; a spread has three.
  const name = String.raw`(?<![\w$])(?<!(?<!\.)\.)${
    value.replaceAll("$", String.raw`\$`)
  }(?![\w$])`;
  const field = String.raw`\s*\??\.\s*([A-Za-z_$][\w$]*)`;
  if (new RegExp(`${name}(?!${field})`).test(body)) return null;
  return body.matchAll(new RegExp(name + field, "g")).map(([, of]) => of).toArray();
}
