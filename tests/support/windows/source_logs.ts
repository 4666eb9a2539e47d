/** Logs that a test appends to and flows read, such as the partitions of a topic. */
import type { InputConfig, InputReader, Place, Positions } from "../../../mod.ts";
import { Random } from "../values/random.ts";

/** A source. Items are appended while flows read it; it may end. */
export class SourceLog<T> {
  readonly name: string;
  readonly items: T[] = [];
  /** Whether nothing will be appended any more. */
  isClosed = false;
  /** Chance of being read next, beside that of the others. */
  speed = 1;
  /**
   * What the source says of itself once all has been handed out. `"behind at first"`: it is current
   * after an item of this run that reaches the windows.
   */
  whenRead: "behind" | "current" | "behind at first" = "behind";
  /** Up to where the run has read it. */
  read = 0;

  constructor(name: string) {
    this.name = name;
  }
}

/**
 * An input whose sources are logs. Log `n` belongs to worker `n mod workerCount`. Which of them is
 * read next, and how far, is random.
 */
export class SourceLogs<T> implements InputConfig<T> {
  readonly logs: readonly SourceLog<T>[];
  readonly #seed: number;
  readonly #batchSize: number;
  readonly #reaches: (item: T) => boolean;
  #waiting: (() => void)[] = [];

  /** @param reaches Whether an item reaches the windows. */
  constructor(
    logs: readonly SourceLog<T>[],
    seed: number,
    batchSize: number,
    reaches: (item: T) => boolean,
  ) {
    this.logs = logs;
    this.#seed = seed;
    this.#batchSize = batchSize;
    this.#reaches = reaches;
  }

  /** Has the readers look again. */
  wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  open({ workerIndex, workerCount, alignment }: Place, resume: Positions): Promise<InputReader<T>> {
    const mine = this.logs.filter((_, index) => index % workerCount === workerIndex);
    const positions = new Map(mine.map(({ name }) => [name, resume.get(name) as number ?? 0]));
    for (const log of mine) log.read = positions.get(log.name)!;
    const random = new Random(this.#seed + workerIndex);
    const begun = new Set<string>(); // logs of which something reaches the windows in this run
    let current: string | null = null;
    const isRead = ({ name, items }: SourceLog<T>) => positions.get(name)! === items.length;
    const sources = () => {
      const open = mine.filter((log) => !log.isClosed || !isRead(log));
      return new Map(open.map((log) => {
        const { name, whenRead } = log;
        if (!isRead(log)) return [name, "behind"];
        if (whenRead !== "behind at first") return [name, whenRead];
        return [name, begun.has(name) ? "current" : "behind"];
      }));
    };
    const choose = () => {
      const ready = mine.filter((log) => !isRead(log));
      if (ready.length === 0) return null;
      const most = 1 + random.below(this.#batchSize);
      if (alignment) {
        const chosen = alignment.choose(ready.map(({ name }) => name));
        if (chosen === null) return null;
        const log = ready.find(({ name }) => name === chosen.source)!;
        return { log, most: Math.min(most, chosen.most) };
      }
      return { log: faster(ready, random), most };
    };
    return Promise.resolve({
      next: () => {
        if (sources().size === 0) return null;
        const chosen = choose();
        if (chosen === null) return [];
        const { log, most } = chosen;
        const from = positions.get(log.name)!;
        const batch = log.items.slice(from, from + most);
        positions.set(log.name, from + batch.length);
        log.read = from + batch.length;
        if (batch.some(this.#reaches)) begun.add(log.name);
        current = log.name;
        return batch;
      },
      ready: () => {
        const woken = new Promise<void>((resolve) => this.#waiting.push(resolve));
        const isHeld = alignment && mine.some((log) => !isRead(log));
        return isHeld ? Promise.race([woken, alignment.changed()]) : woken;
      },
      idle: () => sources().values().every((state) => state === "current"),
      sources: sources as () => Map<string, "behind" | "current">,
      source: () => current!,
      positions: () => positions,
      close: () => Promise.resolve(),
    });
  }
}

/** One of the logs: fast ones more often. */
function faster<T>(logs: readonly SourceLog<T>[], random: Random): SourceLog<T> {
  let left = random.below(logs.reduce((sum, { speed }) => sum + speed, 0));
  for (const log of logs) {
    left -= log.speed;
    if (left < 0) return log;
  }
  throw new Error("no log has a speed");
}
