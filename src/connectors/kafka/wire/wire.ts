/**
 * Numbers, strings, arrays and tagged fields of the Kafka protocol, which all requests consist of.
 *
 * Newer versions of a request are *flexible* (KIP-482). Their lengths are varints, one more than
 * what they count, and each structure ends with tagged fields. Readers and writers are told which
 * form it is, so the code of a request is the same for both.
 *
 * To add a request:
 *
 * 1. Write `wire/NAME.ts`, named as the request. It has the request's key, the versions that we
 *    know, `encodeName(…, version)` and `decodeName(payload, version)`. A function calls
 *    `sendRequest` (`request.ts`), and returns what was requested. Read fields in the order of
 *    Kafka's protocol guide, and end each structure with `tags()`. Read what is not needed and drop
 *    it, with a comment that names it.
 * 2. Compare the partitions that it names with the requested ones (`wrong_answer.ts`). Return error
 *    codes, or throw `errorOfCode`. What follows from an error is a line in `client/errors.ts`.
 * 3. Add to `request_versions.ts` what to do if a broker does not have it.
 * 4. Test it in `tests/connectors/kafka/wire/NAME_test.ts` against bytes of another client, for
 *    each version. `tests/support/bytes_by_version.ts` describes how to get them.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { DamageError } from "./damage.ts";

/** The bytes of a topic's id. */
const UUID = 16;

/** The length of something that is absent. */
const NULL = -1;

/**
 * Reads a response from front to back. It trusts nothing: a response that is too short, or has
 * impossible lengths, throws a {@linkcode DamageError}.
 */
export class WireReader {
  readonly #bytes: Buffer;
  readonly #flexible: boolean;
  #at = 0;

  /** `flexible`: the form of lengths in this version of the response. */
  constructor(bytes: Buffer, flexible: boolean) {
    this.#bytes = bytes;
    this.#flexible = flexible;
  }

  boolean(): boolean {
    return this.#bytes[this.skip(1)] !== 0;
  }

  int8(): number {
    return this.#bytes.readInt8(this.skip(1));
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.skip(2));
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.skip(4));
  }

  int64(): bigint {
    return this.#bytes.readBigInt64BE(this.skip(8));
  }

  /** Skips `bytes`, and returns where it was. */
  skip(bytes: number): number {
    const at = this.#at;
    if (bytes > this.#bytes.length - at) {
      throw new DamageError("a response of the broker is cut off");
    }
    this.#at += bytes;
    return at;
  }

  /** A topic's id in Kafka's printed form; `null` if a broker has none, which it sends as zeros. */
  uuid(): string | null {
    const id = this.#take(UUID);
    return id.every((byte) => byte === 0) ? null : id.toString("base64url");
  }

  string(): string | null {
    const length = this.#checked(this.#flexible ? this.#uvarint() - 1 : this.int16());
    return length === NULL ? null : this.#take(length).toString("utf8");
  }

  /** A view of the bytes; empty if they are absent. */
  bytes(): Buffer {
    return this.#take(Math.max(this.#length(), 0));
  }

  array<T>(item: () => T): T[] {
    const items: T[] = [];
    for (let left = this.#count(this.#length()); left > 0; left--) items.push(item());
    return items;
  }

  /** The same, but an array may be absent: `null`. */
  nullableArray<T>(item: () => T): T[] | null {
    const items: T[] = [];
    const length = this.#length();
    if (length === NULL) return null;
    for (let left = this.#count(length); left > 0; left--) items.push(item());
    return items;
  }

  /** A structure that may be absent: `null`. (KIP-893; flexible versions only.) */
  nullable<T>(read: () => T): T | null {
    return this.int8() < 0 ? null : read();
  }

  /**
   * The end of a structure: its tagged fields, if this version has them. Those in `fields` are read
   * by their tags, each with a reader of its own. Others are skipped.
   */
  tags(fields: Readonly<Record<number, (field: WireReader) => void>> = {}): void {
    if (!this.#flexible) return;
    for (let left = this.#count(this.#uvarint()); left > 0; left--) {
      const read = fields[this.#uvarint()];
      const bytes = this.#take(this.#uvarint());
      read?.(new WireReader(bytes, true));
    }
  }

  /** What has not been read yet. */
  rest(): Buffer {
    return this.#bytes.subarray(this.#at);
  }

  #length(): number {
    return this.#checked(this.#flexible ? this.#uvarint() - 1 : this.int32());
  }

  #checked(length: number): number {
    if (length >= NULL) return length;
    throw new DamageError(`a response of the broker has a length of ${length}`);
  }

  /** Checks a number of items: each needs at least one byte. */
  #count(count: number): number {
    if (count <= this.#bytes.length - this.#at) return count;
    throw new DamageError(
      `a response of the broker is cut off: it says that ${count} items follow`,
    );
  }

  #take(length: number): Buffer {
    const at = this.skip(length);
    return this.#bytes.subarray(at, this.#at);
  }

  #uvarint(): number {
    let value = 0;
    for (let factor = 1;; factor *= 0x80) {
      const byte = this.#bytes[this.skip(1)];
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      if (factor > 2 ** 28) {
        throw new DamageError("a response of the broker has a length that is too large");
      }
    }
  }
}

/** A tagged field, and what writes its content. */
export type TaggedField = readonly [tag: number, write: (field: WireWriter) => void];

/** Writes a request. */
export class WireWriter {
  readonly #flexible: boolean;
  #bytes: Buffer;
  #at = 0;

  /**
   * @param flexible The form of lengths in this version of the request.
   * @param size How many bytes to expect; the buffer grows if there are more.
   */
  constructor(flexible: boolean, size = 256) {
    this.#flexible = flexible;
    this.#bytes = Buffer.allocUnsafe(size);
  }

  /** What has been written. */
  get written(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  boolean(value: boolean): void {
    this.int8(value ? 1 : 0);
  }

  int8(value: number): void {
    const at = this.#room(1);
    this.#bytes.writeInt8(value, at);
  }

  int16(value: number): void {
    const at = this.#room(2);
    this.#bytes.writeInt16BE(value, at);
  }

  int32(value: number): void {
    const at = this.#room(4);
    this.#bytes.writeInt32BE(value, at);
  }

  int64(value: bigint): void {
    const at = this.#room(8);
    this.#bytes.writeBigInt64BE(value, at);
  }

  /** A topic's id in the form of {@linkcode WireReader.uuid}; `null` is written as zeros. */
  uuid(id: string | null): void {
    const at = this.#room(UUID);
    this.#bytes.fill(0, at, at + UUID);
    if (id !== null) this.#bytes.write(id, at, UUID, "base64url");
  }

  string(text: string | null): void {
    const length = text === null ? -1 : Buffer.byteLength(text);
    if (this.#flexible) this.#uvarint(length + 1);
    else this.int16(length);
    if (text === null) return;
    const at = this.#room(length);
    this.#bytes.write(text, at);
  }

  array<T>(items: readonly T[], write: (item: T) => void): void {
    if (this.#flexible) this.#uvarint(items.length + 1);
    else this.int32(items.length);
    for (const item of items) write(item);
  }

  /** The same; `null` is written as an absent array. */
  nullableArray<T>(items: readonly T[] | null, write: (item: T) => void): void {
    if (items !== null) return this.array(items, write);
    if (this.#flexible) this.#uvarint(0);
    else this.int32(NULL);
  }

  /** A structure that may be absent: `null`. (KIP-893; flexible versions only.) */
  nullable<T>(value: T | null, write: (value: T) => void): void {
    this.int8(value === null ? -1 : 1);
    if (value !== null) write(value);
  }

  bytes(bytes: Uint8Array): void {
    if (this.#flexible) this.#uvarint(bytes.length + 1);
    else this.int32(bytes.length);
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /**
   * The end of a structure: its tagged fields in the order of their tags, if this version has them.
   */
  tags(fields: readonly TaggedField[] = []): void {
    if (!this.#flexible) return;
    this.#uvarint(fields.length);
    for (const [tag, write] of fields) {
      const field = new WireWriter(true);
      write(field);
      const { written } = field;
      this.#uvarint(tag);
      this.#uvarint(written.length);
      const at = this.#room(written.length);
      this.#bytes.set(written, at);
    }
  }

  #uvarint(value: number): void {
    while (value >= 0x80) {
      this.#byte((value & 0x7f) | 0x80);
      value >>>= 7;
    }
    this.#byte(value);
  }

  #byte(value: number): void {
    const at = this.#room(1);
    this.#bytes[at] = value;
  }

  /** Makes room for `bytes` more, and returns where they go. */
  #room(bytes: number): number {
    const at = this.#at;
    this.#at += bytes;
    if (this.#at > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#at, 2 * this.#bytes.length));
      this.#bytes.copy(larger, 0, 0, at);
      this.#bytes = larger;
    }
    return at;
  }
}
