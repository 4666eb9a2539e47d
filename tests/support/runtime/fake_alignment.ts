import type { PartitionName } from "../../../src/core/ids.ts";
import type { InputReader, SourceAlignment } from "../../../src/graph/contracts.ts";

/** How {@linkcode FakeAlignment} reads. */
export interface FakeAlignmentOptions {
  /** How far a source may be ahead of the least one. */
  readonly drift: number;
  /** How many items of a source are read at once. */
  readonly most?: number;
}

/** Keeps the sources of one reader together, by times that the test notes. */
export class FakeAlignment implements SourceAlignment {
  /** How far each source has come. */
  readonly reached = new Map<PartitionName, number>();
  /** Whose sources are to be kept together, once it is open. */
  reader: InputReader<unknown> | null = null;
  /** Whether all are to wait, whatever their times. */
  isHeld = false;
  readonly #drift: number;
  readonly #most: number;
  #onChange: (() => void)[] = [];

  constructor({ drift, most = 100 }: FakeAlignmentOptions) {
    this.#drift = drift;
    this.#most = most;
  }

  choose(ready: readonly PartitionName[]): { source: PartitionName; most: number } | null {
    if (this.isHeld) return null;
    const timeOf = (source: PartitionName) => this.reached.get(source) ?? -Infinity;
    const behind = [...this.reader!.sources!()].filter(([, state]) => state === "behind");
    const least = Math.min(...behind.map(([source]) => timeOf(source)));
    const [source] = [...ready].sort((a, b) => timeOf(a) < timeOf(b) ? -1 : 1);
    const isAhead = timeOf(source) > least + this.#drift;
    return isAhead ? null : { source, most: this.#most };
  }

  changed(): Promise<void> {
    return new Promise((resolve) => this.#onChange.push(resolve));
  }

  /** Lets sources be read again, or holds them. */
  hold(isHeld: boolean): void {
    this.isHeld = isHeld;
    for (const resolve of this.#onChange.splice(0)) resolve();
  }
}
