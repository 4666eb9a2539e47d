/**
 * Headers of records that are written.
 *
 * A header list is ordered, a name may repeat, and a header may have no value. An object by name
 * shows none of that where names repeat in between, or look like numbers. So a message that was
 * read has both: the object is what a flow looks at and changes, the list is what a copy writes
 * again.
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

/** The headers of a record that has none. */
export const NO_HEADERS: WireHeaders = Object.freeze([]);

/** With more headers than that, the search for each name would take too long. */
const FEW = 32;

/**
 * The headers of a record. Where it has an object and a list, the object counts: a name that has
 * the same values in both is written as the list has it, in its place.
 *
 * @throws {TypeError} If one of them cannot be headers; says what is wrong.
 */
export function wireHeaders({ headers, rawHeaders }: KafkaRecord): WireHeaders {
  if (headers !== undefined) checkObject(headers);
  if (rawHeaders === undefined) return headers === undefined ? NO_HEADERS : fromObject(headers);
  checkList(rawHeaders);
  if (headers === undefined || agree(headers, rawHeaders)) return fromList(rawHeaders);
  return merged(headers, rawHeaders);
}

function checkObject(headers: unknown): void {
  // A `Map` or `Headers` has no own properties: what is in it would be lost.
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

/** Returns whether the object has exactly what the list has, as far as an object can. */
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

/** The object's headers: those that are as in the list stay in its order, others follow. */
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
    changed.set(name, []); // where the name was first, and only there
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
