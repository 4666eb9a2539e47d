import type { Random } from "./random.ts";

const numbers = [
  0,
  -0,
  1,
  -1,
  127,
  128,
  -128,
  -129,
  32767,
  32768,
  -32768,
  -32769,
  2 ** 31 - 1,
  2 ** 31,
  -(2 ** 31),
  -(2 ** 31) - 1,
  2 ** 53,
  0.1,
  NaN,
  Infinity,
  -Infinity,
  Number.MAX_VALUE,
  Number.MIN_VALUE,
];
const units = [0x20, 0x41, 0x7f, 0x80, 0xff, 0x100, 0x7ff, 0x800, 0xd800, 0xdbff, 0xdc00, 0xdfff];
const keys = ["a", "b", "total", "__proto__", "constructor", "toString", "length", "0", "7", "ü"];
const binaries = [
  Uint8Array,
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float16Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  DataView,
  ArrayBuffer,
];
const errors = [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError];

/** A value that `structuredClone` keeps, of at most a few hundred parts, sometimes with cycles. */
export function randomValue(random: Random): unknown {
  return new Generator(random).value(0);
}

/** Text of any 16-bit units, mostly short and ASCII. */
export function randomText(random: Random): string {
  const length = random.pick([0, 1, 5, 10, 31, 32, 33, 62, 63, 64, 200]);
  const kind = random.below(5);
  if (kind === 4) return "a😀ü€".repeat(length / 5);
  return String.fromCharCode(
    ...Array.from(
      { length },
      () =>
        kind < 2
          ? 32 + random.below(95)
          : kind === 2
          ? random.below(0xd800)
          : random.pick(units) + random.below(2) * random.below(30),
    ),
  );
}

/** What `structuredClone` makes of a value, except that an object without a prototype stays so. */
export function cloned(value: unknown): unknown {
  const clone = structuredClone(value);
  const seen = new Set<unknown>();
  const open: [unknown, unknown][] = [[value, clone]];
  for (let pair = open.pop(); pair !== undefined; pair = open.pop()) {
    const [original, copy] = pair;
    if (typeof original !== "object" || original === null || seen.has(original)) continue;
    seen.add(original);
    if (Object.getPrototypeOf(original) === null) Object.setPrototypeOf(copy, null);
    const copies = partsOf(copy as object);
    for (const [i, part] of partsOf(original).entries()) open.push([part, copies[i]]);
  }
  return clone;
}

function partsOf(value: object): unknown[] {
  if (value instanceof Map || value instanceof Set) return [...value.entries()].flat();
  if (value instanceof Error) return [value.cause];
  if (ArrayBuffer.isView(value)) return [];
  return Object.keys(value).map((key) => Reflect.get(value, key));
}

class Generator {
  readonly #random: Random;
  readonly #made: object[] = []; // what cycles may lead back to

  constructor(random: Random) {
    this.#random = random;
  }

  value(depth: number): unknown {
    const random = this.#random;
    if (depth > 5 || random.below(3) === 0) return this.#leaf();
    const length = random.below(9);
    const times = <T>(make: () => T) => Array.from({ length }, make);
    switch (random.below(12)) {
      case 0:
      case 1:
      case 2: {
        const array: unknown[] = [];
        this.#made.push(array);
        times(() => array.push(this.value(depth + 1)));
        if (random.below(8) === 0) {
          array[array.length + random.below(4)] = undefined;
          if (random.below(2) === 0) array.length += random.below(100_000);
        }
        return array;
      }
      case 3: {
        const map = new Map();
        this.#made.push(map);
        times(() => map.set(this.value(depth + 2), this.value(depth + 1)));
        return map;
      }
      case 4: {
        const set = new Set();
        this.#made.push(set);
        times(() => set.add(this.value(depth + 1)));
        return set;
      }
      case 5: {
        const options = random.below(2) === 0 ? undefined : { cause: this.value(depth + 1) };
        const error = new (random.pick(errors))(randomText(random), options);
        if (random.below(4) === 0) error.name = random.pick(["Other", "RangeError"]);
        return error;
      }
      case 6:
        return this.#made.length > 0 && random.below(8) === 0
          ? random.pick(this.#made)
          : this.#leaf();
      case 7: {
        // Many of one shape.
        const name = random.pick(keys);
        return Array.from(
          { length: 40 },
          () => ({ [name]: this.#leaf(), id: random.below(1000) }),
        );
      }
      default: {
        const object = random.below(10) === 0 ? Object.create(null) : {};
        this.#made.push(object);
        times(() => {
          const key = random.below(3) === 0 ? randomText(random) : random.pick(keys);
          const value = this.value(depth + 1);
          Object.defineProperty(object, key, {
            value,
            writable: true,
            enumerable: true,
            configurable: true,
          });
        });
        return object;
      }
    }
  }

  #leaf(): unknown {
    const random = this.#random;
    switch (random.below(16)) {
      case 0:
        return random.pick([true, false, null, undefined]);
      case 1:
      case 2:
        return random.pick(numbers);
      case 3:
        return (random.below(2 ** 32) - 2 ** 31) >> random.below(32);
      case 4:
        return new Float64Array(this.#bytes(8).buffer)[0];
      case 5:
        return BigInt("0x" + (this.#bytes(1 + random.below(40)).toHex())) *
          random.pick([1n, -1n, 0n]);
      case 6:
        return new Date(random.pick([0, NaN, 1e12 + random.below(1e9)]));
      case 7:
        return random.pick([/a/, /[/\\]\n+/giu, /(?<year>\d{4})/dsy]);
      case 8:
        return Object(random.pick<unknown>([1, -0, NaN, "a\ud800", true, false, 12n]));
      case 9:
        return "2024-05".match(/(?<year>\d{4})(x)?/);
      case 10:
      case 11: {
        const constructor = random.pick(binaries) as typeof Uint8Array;
        const whole = new constructor(this.#bytes(8 * random.below(20)).buffer);
        return whole instanceof Uint8Array ? whole.subarray(random.below(3)) : whole;
      }
      default:
        return randomText(random);
    }
  }

  #bytes(length: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length }, () => this.#random.below(256));
  }
}
