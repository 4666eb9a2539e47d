/**
 * Writes values as trees, which is what nearly all are; see `value_format.ts` for the bytes.
 *
 * What is rare is not dealt with here: at a cycle, a hole in an array or something that cannot be
 * encoded at all, the writer gives up, and `value_graph_writer.ts` has the value from its start.
 *
 * @module
 */
import {
  ARRAY,
  ASCII,
  BIGINT,
  BIGINT64,
  BINARY,
  BINARY_KINDS,
  BOXED,
  BYTES,
  DATE,
  ERROR,
  ERRORS,
  FALSE,
  FLOAT64,
  INT16,
  INT32,
  INT8,
  KEYED_ARRAY,
  LONG_ARRAY,
  LONG_SHAPE,
  MAP,
  MOST_DEPTH,
  MOST_IN_TAG,
  MOST_KEYS,
  MOST_SHAPES,
  NEW_SHAPE,
  NOTHING,
  NULL,
  OBJECT,
  REGEXP,
  SET,
  SHAPE,
  SHAPES_IN_TAG,
  SHORT,
  TRUE,
  UNDEFINED,
  UTF16,
  UTF8,
} from "./value_format.ts";
import { Shape, ShapeTable } from "./value_shapes.ts";

/** Thrown where a tree is not enough; no error, as making one is slow and nobody sees it. */
export const GIVE_UP: unique symbol = Symbol("give up");

/** Bytes that are free when a value is begun: a short string with its tag, a number, a length. */
const ROOM = 96;

/** Bytes of a new buffer. */
const START_BYTES = 4096;

/**
 * Objects, and KiB of binary data, that a value may have as a tree. Objects used in several places are
 * written once for each; past this many, a value may well be one that doubles at each level.
 */
const MOST_OBJECTS = 1 << 16;

const encoder = new TextEncoder();
const float = new Float64Array(1);
const floatBytes = new Uint8Array(float.buffer);
const bigInt = new BigInt64Array(float.buffer);

const { prototype: ObjectPrototype } = Object;
const { prototype: BytesPrototype } = Uint8Array;
const binaryKinds = new Map<unknown, number>(
  BINARY_KINDS.map((constructor, kind) => [constructor.prototype, kind]),
);
const boxes = new Map<unknown, () => unknown>([
  [Number.prototype, Number.prototype.valueOf],
  [String.prototype, String.prototype.valueOf],
  [Boolean.prototype, Boolean.prototype.valueOf],
  [BigInt.prototype, BigInt.prototype.valueOf],
]);
const errorPrototypes = new Set<unknown>(ERRORS.map((constructor) => constructor.prototype));
const errorNames = ERRORS.map((constructor) => constructor.name);

/** Writes values into a buffer that grows. */
export class ValueWriter {
  /** The buffer. */
  bytes = new Uint8Array(START_BYTES);
  /** Where the next byte goes. */
  at = 0;
  #limit = START_BYTES - ROOM;
  #objects = 0;
  readonly #shapes = new ShapeTable();
  #defined: Shape[] = []; // those of this batch, by number
  #batch = 0;
  #last = new Shape([]);

  /** How many shapes the batch has. */
  get shapes(): number {
    return this.#defined.length;
  }

  /** Begins a batch, or a value by itself, at the buffer's start: shapes are to be written anew. */
  restart(): void {
    this.at = 0;
    this.#batch++;
    this.#defined.length = 0;
  }

  /** Goes back to where the writer was at a value's start. */
  rewind(at: number, shapes: number): void {
    this.at = at;
    while (this.#defined.length > shapes) this.#defined.pop()!.batch = -1;
  }

  /** Gives up the buffer and starts with a new one. */
  replaceBuffer(): void {
    this.bytes = new Uint8Array(START_BYTES);
    this.#limit = START_BYTES - ROOM;
  }

  /**
   * Writes a value.
   *
   * @throws {typeof GIVE_UP} If it takes a graph, or cannot be encoded.
   */
  tree(value: unknown): void {
    this.#objects = MOST_OBJECTS;
    this.value(value, 0);
  }

  /** Writes a value that is `depth` objects deep. Throws like {@linkcode tree}. */
  value(value: unknown, depth: number): void {
    if (this.at > this.#limit) this.#grow(ROOM);
    if (typeof value === "string") this.string(value);
    else if (typeof value === "number") this.#number(value);
    else if (typeof value === "object" && value !== null) this.#object(value, depth);
    else if (!this.primitive(value)) throw GIVE_UP;
  }

  /** Writes a primitive; says whether it was one that can be written. */
  primitive(value: unknown): boolean {
    if (this.at > this.#limit) this.#grow(ROOM);
    if (typeof value === "string") this.string(value);
    else if (typeof value === "number") this.#number(value);
    else if (value === undefined) this.bytes[this.at++] = UNDEFINED;
    else if (value === null) this.bytes[this.at++] = NULL;
    else if (value === true) this.bytes[this.at++] = TRUE;
    else if (value === false) this.bytes[this.at++] = FALSE;
    else if (typeof value === "bigint") this.#bigInt(value);
    else return false;
    return true;
  }

  /** Writes a byte. */
  byte(byte: number): void {
    if (this.at > this.#limit) this.#grow(ROOM);
    this.bytes[this.at++] = byte;
  }

  /** Writes a length. */
  varint(value: number): void {
    if (this.at > this.#limit) this.#grow(ROOM);
    while (value > 0x7f) {
      this.bytes[this.at++] = value % 128 + 128;
      value = Math.floor(value / 128);
    }
    this.bytes[this.at++] = value;
  }

  #number(value: number): void {
    const { bytes } = this;
    if ((value | 0) === value && !Object.is(value, -0)) {
      if (value >= 0 && value < 128) {
        bytes[this.at++] = value;
      } else if (value < 32768 && value >= -32768) {
        if (value >= -128 && value < 0) {
          bytes[this.at++] = INT8;
          bytes[this.at++] = value;
          return;
        }
        bytes[this.at++] = INT16;
        bytes[this.at++] = value;
        bytes[this.at++] = value >> 8;
      } else {
        bytes[this.at++] = INT32;
        bytes[this.at++] = value;
        bytes[this.at++] = value >> 8;
        bytes[this.at++] = value >> 16;
        bytes[this.at++] = value >> 24;
      }
      return;
    }
    bytes[this.at++] = FLOAT64;
    this.#float64(value);
  }

  #float64(value: number): void {
    float[0] = value;
    this.#eight();
  }

  /** Writes what is in the scratch array. */
  #eight(): void {
    const { bytes, at } = this;
    for (let i = 0; i < 8; i++) bytes[at + i] = floatBytes[i];
    this.at = at + 8;
  }

  #bigInt(value: bigint): void {
    bigInt[0] = value;
    if (bigInt[0] === value) {
      this.bytes[this.at++] = BIGINT64;
      this.#eight();
      return;
    }
    const digits = (value < 0n ? -value : value).toString(16);
    const magnitude = Uint8Array.fromHex(digits.length % 2 === 0 ? digits : "0" + digits).reverse();
    this.bytes[this.at++] = BIGINT;
    this.varint(magnitude.length * 2 + (value < 0n ? 1 : 0));
    this.append(magnitude);
  }

  /** Writes a string. There is {@linkcode ROOM}. */
  string(value: string): void {
    const { length } = value;
    if (length <= SHORT) {
      const { bytes, at } = this;
      let bits = 0;
      for (let i = 0; i < length; i++) {
        const unit = value.charCodeAt(i);
        bits |= unit;
        bytes[at + 1 + i] = unit;
      }
      if (bits < 128) {
        bytes[at] = ASCII + length;
        this.at = at + 1 + length;
        return;
      }
    }
    this.#anyString(value);
  }

  #anyString(value: string): void {
    const { length } = value;
    if (!value.isWellFormed()) {
      this.#utf16(value);
      return;
    }
    if (this.at + length * 3 > this.#limit) this.#grow(length * 3);
    const { bytes, at } = this;
    // How many bytes it takes is known afterwards: the length's varint is as long as it may get.
    const varintBytes = length * 3 < 1 << 7 ? 1 : length * 3 < 1 << 14 ? 2 : 5;
    const start = at + 1 + varintBytes;
    const written = length <= SHORT
      ? writeUtf8(value, bytes, start)
      : encoder.encodeInto(value, bytes.subarray(start)).written;
    bytes[at] = UTF8;
    let rest = written;
    for (let i = 1; i < varintBytes; i++) {
      bytes[at + i] = rest % 128 + 128;
      rest = Math.floor(rest / 128);
    }
    bytes[start - 1] = rest;
    this.at = start + written;
  }

  #utf16(value: string): void {
    const { length } = value;
    this.bytes[this.at++] = UTF16;
    this.varint(length);
    if (this.at + length * 2 > this.#limit) this.#grow(length * 2);
    const { bytes } = this;
    for (let i = 0; i < length; i++) {
      const unit = value.charCodeAt(i);
      bytes[this.at++] = unit;
      bytes[this.at++] = unit >> 8;
    }
  }

  /** Writes bytes as they are. */
  append(bytes: Uint8Array): void {
    const { length } = bytes;
    if (this.at + length > this.#limit) this.#grow(length);
    if (length <= 32) {
      const to = this.bytes, at = this.at;
      for (let i = 0; i < length; i++) to[at + i] = bytes[i];
    } else {
      this.bytes.set(bytes, this.at);
    }
    this.at += length;
  }

  #object(value: object, depth: number): void {
    if (depth > MOST_DEPTH || --this.#objects < 0) throw GIVE_UP;
    if (Array.isArray(value)) {
      // The prototype itself takes three times as long to ask for, and says the same but of arrays
      // whose prototype was replaced.
      if (value.constructor !== Array) throw GIVE_UP;
      this.#array(value, depth + 1);
      return;
    }
    const prototype = Object.getPrototypeOf(value);
    if (prototype === ObjectPrototype || prototype === null) {
      this.#plain(value as Record<string, unknown>, depth + 1);
    } else if (prototype === Map.prototype) {
      this.#map(value as Map<unknown, unknown>, depth + 1);
    } else if (prototype === Set.prototype) {
      this.#set(value as Set<unknown>, depth + 1);
    } else if (!this.leaf(value, prototype)) {
      const parts = errorParts(value, prototype);
      if (parts === undefined) throw GIVE_UP;
      this.byte(ERROR);
      this.byte(parts.type);
      this.#part(parts.message, depth + 1);
      this.#part(parts.stack, depth + 1);
      if (parts.hasCause) this.value(parts.cause, depth + 1);
      else this.byte(NOTHING);
    }
  }

  #part(part: string | undefined, depth: number): void {
    if (part === undefined) this.byte(NOTHING);
    else this.value(part, depth);
  }

  #array(array: readonly unknown[], depth: number): void {
    const { length } = array;
    if (isMatch(array)) {
      this.#keyedArray(array, depth);
      return;
    }
    if (length <= MOST_IN_TAG) {
      this.bytes[this.at++] = ARRAY + length;
    } else {
      this.bytes[this.at++] = LONG_ARRAY;
      this.varint(length);
    }
    for (let i = 0; i < length; i++) {
      const element = array[i];
      if (element === undefined && !Object.hasOwn(array, i)) throw GIVE_UP; // a hole
      this.value(element, depth);
    }
  }

  #keyedArray(array: readonly unknown[], depth: number): void {
    const keys = Object.keys(array);
    this.byte(KEYED_ARRAY);
    this.varint(array.length);
    this.varint(keys.length);
    for (const key of keys) {
      this.value(key, depth);
      this.value((array as unknown as Record<string, unknown>)[key], depth);
    }
  }

  #plain(object: Record<string, unknown>, depth: number): void {
    const keys = Object.keys(object);
    let shape = this.#last.next;
    if (shape === undefined || !shape.has(keys)) {
      const found = this.#find(keys);
      if (found === undefined) {
        this.#withKeys(object, keys, depth);
        return;
      }
      shape = this.#last.next = found;
    }
    this.#last = shape;
    if (shape.batch !== this.#batch) {
      if (this.#defined.length >= MOST_SHAPES) {
        this.#withKeys(object, keys, depth);
        return;
      }
      this.#define(shape, depth);
    } else if (shape.number < SHAPES_IN_TAG) {
      this.bytes[this.at++] = SHAPE + shape.number;
    } else {
      this.bytes[this.at++] = LONG_SHAPE;
      this.varint(shape.number);
    }
    const { write } = shape;
    if (write !== undefined) {
      write(this, object, depth);
    } else {
      for (let i = 0; i < keys.length; i++) this.value(object[keys[i]], depth);
    }
  }

  /** The shape with these keys; none if they are to be written with the object. */
  #find(keys: readonly string[]): Shape | undefined {
    // Once a batch is full of shapes, it most likely has dictionaries, which are not worth a search.
    if (keys.length > MOST_KEYS || this.#defined.length >= MOST_SHAPES) return undefined;
    return this.#shapes.find(keys);
  }

  #define(shape: Shape, depth: number): void {
    shape.batch = this.#batch;
    shape.number = this.#defined.length;
    this.#defined.push(shape);
    this.bytes[this.at++] = NEW_SHAPE;
    this.varint(shape.keys.length);
    for (const key of shape.keys) this.value(key, depth);
  }

  #withKeys(object: Record<string, unknown>, keys: readonly string[], depth: number): void {
    this.bytes[this.at++] = OBJECT;
    this.varint(keys.length);
    for (const key of keys) {
      this.value(key, depth);
      this.value(object[key], depth);
    }
  }

  #map(map: ReadonlyMap<unknown, unknown>, depth: number): void {
    const { size } = map;
    this.bytes[this.at++] = MAP;
    this.varint(size);
    let count = 0;
    for (const [key, value] of map) {
      this.value(key, depth);
      this.value(value, depth);
      count++;
    }
    if (count !== size) throw GIVE_UP; // a getter changed it
  }

  #set(set: ReadonlySet<unknown>, depth: number): void {
    const { size } = set;
    this.bytes[this.at++] = SET;
    this.varint(size);
    let count = 0;
    for (const value of set) {
      this.value(value, depth);
      count++;
    }
    if (count !== size) throw GIVE_UP;
  }

  /**
   * Writes an object in which there are no others; says whether it was one.
   *
   * @throws {typeof GIVE_UP} If it is too large for a tree.
   * @throws {TypeError} If it only looks like one.
   */
  leaf(value: object, prototype: unknown): boolean {
    if (this.at > this.#limit) this.#grow(ROOM);
    if (ArrayBuffer.isView(value)) {
      if (prototype === BytesPrototype || isBuffer(prototype)) {
        const bytes = value as Uint8Array;
        this.#objects -= bytes.length >>> 10;
        if (this.#objects < 0) throw GIVE_UP;
        this.bytes[this.at++] = BYTES;
        this.varint(bytes.length);
        this.append(bytes);
        return true;
      }
      return this.#binary(
        binaryKinds.get(prototype),
        new Uint8Array(value.buffer, value.byteOffset, value.byteLength),
      );
    }
    if (prototype === Date.prototype) {
      const time = Date.prototype.getTime.call(value);
      this.bytes[this.at++] = DATE;
      this.#float64(time);
      return true;
    }
    if (prototype === ArrayBuffer.prototype) {
      return this.#binary(binaryKinds.get(prototype), new Uint8Array(value as ArrayBuffer));
    }
    if (prototype === RegExp.prototype) {
      const { source, flags } = value as RegExp;
      this.bytes[this.at++] = REGEXP;
      this.value(source, 0);
      this.value(flags, 0);
      return true;
    }
    const unbox = boxes.get(prototype);
    if (unbox === undefined) return false;
    const primitive = unbox.call(value);
    this.bytes[this.at++] = BOXED;
    this.value(primitive, 0);
    return true;
  }

  #binary(kind: number | undefined, bytes: Uint8Array): boolean {
    if (kind === undefined) return false;
    this.#objects -= bytes.length >>> 10;
    if (this.#objects < 0) throw GIVE_UP;
    this.bytes[this.at++] = BINARY;
    this.bytes[this.at++] = kind;
    this.varint(bytes.length);
    this.append(bytes);
    return true;
  }

  /** Lets {@linkcode leaf} write as much as there is. */
  lift(): void {
    this.#objects = Infinity;
  }

  /** Makes room for this many bytes and {@linkcode ROOM}. */
  #grow(bytes: number): void {
    const length = Math.max(this.bytes.length * 2, this.at + bytes + 2 * ROOM);
    const grown = new Uint8Array(length);
    grown.set(this.bytes.subarray(0, this.at));
    this.bytes = grown;
    this.#limit = length - ROOM;
  }
}

/** Writes well-formed text at `start`; how many bytes it took. A short one's is faster than Deno's. */
function writeUtf8(text: string, bytes: Uint8Array, start: number): number {
  let at = start;
  for (let i = 0; i < text.length; i++) {
    let code = text.charCodeAt(i);
    if (code < 0x80) {
      bytes[at++] = code;
    } else if (code < 0x800) {
      bytes[at++] = 0xc0 | code >> 6;
      bytes[at++] = 0x80 | code & 0x3f;
    } else if (code < 0xd800 || code > 0xdfff) {
      bytes[at++] = 0xe0 | code >> 12;
      bytes[at++] = 0x80 | code >> 6 & 0x3f;
      bytes[at++] = 0x80 | code & 0x3f;
    } else {
      code = text.codePointAt(i++)!; // a surrogate and the one that follows
      bytes[at++] = 0xf0 | code >> 18;
      bytes[at++] = 0x80 | code >> 12 & 0x3f;
      bytes[at++] = 0x80 | code >> 6 & 0x3f;
      bytes[at++] = 0x80 | code & 0x3f;
    }
  }
  return at - start;
}

/** What an error keeps. */
export interface ErrorParts {
  /** Its place in `ERRORS`. */
  readonly type: number;
  /** Absent if it has none of its own. */
  readonly message: string | undefined;
  /** Absent if it has none that is a string. */
  readonly stack: string | undefined;
  /** Whether it has a cause, which may be `undefined`. */
  readonly hasCause: boolean;
  /** The cause. */
  readonly cause: unknown;
}

/** What an error keeps, chosen like `structuredClone` does; `undefined` if it is no built-in error. */
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

/** Whether this is the prototype of Node's Buffer, which is not loaded just to compare. */
function isBuffer(prototype: unknown): boolean {
  return Object.getPrototypeOf(prototype) === BytesPrototype &&
    (prototype as object).constructor?.name === "Buffer";
}
