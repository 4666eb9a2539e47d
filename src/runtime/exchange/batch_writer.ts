/**
 * Encodes the items that leave a worker, in batches of a bounded size.
 *
 * @module
 */
import { sizeDown, sizeUp } from "../../core/byte_sizes.ts";
import { BatchEncoder } from "../../core/value_codec.ts";
import type { FailItem } from "./dealing.ts";

/** Accepts encoded items, for one receiver. */
export interface BatchTarget {
  /** `items`: `count` of them, for `decodeBatch`. */
  batch(count: number, items: Uint8Array): void;
}

/** How large things may be. */
export interface BatchLimits {
  /** The most bytes of an item. */
  readonly longest: number;
  /** A batch of this many bytes is sent, though there is more. */
  readonly batchBytes: number;
  /** The same of items. @default {Infinity} */
  readonly batchItems?: number;
  /** Where items go, for the error of one that is too long: `to another worker`. */
  readonly to: string;
  /** How to raise the limit, as an end of that error's sentence; absent if nobody can. */
  readonly raise?: string;
}

/** Writes the batches of one exchange. */
export class BatchWriter {
  readonly #encoder = new BatchEncoder();
  readonly #limits: BatchLimits;
  readonly #fail: FailItem;

  /** `fail` makes the error of an item that cannot be encoded, or is too long. */
  constructor(limits: BatchLimits, fail: FailItem) {
    this.#limits = limits;
    this.#fail = fail;
  }

  /** How many bytes it has kept. */
  get bytes(): number {
    return this.#encoder.bytes;
  }

  /** Encodes items, and hands all of them over. */
  write(items: readonly unknown[], target: BatchTarget): void {
    this.append(items, target);
    this.flush(target);
  }

  /** Encodes items, hands over each batch that is full, and keeps the rest. */
  append(items: readonly unknown[], target: BatchTarget): void {
    const encoder = this.#encoder;
    const { longest, batchBytes, batchItems = Infinity } = this.#limits;
    let before = encoder.bytes;
    for (const item of items) {
      try {
        encoder.write(item);
      } catch (thrown) {
        throw this.#fail(item, thrown);
      }
      const { bytes } = encoder;
      if (bytes - before > longest) throw this.#fail(item, this.#tooLarge(bytes - before));
      before = bytes;
      if (bytes < batchBytes && encoder.count < batchItems) continue;
      before = 0;
      this.flush(target);
    }
  }

  /** Hands over what it has kept. */
  flush(target: BatchTarget): void {
    const encoder = this.#encoder;
    if (encoder.count > 0) target.batch(encoder.count, encoder.take());
  }

  #tooLarge(bytes: number): Error {
    const { longest, to, raise } = this.#limits;
    return new RangeError(
      `the item takes ${sizeUp(bytes)}, and no more than ${
        sizeDown(longest)
      } can be sent ${to}: make ` +
        `items smaller before this step${raise === undefined ? "" : `, or ${raise}`}`,
    );
  }
}
