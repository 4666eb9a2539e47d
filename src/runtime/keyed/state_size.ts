/**
 * About how many bytes a step's state takes in snapshots, without a look at all of its keys.
 *
 * Only keys that have changed are encoded. Those that have not are taken to be as large on average
 * as they were before. If all keys change in an epoch, the size is exact.
 */
export class StateSize {
  #keys = 0;
  #bytes = 0;

  /** A snapshot has encoded `count` states, which take `bytes`. The step had `keys` then. */
  wrote(count: number, bytes: number, keys: number): void {
    const others = Math.max(0, keys - count);
    const mean = this.#keys === 0 ? 0 : this.#bytes / this.#keys;
    const known = this.#keys === 0 ? 0 : others;
    this.#keys = known + count;
    this.#bytes = mean * known + bytes;
  }

  /** A state of `bytes` has been put back from an earlier snapshot. */
  restored(bytes: number): void {
    this.#keys++;
    this.#bytes += bytes;
  }

  /** The bytes of `keys` states; `null` if no state has been encoded yet. */
  of(keys: number): number | null {
    if (keys === 0) return 0;
    return this.#keys === 0 ? null : Math.round(this.#bytes / this.#keys * keys);
  }
}
