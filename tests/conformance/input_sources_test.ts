/** The suite for inputs with sources finds each fault that it has a check for. */
import { assertEquals, assertRejects } from "@std/assert";
import type {
  InputConfig,
  InputReader,
  PartitionName,
  Place,
  Positions,
  SourceAlignment,
} from "../../mod.ts";
import { sourceChecks } from "./input_sources.ts";
import type { InputSubject } from "./opened_input.ts";

/** What a {@linkcode ModelReader} does wrong. */
type Fault =
  | "loses an item when it goes to another source"
  | "fills a batch from several sources"
  | "reads another source than the chosen one"
  | "returns more items than it may"
  | "keeps the position of one source only"
  | "lists a source again that has ended"
  | "lists sources at the end"
  | "returns items of what it does not list"
  | "calls a source current that has more"
  | "reads on though all is to wait"
  | "is idle while it waits"
  | "is not ready when it may go on"
  | "offers only the first source";

const FOUND_BY: Readonly<Record<Fault, string>> = {
  "loses an item when it goes to another source":
    "each item comes once, each partition in its order, whichever source is chosen",
  "fills a batch from several sources":
    "a batch is of the source that was chosen, and has no more items than it may",
  "reads another source than the chosen one":
    "a batch is of the source that was chosen, and has no more items than it may",
  "returns more items than it may":
    "a batch is of the source that was chosen, and has no more items than it may",
  "keeps the position of one source only":
    "a run continues after any batch, whichever source is chosen",
  "lists a source again that has ended":
    "a source that has ended does not come back, and at the end all have",
  "lists sources at the end": "a source that has ended does not come back, and at the end all have",
  "returns items of what it does not list":
    "a source that has ended does not come back, and at the end all have",
  "calls a source current that has more": "a source is not called current while it has more",
  "reads on though all is to wait":
    "an input that has to wait returns nothing, is not idle, and goes on when it may",
  "is idle while it waits":
    "an input that has to wait returns nothing, is not idle, and goes on when it may",
  "is not ready when it may go on":
    "an input that has to wait returns nothing, is not idle, and goes on when it may",
  "offers only the first source": "a source can be read to its end while all others wait",
};

const SHELVES = ["a", "b", "c"].map((name) => Array.from({ length: 8 }, (_, i) => `${name}${i}`));

/** An input whose shelves are sources. Every other call finds nothing ready. */
class ModelInput implements InputConfig<string> {
  constructor(readonly fault: Fault | null) {}

  open({ alignment }: Place, resume: Positions): Promise<InputReader<string>> {
    return Promise.resolve(new ModelReader(this.fault, alignment!, resume));
  }
}

class ModelReader implements InputReader<string> {
  readonly #fault: Fault | null;
  readonly #alignment: SourceAlignment;
  readonly #shelves: { readonly name: string; readonly items: readonly string[]; read: number }[];
  #source: PartitionName = "";
  #isHeld = false;
  #calls = 0;

  constructor(fault: Fault | null, alignment: SourceAlignment, resume: Positions) {
    this.#fault = fault;
    this.#alignment = alignment;
    this.#shelves = SHELVES.map((items, i) => ({
      name: String(i),
      items,
      read: resume.get(String(i)) as number | undefined ?? 0,
    }));
  }

  #has(fault: Fault): boolean {
    return this.#fault === fault;
  }

  get #left() {
    return this.#shelves.filter(({ items, read }) => read < items.length);
  }

  next(limit = Infinity): string[] | null {
    const left = this.#left;
    if (left.length === 0) return null;
    this.#isHeld = false;
    if (this.#calls++ % 2 === 0) return [];
    const offered = this.#has("offers only the first source") ? left.slice(0, 1) : left;
    const chosen = this.#alignment.choose(offered.map(({ name }) => name));
    this.#isHeld = chosen === null;
    if (chosen === null && !this.#has("reads on though all is to wait")) return [];
    const { source, most } = chosen ?? { source: left[0].name, most: 1 };
    let shelf = left.find(({ name }) => name === source)!;
    if (this.#has("reads another source than the chosen one")) shelf = left[0];
    if (this.#has("loses an item when it goes to another source") && shelf.name !== this.#source) {
      shelf.read++;
    }
    this.#source = shelf.name;
    const more = this.#has("returns more items than it may") ? 1 : 0;
    const batch = shelf.items.slice(shelf.read, shelf.read + Math.min(limit, most) + more);
    shelf.read += batch.length;
    const [other] = this.#left;
    if (this.#has("fills a batch from several sources") && other !== undefined) {
      batch.push(other.items[other.read++]);
    }
    return batch;
  }

  sources(): ReadonlyMap<PartitionName, "behind" | "current"> {
    const [first] = this.#shelves;
    const comesBack = this.#has("lists a source again that has ended") && this.#calls % 4 === 0;
    const left = this.#has("lists sources at the end") || comesBack ? this.#shelves : this.#left;
    const listed = this.#has("returns items of what it does not list")
      ? left.filter((each) => each !== first)
      : left;
    const isWrong = this.#has("calls a source current that has more");
    const stateOf = ({ read }: { read: number }) => isWrong && read > 2 ? "current" : "behind";
    return new Map(listed.map((shelf) => [shelf.name, stateOf(shelf)]));
  }

  source(): PartitionName {
    return this.#source;
  }

  idle(): boolean {
    return this.#has("is idle while it waits");
  }

  async ready(): Promise<void> {
    if (this.#has("is not ready when it may go on") && this.#isHeld) await new Promise(() => {});
    if (this.#isHeld) await this.#alignment.changed();
    this.#calls |= 1;
  }

  positions(): Positions {
    const stored = this.#has("keeps the position of one source only")
      ? this.#shelves.filter(({ name }) => name === this.#source)
      : this.#shelves;
    return new Map(stored.map(({ name, read }) => [name, read]));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function subject(fault: Fault | null): InputSubject {
  return {
    items: SHELVES,
    config: () => new ModelInput(fault),
    patienceMs: 500,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

Deno.test("the suite for inputs with sources passes an input without faults", async () => {
  for (const { run } of sourceChecks) await run(subject(null));
});

for (const [fault, title] of Object.entries(FOUND_BY) as [Fault, string][]) {
  Deno.test(`the suite for inputs with sources finds one that ${fault}`, async () => {
    const check = sourceChecks.find((each) => each.title === title)!;
    await assertRejects(() => check.run(subject(fault)));
  });
}

Deno.test("each check of the suite for inputs with sources finds a fault", () => {
  const found = new Set(Object.values(FOUND_BY));
  assertEquals(sourceChecks.map(({ title }) => title).filter((title) => !found.has(title)), []);
});
