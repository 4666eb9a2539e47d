/**
 * Reads named partitions for steps that use event time: each is a source of its own.
 *
 * @module
 */
import type { PartitionName } from "../../core/ids.ts";
import type { InputReader, Positions, SourceAlignment } from "../../graph/contracts.ts";
import type { IterableSource } from "./iterable_source.ts";
import { closeAll, type NamedSource, startPositions } from "./pair_reader.ts";

/**
 * The most silence that one look may add, in milliseconds. After a longer time without a look, the
 * process had much to do, or stood still. An iterator may have had no chance to yield.
 */
const LONGEST_LOOK_MS = 1_500;

/** What a {@linkcode PartitionsReader} needs besides its partitions. */
export interface PartitionsReaderOptions {
  /** The positions of partitions that have not yielded yet. */
  readonly resume: Positions;
  /** After how many milliseconds without items a partition counts as having nothing to read. */
  readonly idleAfterMs: number;
  /** The positions of partitions that are not read now, to be kept. */
  readonly unread?: Positions | undefined;
  /** Decides which partition to read. */
  readonly alignment: SourceAlignment;
  /** Returns milliseconds of a clock that nobody sets. */
  readonly now?: (() => number) | undefined;
}

/** A partition that has not ended. */
interface Partition {
  readonly name: PartitionName;
  readonly source: IterableSource;
  /** How long its iterator has been awaited without a result, up to the last look. */
  silentMs: number;
  /** When it was looked at last. */
  lookedAt: number;
  /** How many items it had yielded then; `null` if it was not awaited. */
  awaitedAfter: number | null;
}

/** Reads partitions of `[state, item]` pairs. Each batch is of one of them. */
export class PartitionsReader<T> implements InputReader<T> {
  readonly #all: readonly NamedSource[];
  readonly #positions: Map<PartitionName, unknown>;
  readonly #idleAfterMs: number;
  readonly #alignment: SourceAlignment;
  readonly #now: () => number;
  #open: Partition[];
  #source: PartitionName = "";
  /** If all that have items are to wait for others: the partitions that had none; else `null`. */
  #empty: readonly Partition[] | null = null;
  #isStopped = false;
  #onStop: () => void = () => {};
  #failure: { thrown: unknown } | null = null; // of a partition; thrown once the others are empty

  /** Begins with the first `next`. */
  constructor(partitions: readonly NamedSource[], options: PartitionsReaderOptions) {
    const { resume, idleAfterMs, unread, alignment, now = () => performance.now() } = options;
    this.#all = partitions;
    this.#positions = startPositions(partitions, resume, unread);
    this.#idleAfterMs = idleAfterMs;
    this.#alignment = alignment;
    this.#now = now;
    this.#open = partitions.map(([name, source]) => ({
      name,
      source,
      silentMs: 0,
      lookedAt: now(),
      awaitedAfter: null,
    }));
  }

  next(limit = Infinity): T[] | null {
    const items: T[] = [];
    this.#empty = null;
    this.#ask(limit);
    for (;;) {
      const ready = this.#open.filter(({ source }) => source.hasItems);
      if (ready.length === 0) break;
      const chosen = this.#choose(ready);
      if (chosen === null) {
        this.#empty = this.#open.filter((partition) => !ready.includes(partition));
        return items;
      }
      const { partition, most } = chosen;
      // Where it makes no difference, they take turns.
      this.#open.push(...this.#open.splice(this.#open.indexOf(partition), 1));
      this.#take(partition, items, Math.min(limit, most));
      if (items.length === 0) continue; // it has ended
      this.#source = partition.name;
      return items;
    }
    if (this.#open.length > 0) return items;
    if (this.#failure !== null) throw this.#failure.thrown;
    return null;
  }

  sources(): ReadonlyMap<PartitionName, "behind" | "current"> {
    const now = this.#now();
    return new Map(this.#open.map((partition) => {
      look(partition, now);
      return [partition.name, this.#isCurrent(partition) ? "current" : "behind"];
    }));
  }

  source(): PartitionName {
    return this.#source;
  }

  /** Their iterators may have been silent for long while their items had to wait. */
  idle(): number | boolean {
    if (this.#empty !== null) return false;
    return this.#open.every((each) => this.#isCurrent(each)) ? true : this.#idleAfterMs;
  }

  async ready(): Promise<void> {
    if (this.#empty === null) {
      return await Promise.race(this.#open.map(({ source }) => source.ready()));
    }
    const stopped = new Promise<void>((resolve) => this.#onStop = resolve);
    await Promise.race([
      this.#alignment.changed(),
      stopped,
      ...this.#empty.map(({ source }) => source.ready()),
    ]);
  }

  positions(): Positions {
    return new Map(this.#positions);
  }

  stop(): void {
    this.#isStopped = true;
    for (const [, source] of this.#all) source.stop();
    this.#onStop();
  }

  async close(): Promise<void> {
    await closeAll(this.#all);
  }

  /**
   * Has those that have nothing read ahead, and removes those that have ended. An iterable that is
   * not asynchronous has to be asked for an item before that is known.
   */
  #ask(limit: number): void {
    const now = this.#now();
    for (const partition of [...this.#open]) {
      if (!partition.source.hasItems) this.#take(partition, [], limit);
      look(partition, now);
    }
  }

  #isCurrent({ source, silentMs, awaitedAfter }: Partition): boolean {
    return !source.hasItems && awaitedAfter !== null && silentMs >= this.#idleAfterMs;
  }

  /**
   * Which one to read. After a stop or an error, what waits is handed out in any order. The
   * partition that it would wait for may get no further.
   */
  #choose(ready: readonly Partition[]): { partition: Partition; most: number } | null {
    if (this.#isStopped) return { partition: ready[0], most: Infinity };
    const chosen = this.#alignment.choose(ready.map(({ name }) => name));
    if (chosen === null) return null;
    const partition = ready.find(({ name }) => name === chosen.source)!;
    return { partition, most: chosen.most };
  }

  /** Reads items of a partition. If it fails, the others are asked for no more, as at a stop. */
  #take(partition: Partition, items: T[], limit: number): void {
    const { name, source } = partition;
    let hasMore = false;
    try {
      hasMore = source.pull(items, limit, 1 / this.#all.length);
    } catch (thrown) {
      this.#failure ??= { thrown };
      this.stop();
    } finally {
      if (items.length > 0) this.#positions.set(name, source.state);
      if (!hasMore) this.#open = this.#open.filter((each) => each !== partition);
    }
  }
}

/**
 * Counts for how long an iterator has been awaited. What it has yielded may wait meanwhile for
 * other partitions.
 */
function look(partition: Partition, now: number): void {
  const { awaitedAfter } = partition.source;
  const isSilent = awaitedAfter !== null && awaitedAfter === partition.awaitedAfter;
  const passed = Math.min(Math.max(now - partition.lookedAt, 0), LONGEST_LOOK_MS);
  partition.silentMs = isSilent ? partition.silentMs + passed : 0;
  partition.lookedAt = now;
  partition.awaitedAfter = awaitedAfter;
}
