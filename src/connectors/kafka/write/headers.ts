/**
 * Headers of records that are written.
 *
 * A list of headers is ordered, a name may repeat, and a header may have no value. An object by
 * name loses that if other headers come between those of a name, or if names look like numbers. So
 * a message that was read has both. A flow reads and changes the object; a copy writes the list.
 *
 * @module
 */
import { preview } from "../../../core/preview.ts";
import { Buffer } from "node:buffer";
import type { KafkaData, KafkaRecord } from "../output_item.ts";
import type { WireRecord } from "../wire/write_batch.ts";
import { toBytes } from "./to_bytes.ts";

type WireHeaders = WireRecord["headers"];
type HeaderList = NonNullable<KafkaRecord["rawHeaders"]>;
type HeaderObject = NonNullable<KafkaRecord["headers"]>;

/** The headers of a record without any. */
export const NO_HEADERS: WireHeaders = Object.freeze([]);

/** With more headers than this, searching for each name would take too long. */
const FEW = 32;

/**
 * The headers of a record. If it has an object and a list, the object counts. The list only gives
 * the place of names that have the same values in both.
 *
 * @throws {TypeError} If one of them cannot be headers. The message says what is wrong.
 */
export function wireHeaders({ headers, rawHeaders }: KafkaRecord): WireHeaders {
  if (headers !== undefined) checkObject(headers);
  if (rawHeaders === undefined) return headers === undefined ? NO_HEADERS : fromObject(headers);
  checkList(rawHeaders);
  if (headers === undefined || agree(headers, rawHeaders)) return fromList(rawHeaders);
  return merged(headers, rawHeaders);
}

function checkObject(headers: unknown): void {
  // A `Map` or `Headers` has no own properties, so its content would be lost.
  if (typeof headers !== "object" || headers === null || Symbol.iterator in headers) {
    throw new TypeError(`a record's headers must be an object; got ${preview(headers)}`);
  }
}

function checkList(list: unknown): void {
  const isPair = (pair: unknown) =>
    Array.isArray(pair) && pair.length === 2 && typeof pair[0] === "string";
  if (Array.isArray(list) && list.every(isPair)) return;
  throw new TypeError(
    `a record's rawHeaders must be an array of [name, value] pairs; got ${preview(list)}`,
  );
}

function fromObject(headers: HeaderObject): WireHeaders {
  const wire: [name: Uint8Array, value: Uint8Array | null][] = [];
  for (const name of Object.keys(headers)) {
    const nameBytes = Buffer.from(name);
    for (const value of valuesOf(headers, name)) wire.push([nameBytes, value]);
  }
  return wire;
}

function fromList(list: HeaderList): WireHeaders {
  return list.map(([name, value]) => [Buffer.from(name), headerValue(name, value)]);
}

/** Returns whether the object has exactly the list's content, as far as an object can. */
function agree(headers: HeaderObject, list: HeaderList): boolean {
  if (list.length > FEW) return false;
  let found = 0;
  for (const name of Object.keys(headers)) {
    const values = headers[name];
    if (!Array.isArray(values)) return false;
    let next = 0;
    for (const [listed, value] of list) {
      if (listed !== name) continue;
      found++;
      if (value !== null && !areEqual(value, values[next++])) return false;
    }
    if (next !== values.length) return false;
  }
  return found === list.length;
}

/** The object's headers. Those that equal the list's keep its order; others follow. */
function merged(headers: HeaderObject, list: HeaderList): WireHeaders {
  const listed = Map.groupBy(list, ([name]) => name);
  const wire: [name: Uint8Array, value: Uint8Array | null][] = [];
  const changed = new Map<string, readonly (Uint8Array | null)[]>();
  for (const name of Object.keys(headers)) {
    const values = valuesOf(headers, name);
    const before = (listed.get(name) ?? []).filter(([, value]) => value !== null);
    const isSame = listed.has(name) && before.length === values.length &&
      before.every(([, value], i) => areEqual(value, values[i]));
    if (!isSame) changed.set(name, values);
  }
  const write = (name: string) => {
    const nameBytes = Buffer.from(name);
    for (const value of changed.get(name) ?? []) wire.push([nameBytes, value]);
    changed.set(name, []); // at the first place of the name, and only there
  };
  for (const [name, value] of list) {
    if (!Object.hasOwn(headers, name)) continue; // the flow has removed it
    if (changed.has(name)) write(name);
    else wire.push([Buffer.from(name), headerValue(name, value)]);
  }
  for (const name of changed.keys()) write(name);
  return wire;
}

function valuesOf(headers: HeaderObject, name: string): (Uint8Array | null)[] {
  const given = headers[name];
  const values: readonly unknown[] = Array.isArray(given) ? given : [given];
  return values.map((value) => headerValue(name, value));
}

function headerValue(name: string, value: unknown): Uint8Array | null {
  return toBytes(`header "${name}"`, value);
}

function areEqual(a: KafkaData, b: unknown): boolean {
  if (a === b) return true;
  if (!(a instanceof Uint8Array && b instanceof Uint8Array) || a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
