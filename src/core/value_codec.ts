/**
 * Encodes values as bytes: for the way between worker processes, and for state in snapshots.
 *
 * What `structuredClone` keeps arrives as it was: primitives, plain objects and arrays, Map, Set,
 * Date, RegExp, binary data, errors, boxed primitives, cycles. A class instance, which it would
 * change silently, is refused instead. Where there is a choice:
 *
 * - Node's Buffer becomes a Uint8Array. An object without prototype has none afterwards.
 * - Binary data is copied, without the rest of the buffer that it is a view on. It never refers to
 *   the encoded bytes. A resizable buffer becomes one of fixed length.
 * - Uint8Arrays of up to 512 bytes share buffers of 8 KiB, as those of Node do: mind `byteOffset`,
 *   and do not transfer their buffers.
 * - An object that is used in several places becomes a copy in each place. It stays one object in a
 *   graph: a value with cycles, nested over 64 deep, with holes in arrays, or of more than
 *   65,536 objects. Between values, nothing stays shared.
 * - Named properties of arrays are kept for matches of regular expressions, and beside holes.
 *   Otherwise they are left out: to look for them in each array takes longer than to write it.
 *   Symbol keys, and whatever is added to Map, Date and the like, are left out too.
 * - An error keeps message, stack and cause. Its type becomes the built-in one of its name.
 *
 * The bytes are the same on all machines; `value_format.ts` describes them.
 *
 * Why own code: JSON, `node:v8` and msgpackr keep less, without an error. All three make plain
 * objects of class instances. JSON and msgpackr lose -0 and holes in arrays, msgpackr lone
 * surrogates and functions. Stored state needs a format that is specified here and does not change
 * with a package.
 *
 * Speed on 2026-11-24, as a multiple of the other's, encode / decode (`bench/codec.ts`; msgpackr
 * 1.11.5 without its native part):
 *
 * ```text
 *                             JSON                     msgpackr    node:v8
 *   [string, number] pairs    1.1–1.5 / 1.8–2.1        1.2 / 3.9
 *   objects with 5 fields     1.6–1.7 / 1.8–1.9        1.4 / 1.8
 *   nested orders             1.0 / 1.2                0.7 / 0.8
 *   [key, 100 bytes]                                               9.9 / 2.9
 * ```
 *
 * @module
 */
import { VERSION } from "./value_format.ts";
import { writeGraph } from "./value_graph_writer.ts";
import { ValueReader } from "./value_reader.ts";
import { ValueWriter } from "./value_writer.ts";

export { UnencodableError } from "./unencodable.ts";

/** A buffer of more bytes is handed over rather than copied, or given up. */
const LARGE_BUFFER = 1 << 20;

/** Encodes values one after the other into one buffer. Reusable. */
export class BatchEncoder {
  readonly #writer = new ValueWriter();
  #count = 0;

  /** An encoder without values. */
  constructor() {
    begin(this.#writer);
  }

  /**
   * Appends a value. If that fails, what was written before stays.
   *
   * @throws {UnencodableError} If something in the value cannot be encoded.
   * @throws Whatever a getter of the value throws.
   */
  write(value: unknown): void {
    writeValue(this.#writer, value);
    this.#count++;
  }

  /** Values written since the last `take`. */
  get count(): number {
    return this.#count;
  }

  /** Bytes written since the last `take`, without the batch's first one. */
  get bytes(): number {
    return this.#writer.offset - 1;
  }

  /**
   * Returns the batch, for {@linkcode decodeBatch}. The encoder starts a new one and does not touch
   * this one again.
   */
  take(): Uint8Array {
    const batch = takeBytes(this.#writer);
    begin(this.#writer);
    this.#count = 0;
    return batch;
  }
}

/**
 * Returns all values of a batch.
 *
 * @throws {Error} If the bytes are corrupt, cut off, or of another version.
 */
export function decodeBatch(bytes: Uint8Array): unknown[] {
  const reader = new ValueReader(checked(bytes), 1);
  const values: unknown[] = [];
  try {
    while (!reader.done) values.push(reader.value());
  } catch (cause) {
    throw corrupt(reader, cause);
  }
  return values;
}

/**
 * Returns one value by itself, for {@linkcode decodeValue}.
 *
 * @param room This many bytes are left free before it.
 * @throws {UnencodableError} If something in the value cannot be encoded.
 * @throws Whatever a getter of the value throws.
 */
export function encodeValue(value: unknown, room = 0): Uint8Array {
  // A getter of the value may call `encodeValue` again.
  const writer = spareWriter ?? new ValueWriter();
  spareWriter = undefined;
  begin(writer, room);
  try {
    writeValue(writer, value);
    return takeBytes(writer);
  } finally {
    spareWriter = writer;
  }
}

let spareWriter: ValueWriter | undefined;

/**
 * Values one after the other in one buffer, each as {@linkcode encodeValue} returns it.
 *
 * A million small buffers that live for a while take the garbage collector several times as long as
 * the encoding itself.
 */
export class ValueColumn {
  readonly #writer = new ValueWriter();

  /**
   * Appends a value and returns how many bytes it takes. If that fails, what was written before
   * stays.
   *
   * @throws {UnencodableError} If something in the value cannot be encoded.
   * @throws Whatever a getter of the value throws.
   */
  write(value: unknown): number {
    const writer = this.#writer;
    const { offset } = writer;
    writer.byte(VERSION);
    // Most values are primitives: twice as fast.
    if (writer.primitive(value)) return writer.offset - offset;
    writer.startBatch();
    try {
      writeValue(writer, value);
    } catch (error) {
      writer.rewind(offset, 0);
      throw error;
    }
    return writer.offset - offset;
  }

  /** Returns the bytes of all values since the last `take`. */
  take(): Uint8Array {
    const taken = takeBytes(this.#writer);
    this.#writer.offset = 0;
    return taken;
  }
}

/**
 * Returns the value that {@linkcode encodeValue} received.
 *
 * @param most The most memory that the value may take, in bytes and without binary data. It is a
 *   rough estimate: a few bytes can stand for a hundred times as many.
 * @throws {Error} If the bytes are corrupt, cut off, more than one value, or of another version.
 *   Also if the value would take too much memory.
 */
export function decodeValue(bytes: Uint8Array, most = Infinity): unknown {
  const reader = new ValueReader(checked(bytes), 1, most);
  try {
    const value = reader.value();
    if (!reader.done) throw new Error("there are more bytes after the value");
    return value;
  } catch (cause) {
    throw corrupt(reader, cause);
  }
}

function begin(writer: ValueWriter, room = 0): void {
  writer.offset = room;
  writer.startBatch();
  writer.byte(VERSION);
}

function writeValue(writer: ValueWriter, value: unknown): void {
  const { offset, shapes } = writer;
  try {
    writer.tree(value);
  } catch {
    // A graph holds everything that can be encoded, and the writer names what is wrong with the
    // rest.
    writer.rewind(offset, shapes);
    try {
      writeGraph(writer, value);
    } catch (error) {
      writer.rewind(offset, shapes);
      throw error;
    }
  }
}

function takeBytes(writer: ValueWriter): Uint8Array {
  const { bytes, offset } = writer;
  if (bytes.length <= LARGE_BUFFER) return bytes.slice(0, offset);
  writer.replaceBuffer();
  // The receiver of a batch may keep it, and should not keep an empty buffer with it.
  return offset * 2 > bytes.length ? bytes.subarray(0, offset) : bytes.slice(0, offset);
}

/** Returns the bytes if they are of this version. */
function checked(bytes: Uint8Array): Uint8Array {
  if (bytes[0] !== VERSION) {
    const version = bytes.length === 0 ? "there are none" : `they are of version ${bytes[0]}`;
    throw new Error(`cannot decode bytes: ${version}, and version ${VERSION} was expected`);
  }
  // Node's Buffer slices without copying.
  return bytes.constructor === Uint8Array
    ? bytes
    : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function corrupt(reader: ValueReader, cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new Error(`cannot decode bytes: ${reason}, at byte ${reader.offset}`, { cause });
}
