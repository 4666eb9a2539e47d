/**
 * Values that wait for the end of the epoch that they belong to.
 *
 * Tasks and workers come to the end of an epoch one after the other. So some are in the next one
 * already while others are not. What each of them has at the end of an epoch must not replace what
 * a snapshot of the epoch before still needs.
 *
 * @module
 */
import type { Epoch } from "../core/ids.ts";

interface Waiting<K, V> {
  readonly epoch: Epoch;
  readonly key: K;
  readonly value: V;
}

/** Keeps the newest value of each key, as of any epoch that has not been asked for yet. */
export class EpochLedger<K, V> {
  readonly #latest = new Map<K, V>();
  #waiting: Waiting<K, V>[] = [];

  /** Records what a key has at the end of an epoch. */
  record(epoch: Epoch, key: K, value: V): void {
    this.#waiting.push({ epoch, key, value });
  }

  /**
   * The newest value of each key at the end of `epoch`. Earlier epochs cannot be asked for
   * afterwards.
   *
   * @returns The values in the order in which their keys were recorded first.
   */
  upTo(epoch: Epoch): V[] {
    const later: Waiting<K, V>[] = [];
    for (const each of this.#waiting) {
      if (each.epoch <= epoch) this.#latest.set(each.key, each.value);
      else later.push(each);
    }
    this.#waiting = later;
    return [...this.#latest.values()];
  }
}
