/** The suite for inputs finds each fault that it has a check for. */
import { assertEquals, assertRejects } from "@std/assert";
import type { InputConfig, InputReader, Place, Positions, Progress } from "../../mod.ts";
import { inputChecks, type InputSubject } from "./input.ts";

/** What a {@linkcode ModelInput} does wrong. */
type Fault =
  | "repeats the first item of a partition"
  | "swaps two items"
  | "has a position after an item that has not come"
  | "has a position before the last item"
  | "has no position of a partition before it is read"
  | "forgets partitions that are away"
  | "moves on when it is asked for positions"
  | "has a function in its position"
  | "returns the objects that it goes on changing"
  | "changes the positions to resume"
  | "ignores the limit"
  | "goes on using its batches"
  | "moves back when an epoch is committed"
  | "locates only objects"
  | "has read more than there is"
  | "has items of before 1970"
  | "has no progress at the end"
  | "reads all on each worker"
  | "names its partitions by worker"
  | "drops what was taken when it is stopped"
  | "waits on when it is stopped"
  | "loses the items before an error"
  | "hides an error"
  | "closes only before the end"
  | "closes once";

/** The check that has to find each fault; others may fail too. */
const FOUND_BY: Readonly<Record<Fault, string>> = {
  "repeats the first item of a partition":
    "each item comes once, each partition in its order, then null",
  "swaps two items": "each item comes once, each partition in its order, then null",
  "has a position after an item that has not come":
    "a run continues after any batch: nothing is lost, nothing comes twice",
  "has a position before the last item":
    "a run continues after any batch: nothing is lost, nothing comes twice",
  "has no position of a partition before it is read":
    "a run that reads nothing keeps all positions",
  "forgets partitions that are away": "a partition that is away for a run continues after it",
  "moves on when it is asked for positions":
    "positions are the same, however often they are asked for",
  "has a function in its position": "positions are plain data",
  "returns the objects that it goes on changing":
    "positions that were returned do not change as reading goes on",
  "changes the positions to resume": "the positions to resume stay as they were",
  "ignores the limit": "a batch has no more items than the limit",
  "goes on using its batches": "a batch belongs to the caller, who may change it",
  "moves back when an epoch is committed": "committed positions change nothing in what is read",
  "locates only objects":
    "idle, locate, lag, itemTimes and waitingFor answer whenever they may be asked",
  "has read more than there is":
    "idle, locate, lag, itemTimes and waitingFor answer whenever they may be asked",
  "has items of before 1970":
    "idle, locate, lag, itemTimes and waitingFor answer whenever they may be asked",
  "has no progress at the end": "progress grows up to its total",
  "reads all on each worker": "several workers share the items: each comes once",
  "names its partitions by worker": "a run continues with another number of workers",
  "drops what was taken when it is stopped":
    "after a stop, what was taken comes, then null; the next run reads the rest",
  "waits on when it is stopped": "an input that waits can be stopped and closed",
  "loses the items before an error": "the items before an error come first, then the error",
  "hides an error": "the items before an error come first, then the error",
  "closes only before the end": "close may come at any time",
  "closes once": "a second close does nothing",
};

const SHELVES = ["a", "b", "c"].map((name) => Array.from({ length: 8 }, (_, i) => `${name}${i}`));

/** How a {@linkcode ModelInput} ends. */
type Ending = "ends" | "waits" | "fails";

/** An input that takes items from shelves one ahead, and does nothing wrong without a fault. */
class ModelInput implements InputConfig<string> {
  constructor(
    readonly shelves: readonly (readonly string[])[],
    readonly ending: Ending,
    readonly fault: Fault | null,
  ) {}

  open(at: Place, resume: Positions): Promise<InputReader<string>> {
    return Promise.resolve(new ModelReader(this, at, resume));
  }
}

interface Shelf {
  readonly name: string;
  readonly items: readonly string[];
  readonly state: { read: number };
  isRead: boolean;
}

class ModelReader implements InputReader<string> {
  readonly #input: ModelInput;
  readonly #shelves: Shelf[];
  readonly #away: [string, unknown][];
  readonly #stopped = Promise.withResolvers<void>();
  #isStopped = false;
  #isOver = false;
  #isClosed = false;
  #lastBatch: string[] = [];

  constructor(input: ModelInput, { workerIndex, workerCount }: Place, resume: Positions) {
    this.#input = input;
    const nameOf = (i: number) =>
      this.#has("names its partitions by worker") ? `${workerCount} workers, ${i}` : String(i);
    const mine = (i: number) =>
      this.#has("reads all on each worker") || i % workerCount === workerIndex;
    this.#shelves = input.shelves.map((items, i) => {
      const stored = resume.get(nameOf(i)) as { read: number } | undefined;
      const keeps = this.#has("changes the positions to resume") && stored !== undefined;
      return {
        name: nameOf(i),
        items,
        state: keeps ? stored : { read: stored?.read ?? 0 },
        isRead: false,
      };
    }).filter((_, i) => mine(i));
    const names = new Set(input.shelves.map((_, i) => nameOf(i)));
    this.#away = workerIndex === 0 && !this.#has("forgets partitions that are away")
      ? [...resume].filter(([name]) => !names.has(name))
      : [];
  }

  #has(fault: Fault): boolean {
    return this.#input.fault === fault;
  }

  next(limit = 4): string[] | null {
    if (this.#has("goes on using its batches") && this.#lastBatch.length === 1) {
      this.#lastBatch.length = 0;
      this.#shelf!.state.read++;
    }
    if (this.#isStopped) return null;
    const shelf = this.#shelf;
    if (shelf === undefined) {
      if (this.#input.ending === "waits") return [];
      this.#isOver = true;
      if (this.#input.ending !== "fails" || this.#has("hides an error")) return null;
      throw new Error("the shelf broke");
    }
    const { items, state } = shelf;
    const most = this.#has("ignores the limit") ? 4 : limit;
    const batch = items.slice(state.read, state.read + most);
    if (this.#has("repeats the first item of a partition") && state.read === 0) {
      batch.unshift(items[0]);
    }
    if (this.#has("swaps two items")) batch.reverse();
    if (this.#has("loses the items before an error") && this.#input.ending === "fails") {
      throw new Error("the shelf broke");
    }
    state.read += Math.min(most, items.length - state.read);
    shelf.isRead = true;
    return this.#lastBatch = batch;
  }

  get #shelf(): Shelf | undefined {
    return this.#shelves.find(({ items, state }) => state.read < items.length);
  }

  ready(): Promise<void> {
    return this.#input.ending === "waits" ? this.#stopped.promise : Promise.resolve();
  }

  positions(): Positions {
    const shelves = this.#has("has no position of a partition before it is read")
      ? this.#shelves.filter(({ isRead }) => isRead)
      : this.#shelves;
    const positions = new Map(shelves.map(({ name, state }) => [name, this.#position(state)]));
    for (const [name, state] of this.#away) positions.set(name, state);
    if (this.#has("moves on when it is asked for positions")) this.#shelves[0].state.read++;
    return positions;
  }

  #position(state: { read: number }): unknown {
    const { read } = state;
    if (this.#has("has a position after an item that has not come")) return { read: read + 1 };
    if (this.#has("has a position before the last item")) return { read: Math.max(0, read - 1) };
    if (this.#has("has a function in its position")) return { read, next: () => read + 1 };
    return this.#has("returns the objects that it goes on changing") ? state : { read };
  }

  locate(item: unknown): string | null {
    if (this.#has("locates only objects")) return (item as string[]).at(0)!;
    return typeof item === "string" ? `shelf ${item[0]}` : null;
  }

  itemTimes(): ReadonlyMap<string, number> {
    const time = this.#has("has items of before 1970") ? -1 : 1;
    return new Map(this.#shelves.map(({ name }) => [name, time]));
  }

  lag(): ReadonlyMap<string, number> {
    const more = this.#has("has read more than there is") ? 1 : 0;
    return new Map(
      this.#shelves.map(({ name, items, state }) => [name, items.length - state.read - more]),
    );
  }

  progress(): Progress {
    const done = this.#shelves.reduce((sum, { state }) => sum + state.read, 0);
    const total = this.#shelves.reduce((sum, { items }) => sum + items.length, 0);
    const isLost = this.#has("has no progress at the end") && done === total;
    return { done: isLost ? 0 : done, total, unit: "items" };
  }

  committed(): Promise<void> {
    if (this.#has("moves back when an epoch is committed")) this.#shelves[0].state.read = 0;
    return Promise.resolve();
  }

  stop(): void {
    this.#isStopped = true;
    if (!this.#has("waits on when it is stopped")) this.#stopped.resolve();
    const shelf = this.#shelf;
    if (this.#has("drops what was taken when it is stopped") && shelf) shelf.state.read++;
  }

  close(): Promise<void> {
    if (this.#has("closes only before the end") && this.#isOver) {
      return Promise.reject(new Error("closed already"));
    }
    if (this.#has("closes once") && this.#isClosed) {
      return Promise.reject(new Error("closed already"));
    }
    this.#isClosed = true;
    return Promise.resolve();
  }
}

function subject(fault: Fault | null): InputSubject<string> {
  const [first] = SHELVES;
  return {
    items: SHELVES,
    config: () => new ModelInput(SHELVES, "ends", fault),
    fewer: () => new ModelInput(SHELVES.slice(0, -1), "ends", fault),
    waiting: () => new ModelInput([], "waits", fault),
    failing: () => ({
      config: new ModelInput([first], "fails", fault),
      items: first,
      message: "the shelf broke",
    }),
    patienceMs: 500,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

Deno.test("the suite for inputs passes an input without faults", async () => {
  for (const { run } of inputChecks) await run(subject(null) as InputSubject);
});

for (const [fault, title] of Object.entries(FOUND_BY) as [Fault, string][]) {
  Deno.test(`the suite for inputs finds one that ${fault}`, async () => {
    const check = inputChecks.find((each) => each.title === title)!;
    await assertRejects(() => check.run(subject(fault) as InputSubject));
  });
}

Deno.test("each check of the suite for inputs finds a fault", () => {
  const found = new Set(Object.values(FOUND_BY));
  assertEquals(inputChecks.map(({ title }) => title).filter((title) => !found.has(title)), []);
});
