/**
 * Writes values as graphs: those that have cycles, are nested deeply, are large, or have arrays
 * with holes. It also finds what in a value cannot be encoded, and where.
 *
 * Nothing here is recursive: a value of any depth can be written.
 *
 * @module
 */
import { nameOfUnencodable, UnencodableError } from "./unencodable.ts";
import {
  BARE_OBJECT,
  ERROR,
  GRAPH,
  KEYED_ARRAY,
  LONG_ARRAY,
  MAP,
  NOTHING,
  OBJECT,
  REFERENCE,
  SET,
} from "./value_format.ts";
import { type ErrorParts, errorParts, isMatch } from "./value_kinds.ts";
import type { ValueWriter } from "./value_writer.ts";

/** An object with others in it, and the way to it. */
interface Node {
  readonly object: object;
  readonly tag: number;
  /** What an Error keeps. */
  readonly parts: ErrorParts | undefined;
  readonly parent: Node | undefined;
  /** Where in the parent: a key, an index, `"cause"`. */
  readonly step: string | number;
  /** Whether it is a key of the parent, which is a Map, rather than a value. */
  readonly isKey: boolean;
}

/**
 * Writes `value`.
 *
 * @throws {UnencodableError} If there is something in it that cannot be encoded.
 */
export function writeGraph(writer: ValueWriter, value: unknown): void {
  new GraphWriter(writer).write(value);
}

class GraphWriter {
  readonly #writer: ValueWriter;
  readonly #numbers = new Map<object, number>();
  readonly #containers: Node[] = [];
  #node: Node | undefined; // whose contents are being written
  #step: string | number = "";
  #isKey = false;

  constructor(writer: ValueWriter) {
    this.#writer = writer;
  }

  write(root: unknown): void {
    this.#writer.lift();
    this.#writer.byte(GRAPH);
    this.#value(root);
    for (let i = 0; i < this.#containers.length; i++) {
      this.#node = this.#containers[i];
      this.#contents(this.#node);
    }
  }

  #value(value: unknown): void {
    if (typeof value !== "object" || value === null) {
      if (!this.#writer.primitive(value)) throw this.#unencodable(nameOfUnencodable(value));
      return;
    }
    const number = this.#numbers.get(value);
    if (number !== undefined) {
      this.#writer.byte(REFERENCE);
      this.#writer.varint(number);
      return;
    }
    this.#numbers.set(value, this.#numbers.size);
    const prototype = Object.getPrototypeOf(value);
    let leaf = false;
    try {
      leaf = this.#writer.leaf(value, prototype);
    } catch (error) {
      // A built-in method was called on an object that only has its prototype, or on a detached
      // buffer.
      if (error instanceof TypeError) throw this.#unencodable(nameOfLookalike(value));
      throw error;
    }
    if (!leaf) this.#begin(value, prototype);
  }

  #begin(object: object, prototype: unknown): void {
    const parts = errorParts(object, prototype);
    const tag = parts !== undefined ? ERROR : containerTag(object, prototype);
    if (tag === undefined) {
      const isLookalike = prototype === Map.prototype || prototype === Set.prototype;
      throw this.#unencodable(isLookalike ? nameOfLookalike(object) : nameOfUnencodable(object));
    }
    this.#writer.byte(tag);
    if (parts !== undefined) this.#writer.byte(parts.type);
    this.#containers.push({
      object,
      tag,
      parts,
      parent: this.#node,
      step: this.#step,
      isKey: this.#isKey,
    });
  }

  #contents({ object, tag, parts }: Node): void {
    const writer = this.#writer;
    switch (tag) {
      case LONG_ARRAY: {
        const array = object as unknown[];
        const { length } = array;
        writer.varint(length);
        for (let i = 0; i < length; i++) this.#at(i, array[i]);
        break;
      }
      case KEYED_ARRAY:
        writer.varint((object as unknown[]).length);
        this.#properties(object);
        break;
      case OBJECT:
      case BARE_OBJECT:
        this.#properties(object);
        break;
      case MAP: {
        const entries = [...object as Map<unknown, unknown>];
        writer.varint(entries.length);
        for (let i = 0; i < entries.length; i++) {
          this.#isKey = true;
          this.#at(i, entries[i][0]);
          this.#isKey = false;
          this.#at(i, entries[i][1]);
        }
        break;
      }
      case SET: {
        const values = [...object as Set<unknown>];
        writer.varint(values.length);
        for (let i = 0; i < values.length; i++) this.#at(i, values[i]);
        break;
      }
      case ERROR:
        this.#part(parts!.message);
        this.#part(parts!.stack);
        if (parts!.hasCause) this.#at("cause", parts!.cause);
        else writer.byte(NOTHING);
        break;
    }
  }

  #at(step: string | number, value: unknown): void {
    this.#step = step;
    this.#value(value);
  }

  #properties(object: object): void {
    const keys = Object.keys(object);
    this.#writer.varint(keys.length);
    for (const key of keys) {
      this.#writer.primitive(key);
      this.#at(key, (object as Record<string, unknown>)[key]);
    }
  }

  #part(part: string | undefined): void {
    if (part === undefined) this.#writer.byte(NOTHING);
    else this.#writer.primitive(part);
  }

  #unencodable(what: string): UnencodableError {
    let path = "";
    let node = this.#node;
    let step = this.#step;
    let isKey = this.#isKey;
    while (node !== undefined) {
      path = stepText(node, step, isKey) + path;
      ({ step, isKey, parent: node } = node);
    }
    return new UnencodableError(what, path);
  }
}

function containerTag(object: object, prototype: unknown): number | undefined {
  if (Array.isArray(object)) {
    if (prototype !== Array.prototype) return undefined;
    return isMatch(object) || hasHoles(object) ? KEYED_ARRAY : LONG_ARRAY;
  }
  if (prototype === Object.prototype) return OBJECT;
  if (prototype === null) return BARE_OBJECT;
  if (prototype === Map.prototype && isA(mapSize, object)) return MAP;
  if (prototype === Set.prototype && isA(setSize, object)) return SET;
  return undefined;
}

function hasHoles(array: readonly unknown[]): boolean {
  for (let i = 0; i < array.length; i++) {
    if (array[i] === undefined && !Object.hasOwn(array, i)) return true;
  }
  return false;
}

const mapSize = Object.getOwnPropertyDescriptor(Map.prototype, "size")!.get!;
const setSize = Object.getOwnPropertyDescriptor(Set.prototype, "size")!.get!;

/** Whether a getter of a built-in class works on an object, so that it is of that class. */
function isA(getter: () => unknown, object: object): boolean {
  try {
    getter.call(object);
    return true;
  } catch {
    return false;
  }
}

function nameOfLookalike(value: object): string {
  const isDetached = (value instanceof ArrayBuffer && value.detached) ||
    (ArrayBuffer.isView(value) && (value.buffer as ArrayBuffer).detached);
  const name = Object.getPrototypeOf(value).constructor.name;
  return isDetached ? `detached ${name}` : `object with the prototype of ${name}`;
}

function stepText(node: Node, step: string | number, isKey: boolean): string {
  switch (node.tag) {
    case MAP: {
      if (isKey) return `.keys()[${step}]`;
      const key = [...(node.object as Map<unknown, unknown>).keys()][step as number];
      if (typeof key === "string") return `.get(${JSON.stringify(key)})`;
      return typeof key === "object" || typeof key === "symbol" || typeof key === "function"
        ? `.values()[${step}]`
        : `.get(${String(key)})`;
    }
    case SET:
      return `.values()[${step}]`;
    default:
      if (typeof step === "number") return `[${step}]`;
      if (/^(0|[1-9]\d*)$/.test(step)) return `[${step}]`;
      return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(step)
        ? `.${step}`
        : `[${JSON.stringify(step)}]`;
  }
}
