/**
 * Reads values; see `value_format.ts` for the bytes.
 *
 * Arrays and the like grow while their elements are read, so a length that the bytes merely claim
 * takes no memory. The stack limits nesting, and writers stay far from its end. Nothing that is
 * read refers to the bytes: a value that is kept does not keep the rest of the batch in memory.
 *
 * @module
 */
import {
  ARRAY,
  ASCII,
  BARE_OBJECT,
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
  GRAPH,
  INT16,
  INT32,
  INT8,
  KEYED_ARRAY,
  LONG_ARRAY,
  LONG_SHAPE,
  MAP,
  MOST_KEYS,
  MOST_SHAPES,
  NEW_SHAPE,
  NOTHING,
  NULL,
  OBJECT,
  REFERENCE,
  REGEXP,
  SET,
  SHAPE,
  TRUE,
  UNDEFINED,
  UTF16,
  UTF8,
} from "./value_format.ts";
import { decodeAnyUtf8 } from "./utf8.ts";
import { type Shape, ShapeTable } from "./value_shapes.ts";

const float = new Float64Array(1);
const floatBytes = new Uint8Array(float.buffer);
const bigInt = new BigInt64Array(float.buffer);

/** Strings up to this many characters are made from character codes; longer ones are decoded. */
const FROM_CODES = 32;
const readShort: ((bytes: Uint8Array, offset: number) => string)[] = Array.from(
  { length: FROM_CODES + 1 },
  (_, length) => {
    const codes = Array.from({ length }, (_, i) => `bytes[offset + ${i}]`).join(", ");
    return new Function("bytes", "offset", `return String.fromCharCode(${codes});`) as (
      bytes: Uint8Array,
      offset: number,
    ) => string;
  },
);

/** The shapes that were read lately, with their generated functions. */
const shapes = new ShapeTable();

/**
 * Short Uint8Arrays are cut from buffers of this many bytes. V8 would take several times as long to
 * allocate and collect a buffer for each.
 */
const SLAB_BYTES = 8192;
/** Arrays up to this many bytes are short. */
const MOST_IN_SLAB = 512;
let slab = new Uint8Array(SLAB_BYTES);
let slabUsed = 0;

/** Bytes of an object, and of each value in it: an estimate on the large side. */
const OBJECT_BYTES = 64;
const SLOT_BYTES = 32;
/** The same for a Map or a Set, and for each entry. */
const TABLE_BYTES = 192;
const ENTRY_BYTES = 64;

/** A value would take more memory than is allowed. */
export class TooMuchMemoryError extends Error {
  override readonly name = "TooMuchMemoryError";
}

/** Stands for a part that an error does not have. */
const nothing = Symbol("nothing");

/** Reads values one after the other. Throws an `Error` on corrupt bytes of any kind. */
export class ValueReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #offset: number;
  readonly #shapes: Shape[] = []; // the shapes of this batch, by number
  #nodes: object[] | undefined; // the objects of the graph being read, by number
  #tags: number[] = []; // the tags of those objects
  readonly #isLimited: boolean;
  #left: number; // bytes of memory that the rest may take, if that is limited

  /**
   * Reads `bytes` from index `offset` on. `most` is how much memory the values may take, in bytes
   * and without binary data.
   */
  constructor(bytes: Uint8Array, offset: number, most = Infinity) {
    this.#bytes = bytes;
    this.#offset = offset;
    this.#end = bytes.length;
    this.#isLimited = most !== Infinity;
    this.#left = this.#isLimited ? most : 0;
  }

  /** Index of the next byte. */
  get offset(): number {
    return this.#offset;
  }

  /** Whether all has been read. */
  get done(): boolean {
    return this.#offset >= this.#end;
  }

  /** The next value. */
  value(): unknown {
    const tag = this.#bytes[this.#offset++];
    if (tag < ASCII) return tag;
    if (tag < ARRAY) return this.#ascii(tag - ASCII);
    // Past the end the tag is `undefined`, and all comparisons with it are false.
    return tag >= UNDEFINED && tag < BYTES ? this.#scalar(tag) : this.#object(tag);
  }

  #ascii(length: number): string {
    const offset = this.#take(length);
    if (length <= FROM_CODES) return readShort[length](this.#bytes, offset);
    return decodeAnyUtf8(this.#bytes, offset, offset + length);
  }

  #scalar(tag: number): unknown {
    const bytes = this.#bytes;
    switch (tag) {
      case FLOAT64:
        return this.#float64();
      case INT16: {
        const offset = this.#take(2);
        return (bytes[offset] | bytes[offset + 1] << 8) << 16 >> 16;
      }
      case INT32: {
        const offset = this.#take(4);
        return bytes[offset] | bytes[offset + 1] << 8 | bytes[offset + 2] << 16 |
          bytes[offset + 3] << 24;
      }
      case INT8:
        return bytes[this.#take(1)] << 24 >> 24;
      case UNDEFINED:
        return undefined;
      case NULL:
        return null;
      case FALSE:
        return false;
      case TRUE:
        return true;
      case BIGINT64:
        this.#eight();
        return bigInt[0];
      case BIGINT:
        return this.#bigInt();
      case UTF8: {
        const length = this.#varint();
        const offset = this.#take(length);
        this.#charge(2 * length);
        return decodeAnyUtf8(bytes, offset, offset + length);
      }
      case UTF16:
        return this.#utf16();
      default:
        throw unknownTag(tag);
    }
  }

  #object(tag: number): unknown {
    this.#charge(OBJECT_BYTES);
    if (this.#nodes !== undefined) return this.#inGraph(tag, this.#nodes);
    switch (tag) {
      case ARRAY:
        return [];
      case ARRAY + 1:
        return [this.value()];
      case ARRAY + 2:
        return [this.value(), this.value()];
      case ARRAY + 3:
        return [this.value(), this.value(), this.value()];
      case LONG_SHAPE:
        return this.#shaped(this.#varint());
      case NEW_SHAPE:
        return this.#newShape();
      case GRAPH:
        return this.#graph();
    }
    if (tag < SHAPE) return this.#fillArray([], tag - ARRAY);
    if (tag < UNDEFINED) return this.#shaped(tag - SHAPE);
    const container = this.#begin(tag);
    return container === undefined ? this.#leaf(tag) : this.#fill(container, tag);
  }

  #shaped(number: number): Record<string, unknown> {
    const shape = this.#shapes[number];
    if (shape === undefined) throw new Error(`there is no shape ${number}`);
    this.#charge(SLOT_BYTES * shape.keys.length);
    const { read } = shape;
    if (read !== undefined) return read(this);
    const object = {};
    for (const key of shape.keys) setOwn(object, key, this.value());
    return object;
  }

  #newShape(): Record<string, unknown> {
    const count = this.#varint();
    // The table of shapes keeps what is added, so it must not be more than a writer would write.
    if (count > MOST_KEYS || this.#shapes.length >= MOST_SHAPES) {
      throw new Error(`a shape of ${count} keys after ${this.#shapes.length} others`);
    }
    const keys: string[] = [];
    for (let i = 0; i < count; i++) keys.push(this.#key());
    this.#shapes.push(shapes.find(keys));
    return this.#shaped(this.#shapes.length - 1);
  }

  /** Returns an empty container for a tag; `undefined` if the tag is not that of a container. */
  #begin(tag: number): object | undefined {
    switch (tag) {
      case LONG_ARRAY:
      case KEYED_ARRAY:
        return [];
      case OBJECT:
        return {};
      case BARE_OBJECT:
        return Object.create(null);
      case MAP:
        return new Map();
      case SET:
        return new Set();
      case ERROR:
        return makeError(this.#bytes[this.#take(1)]);
      default:
        return undefined;
    }
  }

  /** Reads the contents of a container, and returns it. */
  #fill(container: object, tag: number): object {
    switch (tag) {
      case LONG_ARRAY:
        return this.#fillArray(container as unknown[], this.#varint());
      case KEYED_ARRAY:
        return this.#fillKeyedArray(container as unknown[]);
      case OBJECT:
      case BARE_OBJECT: {
        const count = this.#varint();
        this.#charge(ENTRY_BYTES * count);
        for (let i = 0; i < count; i++) setOwn(container, this.#key(), this.value());
        return container;
      }
      case MAP: {
        const count = this.#varint();
        this.#charge(TABLE_BYTES + ENTRY_BYTES * count);
        const map = container as Map<unknown, unknown>;
        for (let i = 0; i < count; i++) map.set(this.value(), this.value());
        return map;
      }
      case SET: {
        const count = this.#varint();
        this.#charge(TABLE_BYTES + ENTRY_BYTES * count);
        const set = container as Set<unknown>;
        for (let i = 0; i < count; i++) set.add(this.value());
        return set;
      }
      default: // an Error
        this.#fillHidden(container, "message");
        this.#fillHidden(container, "stack");
        this.#fillHidden(container, "cause");
        return container;
    }
  }

  #fillArray(array: unknown[], length: number): unknown[] {
    this.#charge(SLOT_BYTES * length);
    for (let i = 0; i < length; i++) array.push(this.value());
    return array;
  }

  #fillKeyedArray(array: unknown[]): unknown[] {
    const length = this.#varint();
    const count = this.#varint();
    this.#charge(ENTRY_BYTES * count);
    // An element far from all others makes V8 keep the elements in a table as large as the
    // contents.
    if (length > 4 * count + 16) array[2 ** 32 - 2] = undefined;
    array.length = length;
    for (let i = 0; i < count; i++) {
      const key = this.#key();
      if (key === "length") throw new Error("an array's length among its properties");
      setOwn(array, key, this.value());
    }
    return array;
  }

  #fillHidden(error: object, key: string): void {
    const value = this.#bytes[this.#offset] === NOTHING ? nothing : this.value();
    if (value === nothing) this.#offset++;
    else Object.defineProperty(error, key, { value, writable: true, configurable: true });
  }

  #leaf(tag: number): object {
    switch (tag) {
      case BYTES:
        return this.#uint8Array(this.#varint());
      case DATE:
        return new Date(this.#float64());
      case BINARY:
        return this.#binary();
      case REGEXP:
        return new RegExp(this.#key(), this.#key());
      case BOXED: {
        const primitive = this.value();
        if (typeof primitive === "object" || primitive === undefined) throw unknownTag(tag);
        return Object(primitive);
      }
      default:
        throw unknownTag(tag);
    }
  }

  #binary(): object {
    const kind = BINARY_KINDS[this.#bytes[this.#take(1)]];
    if (kind === undefined) throw new Error("unknown kind of binary data");
    const { buffer } = this.#copy(this.#varint());
    return kind === ArrayBuffer ? buffer : new (kind as Int8ArrayConstructor)(buffer);
  }

  #uint8Array(length: number): Uint8Array {
    if (length > MOST_IN_SLAB) return this.#copy(length);
    const offset = this.#take(length);
    if (slabUsed + length > slab.length) { // 0 if its buffer was transferred
      slab = new Uint8Array(SLAB_BYTES);
      slabUsed = 0;
    }
    const to = slab, from = this.#bytes, start = slabUsed;
    for (let i = 0; i < length; i++) to[start + i] = from[offset + i];
    slabUsed = start + length + 7 & ~7; // other typed arrays may start at the same place
    return new Uint8Array(to.buffer, start, length);
  }

  #copy(length: number): Uint8Array<ArrayBuffer> {
    const offset = this.#take(length);
    return this.#bytes.slice(offset, offset + length) as Uint8Array<ArrayBuffer>;
  }

  #graph(): unknown {
    const nodes: object[] = this.#nodes = [];
    this.#tags = [];
    const root = this.value();
    for (let i = 0; i < nodes.length; i++) {
      if (this.#tags[i] !== 0) this.#fill(nodes[i], this.#tags[i]);
    }
    this.#nodes = undefined;
    return root;
  }

  #inGraph(tag: number, nodes: object[]): object {
    if (tag === REFERENCE) {
      const node = nodes[this.#varint()];
      if (node === undefined) throw new Error("a reference to nothing");
      return node;
    }
    const container = this.#begin(tag);
    const node = container ?? this.#leaf(tag);
    nodes.push(node);
    this.#tags.push(container === undefined ? 0 : tag);
    return node;
  }

  /** Counts memory that is about to be allocated. */
  #charge(bytes: number): void {
    if (!this.#isLimited) return;
    this.#left -= bytes;
    if (this.#left < 0) throw new TooMuchMemoryError("they take more memory than is allowed");
  }

  #key(): string {
    const key = this.value();
    if (typeof key !== "string") throw new Error("a key that is not a string");
    return key;
  }

  /** Skips this many bytes, which must be there, and returns the index of the first one. */
  #take(length: number): number {
    const offset = this.#offset;
    if (offset + length > this.#end) throw new Error("they end too early");
    this.#offset = offset + length;
    return offset;
  }

  #varint(): number {
    let value = 0, unit = 1, byte;
    do {
      byte = this.#bytes[this.#take(1)];
      value += (byte & 0x7f) * unit;
      unit *= 128;
    } while (byte > 0x7f && unit <= 2 ** 28);
    if (byte > 0x7f) throw new Error("a length that is too long");
    return value;
  }

  #float64(): number {
    this.#eight();
    return float[0];
  }

  /** Reads eight bytes into the scratch array. */
  #eight(): void {
    const offset = this.#take(8);
    const bytes = this.#bytes;
    for (let i = 0; i < 8; i++) floatBytes[i] = bytes[offset + i];
  }

  #bigInt(): bigint {
    const head = this.#varint();
    this.#charge(2 * head);
    const magnitude = this.#copy(Math.floor(head / 2)).reverse();
    const value = BigInt("0x0" + magnitude.toHex());
    return head % 2 === 1 ? -value : value;
  }

  #utf16(): string {
    const length = this.#varint();
    const offset = this.#take(length * 2);
    this.#charge(4 * length);
    const parts: string[] = [];
    for (let i = 0; i < length; i += 4096) {
      const units: number[] = [];
      for (let j = i; j < Math.min(length, i + 4096); j++) {
        units.push(this.#bytes[offset + j * 2] | this.#bytes[offset + j * 2 + 1] << 8);
      }
      parts.push(String.fromCharCode(...units));
    }
    return parts.join("");
  }
}

function unknownTag(tag: number | undefined): Error {
  return new Error(tag === undefined ? "they end too early" : `unknown tag 0x${tag.toString(16)}`);
}

function makeError(type: number): Error {
  const constructor = ERRORS[type];
  if (constructor === undefined) throw new Error("unknown type of error");
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0; // the error gets the stack that it had
  try {
    return new constructor();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/**
 * Assigns a property, but never calls the setter of `__proto__` (which Deno has only behind a
 * flag).
 */
function setOwn(object: object, key: string, value: unknown): void {
  if (key === "__proto__") {
    const all = { value, writable: true, enumerable: true, configurable: true };
    Object.defineProperty(object, key, all);
  } else {
    (object as Record<string, unknown>)[key] = value;
  }
}
