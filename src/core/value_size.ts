/**
 * Estimates how much memory items take, so that queues can be bounded by bytes.
 *
 * The estimate is cheap: a few items of a batch stand for all, and only some parts of each are
 * looked at. It errs on the large side, except for what JavaScript does not show.
 *
 * @module
 */

/** How many parts of one item are looked at. */
const MOST_PARTS = 48;

/**
 * How many elements of an array, a map or a set are looked at; the others count as much as these.
 */
const MOST_ELEMENTS = 6;

/** One item in this many stands for the others of its batch. */
const SAMPLE_EVERY = 1024;

/** Bytes of an object's header, and of a slot that points to a value. */
const OBJECT_BYTES = 32;
const SLOT_BYTES = 8;

/** Bytes of an object whose contents cannot be seen. */
const OPAQUE_BYTES = 64;

/**
 * How many more parts may be looked at. One variable for all calls: an object for each call would
 * cost more than the look.
 */
let parts = 0;

/**
 * Returns about how many bytes of memory a value takes. Never throws, and calls no code of the
 * value.
 */
export function sizeOf(value: unknown): number {
  parts = MOST_PARTS;
  try {
    return size(value);
  } catch {
    return OPAQUE_BYTES; // a proxy refused
  }
}

/**
 * Estimates batches. Each estimate begins at another item, so that no pattern hides the large ones.
 */
export class BatchSizes {
  #turn = 0;

  /** Returns about how many bytes an item of the batch takes. */
  itemBytes(batch: readonly unknown[]): number {
    const { length } = batch;
    if (length === 0) return 0;
    const samples = 1 + Math.floor(length / SAMPLE_EVERY);
    let sum = 0;
    this.#turn = (this.#turn + 1) % length;
    for (let n = 0, index = this.#turn; n < samples; n++, index = (index + SAMPLE_EVERY) % length) {
      sum += sizeOf(batch[index]);
    }
    return sum / samples;
  }
}

function size(value: unknown): number {
  switch (typeof value) {
    case "string":
      return OBJECT_BYTES + 2 * value.length;
    case "bigint":
      return OBJECT_BYTES;
    case "object":
      return value === null ? SLOT_BYTES : sizeOfObject(value);
    default:
      return SLOT_BYTES;
  }
}

function sizeOfObject(value: object): number {
  if (ArrayBuffer.isView(value)) return OPAQUE_BYTES + value.byteLength;
  if (parts <= 0) return OPAQUE_BYTES;
  if (Array.isArray(value)) return sizeOfArray(value);
  if (value instanceof ArrayBuffer) return OPAQUE_BYTES + value.byteLength;
  if (value instanceof Map || value instanceof Set) return sizeOfCollection(value);
  if (value instanceof Blob) return OPAQUE_BYTES + value.size;
  return sizeOfFields(value);
}

function sizeOfArray(array: readonly unknown[]): number {
  const looked = Math.min(array.length, MOST_ELEMENTS);
  let sum = 0;
  for (let i = 0; i < looked && parts-- > 0; i++) {
    sum += size(array[i * Math.floor(array.length / looked)]);
  }
  return OBJECT_BYTES + array.length * SLOT_BYTES + extended(sum, looked, array.length);
}

function sizeOfCollection(collection: Map<unknown, unknown> | Set<unknown>): number {
  let looked = 0;
  let sum = 0;
  for (const [key, value] of collection.entries()) {
    if (looked === MOST_ELEMENTS || parts-- <= 0) break;
    looked++;
    sum += size(key);
    if (value !== key) sum += size(value);
  }
  return OPAQUE_BYTES + collection.size * 4 * SLOT_BYTES + extended(sum, looked, collection.size);
}

function sizeOfFields(object: object): number {
  let sum = OBJECT_BYTES;
  for (const name in object) {
    if (parts-- <= 0) break;
    // A getter is not called: nobody can know what it does.
    sum += SLOT_BYTES + size(Object.getOwnPropertyDescriptor(object, name)?.value);
  }
  return sum;
}

/** Returns the size of `count` elements, `looked` of which take `sum` bytes. */
function extended(sum: number, looked: number, count: number): number {
  return looked === 0 ? 0 : sum * count / looked;
}
