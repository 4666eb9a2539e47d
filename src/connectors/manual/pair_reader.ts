import type { PartitionName } from "../../core/ids.ts";
import type { InputReader, Positions } from "../../graph/contracts.ts";
import type { IterableSource } from "./iterable_source.ts";

/** A partition, and what it yields. */
export type NamedSource = readonly [PartitionName, IterableSource];

/**
 * Returns the positions before anything is read. `resume` holds those of partitions that have not
 * yielded yet. `unread` holds those of partitions that are not read now, to be kept.
 */
export function startPositions(
  partitions: readonly NamedSource[],
  resume: Positions,
  unread: Positions = new Map(),
): Map<PartitionName, unknown> {
  const positions = new Map(unread);
  for (const [name] of partitions) if (resume.has(name)) positions.set(name, resume.get(name));
  return positions;
}

/** Closes all iterators, also those after one that fails at that. */
export async function closeAll(partitions: readonly NamedSource[]): Promise<void> {
  const closed = await Promise.allSettled(
    partitions.map(async ([, source]) => await source.close()),
  );
  for (const result of closed) if (result.status === "rejected") throw result.reason;
}

/** Reads one or more partitions of `[state, item]` pairs, one after the other. */
export class PairReader<T> implements InputReader<T> {
  readonly #positions: Map<PartitionName, unknown>;
  #open: NamedSource[];
  readonly #all: readonly NamedSource[];
  readonly #idleAfterMs: number;
  #failure: { thrown: unknown } | null = null; // of a partition; thrown once the others are empty

  /** `resume` and `unread` as for {@linkcode startPositions}. */
  constructor(
    partitions: readonly NamedSource[],
    resume: Positions,
    idleAfterMs: number,
    unread?: Positions,
  ) {
    this.#all = partitions;
    this.#idleAfterMs = idleAfterMs;
    this.#open = [...partitions];
    this.#positions = startPositions(partitions, resume, unread);
  }

  /**
   * If a partition fails, the others are asked for no more, as at a stop. What they have yielded by
   * then is returned before the error is thrown.
   */
  next(limit = Infinity): T[] | null {
    const items: T[] = [];
    this.#open = this.#open.filter(([name, source]) =>
      items.length >= limit || this.#take(name, source, items, limit - items.length)
    );
    // If there is room for few items only, the partitions take turns at being first.
    if (this.#open.length > 1) this.#open.push(this.#open.shift()!);
    if (items.length > 0 || this.#open.length > 0) return items;
    if (this.#failure !== null) throw this.#failure.thrown;
    return null;
  }

  /**
   * Partitions cannot know whether they are idle. If all yield nothing, each has done so for at
   * least this long.
   */
  idle(): number {
    return this.#idleAfterMs;
  }

  ready(): Promise<void> {
    return Promise.race(this.#open.map(([, source]) => source.ready()));
  }

  positions(): Positions {
    return new Map(this.#positions);
  }

  stop(): void {
    for (const [, source] of this.#all) source.stop();
  }

  async close(): Promise<void> {
    await closeAll(this.#all);
  }

  /** Returns whether the partition may have more. */
  #take(name: PartitionName, source: IterableSource, items: T[], limit: number): boolean {
    const before = items.length;
    try {
      return source.pull(items, limit, 1 / this.#all.length);
    } catch (thrown) {
      this.#failure ??= { thrown };
      this.stop();
      return false;
    } finally {
      if (items.length > before) this.#positions.set(name, source.state);
    }
  }
}
