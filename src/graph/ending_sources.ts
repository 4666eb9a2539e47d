import type { PartitionName } from "../core/ids.ts";

/**
 * The sources of an input that has all it will ever have: each of them is behind until it ends.
 *
 * There may be ten thousand, and one ends after the other. So an input keeps one of these and
 * removes from it. Who has seen it before need only look at what has ended since.
 */
export class EndingSources extends Map<PartitionName, "behind"> {
  readonly #ended: PartitionName[] = [];

  /** None has ended yet. */
  constructor(names: Iterable<PartitionName>) {
    super();
    for (const name of names) this.set(name, "behind");
  }

  /** Those that have ended, in the order in which they did. */
  get ended(): readonly PartitionName[] {
    return this.#ended;
  }

  /** A source has ended. */
  end(name: PartitionName): void {
    if (this.delete(name)) this.#ended.push(name);
  }
}
