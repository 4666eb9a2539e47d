/**
 * Checks `additionalProperties` one by one: whether each is known, is for this side, and has a
 * valid value. What they mean together is checked where they are used.
 *
 * @module
 */
import { closestName } from "../../../core/closest_name.ts";
import { CONNECTION, INPUT, OUTPUT, type Properties, type Property } from "./property_table.ts";
import type { Values } from "./property_values.ts";
import { REFUSED } from "./refused_properties.ts";

/**
 * Values of properties, as in librdkafka: text, or a number or boolean in place of its text. Only
 * `oauthbearer_token_refresh_cb` accepts a function.
 */
export type KafkaProperties = Readonly<
  Record<
    string,
    | string
    | number
    | boolean
    | (() => string | { readonly value: string } | Promise<string | { readonly value: string }>)
  >
>;

/** What properties are for. */
export type Side = "input" | "output" | "recovery";

const SIDES = {
  input: { ...CONNECTION, ...INPUT },
  output: { ...CONNECTION, ...OUTPUT },
  recovery: CONNECTION,
};

/** The main name of each name. */
const NAMES = {
  input: mainNames(SIDES.input),
  output: mainNames(SIDES.output),
  recovery: mainNames(SIDES.recovery),
};

function mainNames(table: Properties): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const [name, { aliases = [] }] of Object.entries(table)) {
    for (const each of [name, ...aliases]) names.set(each, name);
  }
  return names;
}

/** The value of a property, which is never absent if it has a default. */
type Got<P extends Property> = P["values"] extends Values<infer T>
  ? P extends { readonly default: string } ? T : T | undefined
  : never;

/** Properties of a table, each as it was given, or with its default. */
export class GivenProperties<T extends Properties> {
  readonly #table: T;
  readonly #given: ReadonlyMap<string, Given>;

  /** For {@linkcode givenToInput} and {@linkcode givenToOutput}. */
  constructor(table: T, given: ReadonlyMap<string, Given>) {
    this.#table = table;
    this.#given = given;
  }

  /** A property's value. */
  get<N extends keyof T & string>(name: N): Got<T[N]> {
    const given = this.#given.get(name);
    if (given !== undefined) return given.value as Got<T[N]>;
    const { default: text, values } = this.#table[name];
    return (text === undefined ? undefined : values.read(text)) as Got<T[N]>;
  }

  /** The name by which a property was given; `undefined` if it was not. */
  givenAs(name: keyof T & string): string | undefined {
    return this.#given.get(name)?.as;
  }

  /** All that were given, each by its main name and its given one. */
  *names(): Generator<{ name: string; as: string }> {
    for (const [name, { as }] of this.#given) yield { name, as };
  }
}

interface Given {
  /** The name by which it was given. */
  readonly as: string;
  readonly value: unknown;
}

/**
 * Checks properties of an input.
 *
 * @throws {TypeError} If one is not known, not for inputs, or has a bad value. Names it and the
 * cure.
 */
export function givenToInput(properties: KafkaProperties): GivenProperties<typeof SIDES.input> {
  return new GivenProperties(SIDES.input, check("input", properties));
}

/** The same for an output. */
export function givenToOutput(properties: KafkaProperties): GivenProperties<typeof SIDES.output> {
  return new GivenProperties(SIDES.output, check("output", properties));
}

/** The same for a recovery store, which accepts only those of the connection. */
export function givenToRecovery(properties: KafkaProperties): GivenProperties<typeof CONNECTION> {
  return new GivenProperties(SIDES.recovery, check("recovery", properties));
}

function check(side: Side, properties: KafkaProperties): Map<string, Given> {
  // A `Map` has no own properties, so everything in it would be ignored.
  if (typeof properties !== "object" || properties === null || Symbol.iterator in properties) {
    throw new TypeError("additionalProperties must be an object such as { acks: 1 }");
  }
  const table: Properties = SIDES[side];
  const given = new Map<string, Given>();
  for (const [as, raw] of Object.entries(properties)) {
    const name = NAMES[side].get(as);
    if (name === undefined) throw notTaken(side, as);
    const value = table[name].values.read(raw);
    if (value === undefined) throw badValue(as, table[name], raw);
    const before = given.get(name);
    if (before !== undefined && before.value !== value) {
      throw new TypeError(
        `Kafka properties "${before.as}" and "${as}" are one setting here: give one of them`,
      );
    }
    given.set(name, { as, value });
  }
  return given;
}

function notTaken(side: Side, name: string): TypeError {
  const other = (["input", "output"] as const).find((each) => NAMES[each].has(name));
  if (other !== undefined) {
    const here = side === "recovery" ? "a recovery store" : `an ${side}`;
    return new TypeError(`Kafka property "${name}" is for ${other}s; this is ${here}`);
  }
  const refusal = REFUSED.find(({ names }) => names.includes(name));
  if (refusal !== undefined) {
    const { why, instead = "leave it out" } = refusal;
    return new TypeError(`Kafka property "${name}" is not supported: ${why} (${instead})`);
  }
  const known = [...NAMES[side].keys(), ...REFUSED.flatMap(({ names }) => names)];
  return new TypeError(
    `Kafka property "${name}" is not supported: librdkafka has no property of that name ` +
      `(the nearest is "${closestName(name, known)}")`,
  );
}

function badValue(name: string, { values, secret }: Property, raw: unknown): TypeError {
  const nothing = raw === undefined || raw === null || raw === "";
  const got = secret === true && !nothing ? "a value that is not shown" : Deno.inspect(raw);
  return new TypeError(`Kafka property "${name}" takes ${values.takes}; got ${got}`);
}
