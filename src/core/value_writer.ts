/**
 * Writes values as trees, which nearly all are; see `value_format.ts` for the bytes.
 *
 * The writer leaves rare things alone: cycles, holes in arrays, and values that cannot be encoded
 * at all. There it gives up, and `value_graph_writer.ts` begins again from the value's start.
 *
 * @module
 */
import { PrimitiveWriter, ROOM } from "./primitive_writer.ts";
import {
  ARRAY,
  BARE_OBJECT,
  BINARY,
  BOXED,
  BYTES,
  DATE,
  ERROR,
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
  OBJECT,
  REGEXP,
  SET,
  SHAPE,
  SHAPES_IN_TAG,
} from "./value_format.ts";
import { binaryKindOf, errorParts, isBuffer, isMatch, unboxerOf } from "./value_kinds.ts";
import { Shape, ShapeTable } from "./value_shapes.ts";

/**
 * Thrown where a tree is not enough. It is not an `Error`: making one is slow, and nobody sees it.
 */
export const GIVE_UP: unique symbol = Symbol("give up");

/**
 * Objects, and KiB of binary data, that a value may have as a tree. An object used in several
 * places is written once for each. Past this many, the value may double at each level.
 */
const MOST_OBJECTS = 1 << 16;

const { prototype: ObjectPrototype } = Object;
const { prototype: BytesPrototype } = Uint8Array;

/** Writes values into a buffer that grows. */
export class ValueWriter extends PrimitiveWriter {
  #objects = 0;
  readonly #shapes = new ShapeTable();
  #defined: Shape[] = []; // the shapes of this batch, by number
  #batch = 0;
  #last = new Shape([]);

  /** How many shapes the batch has. */
  get shapes(): number {
    return this.#defined.length;
  }

  /** Begins a batch, or a value by itself: the keys of shapes have to be written again. */
  startBatch(): void {
    this.#batch++;
    this.#defined.length = 0;
  }

  /** Returns to where the writer was at a value's start. */
  rewind(offset: number, shapes: number): void {
    this.offset = offset;
    while (this.#defined.length > shapes) this.#defined.pop()!.batch = -1;
  }

  /**
   * Writes a value.
   *
   * @throws {typeof GIVE_UP} If it needs a graph, or cannot be encoded.
   */
  tree(value: unknown): void {
    this.#objects = MOST_OBJECTS;
    this.value(value, 0);
  }

  /** Writes a value that is `depth` objects deep. Throws like {@linkcode tree}. */
  value(value: unknown, depth: number): void {
    if (this.offset > this.limit) this.grow(ROOM);
    if (typeof value === "string") this.string(value);
    else if (typeof value === "number") this.number(value);
    else if (typeof value === "object" && value !== null) this.#object(value, depth);
    else if (!this.primitive(value)) throw GIVE_UP;
  }

  #object(value: object, depth: number): void {
    if (depth > MOST_DEPTH || --this.#objects < 0) throw GIVE_UP;
    if (Array.isArray(value)) {
      // Asking for the prototype takes three times as long. The answer differs only for arrays
      // whose prototype was replaced.
      if (value.constructor !== Array) throw GIVE_UP;
      this.#array(value, depth + 1);
      return;
    }
    const prototype = Object.getPrototypeOf(value);
    if (prototype === ObjectPrototype) {
      this.#plain(value as Record<string, unknown>, depth + 1);
    } else if (prototype === null) {
      // Mostly dictionaries: a shape would serve one object only.
      const keys = Object.keys(value);
      this.#withKeys(BARE_OBJECT, value as Record<string, unknown>, keys, depth + 1);
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
      this.bytes[this.offset++] = ARRAY + length;
    } else {
      this.bytes[this.offset++] = LONG_ARRAY;
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
        this.#withKeys(OBJECT, object, keys, depth);
        return;
      }
      shape = this.#last.next = found;
    }
    this.#last = shape;
    if (shape.batch !== this.#batch) {
      if (this.#defined.length >= MOST_SHAPES) {
        this.#withKeys(OBJECT, object, keys, depth);
        return;
      }
      this.#define(shape, depth);
    } else if (shape.number < SHAPES_IN_TAG) {
      this.bytes[this.offset++] = SHAPE + shape.number;
    } else {
      this.bytes[this.offset++] = LONG_SHAPE;
      this.varint(shape.number);
    }
    const { write } = shape;
    if (write !== undefined) {
      write(this, object, depth);
    } else {
      for (let i = 0; i < keys.length; i++) this.value(object[keys[i]], depth);
    }
  }

  /** Returns the shape with these keys; `undefined` if they are to be written with the object. */
  #find(keys: readonly string[]): Shape | undefined {
    // Once a batch is full of shapes, it most likely has dictionaries, which are not worth a
    // search.
    if (keys.length > MOST_KEYS || this.#defined.length >= MOST_SHAPES) return undefined;
    return this.#shapes.find(keys);
  }

  #define(shape: Shape, depth: number): void {
    shape.batch = this.#batch;
    shape.number = this.#defined.length;
    this.#defined.push(shape);
    this.bytes[this.offset++] = NEW_SHAPE;
    this.varint(shape.keys.length);
    for (const key of shape.keys) this.value(key, depth);
  }

  #withKeys(
    tag: number,
    object: Record<string, unknown>,
    keys: readonly string[],
    depth: number,
  ): void {
    this.bytes[this.offset++] = tag;
    this.varint(keys.length);
    for (const key of keys) {
      this.value(key, depth);
      this.value(object[key], depth);
    }
  }

  #map(map: ReadonlyMap<unknown, unknown>, depth: number): void {
    const { size } = map;
    this.bytes[this.offset++] = MAP;
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
    this.bytes[this.offset++] = SET;
    this.varint(size);
    let count = 0;
    for (const value of set) {
      this.value(value, depth);
      count++;
    }
    if (count !== size) throw GIVE_UP;
  }

  /**
   * Writes an object that has no others in it; returns `false` if it is something else.
   *
   * @throws {typeof GIVE_UP} If it is too large for a tree.
   * @throws {TypeError} If it only looks like one.
   */
  leaf(value: object, prototype: unknown): boolean {
    if (this.offset > this.limit) this.grow(ROOM);
    if (ArrayBuffer.isView(value)) {
      if (prototype === BytesPrototype || isBuffer(prototype)) {
        const bytes = value as Uint8Array;
        this.#objects -= bytes.length >>> 10;
        if (this.#objects < 0) throw GIVE_UP;
        this.bytes[this.offset++] = BYTES;
        this.varint(bytes.length);
        this.append(bytes);
        return true;
      }
      return this.#binary(
        binaryKindOf.get(prototype),
        new Uint8Array(value.buffer, value.byteOffset, value.byteLength),
      );
    }
    if (prototype === Date.prototype) {
      const time = Date.prototype.getTime.call(value);
      this.bytes[this.offset++] = DATE;
      this.float64(time);
      return true;
    }
    if (prototype === ArrayBuffer.prototype) {
      return this.#binary(binaryKindOf.get(prototype), new Uint8Array(value as ArrayBuffer));
    }
    if (prototype === RegExp.prototype) {
      const { source, flags } = value as RegExp;
      this.bytes[this.offset++] = REGEXP;
      this.value(source, 0);
      this.value(flags, 0);
      return true;
    }
    const unbox = unboxerOf.get(prototype);
    if (unbox === undefined) return false;
    const primitive = unbox.call(value);
    this.bytes[this.offset++] = BOXED;
    this.value(primitive, 0);
    return true;
  }

  #binary(kind: number | undefined, bytes: Uint8Array): boolean {
    if (kind === undefined) return false;
    this.#objects -= bytes.length >>> 10;
    if (this.#objects < 0) throw GIVE_UP;
    this.bytes[this.offset++] = BINARY;
    this.bytes[this.offset++] = kind;
    this.varint(bytes.length);
    this.append(bytes);
    return true;
  }

  /** Removes the limit on what {@linkcode leaf} may write. */
  lift(): void {
    this.#objects = Infinity;
  }
}
