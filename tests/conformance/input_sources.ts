/**
 * What each input has to do that reads several sources of event time: `sources` and `source` of
 * `InputReader`, and `Place.alignment`, as the engine uses them.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { PartitionName } from "../../src/core/ids.ts";
import type { InputReader, SourceAlignment } from "../../src/graph/contracts.ts";
import { assertAll, type InputSubject, LIMIT, Opened } from "./opened_input.ts";
import { type Check, register, type Skips } from "./suite.ts";

/** The checks, for {@linkcode testSources} and for the test of this suite. */
export const sourceChecks: readonly Check<InputSubject>[] = [
  {
    title: "each item comes once, each partition in its order, whichever source is chosen",
    async run(subject) {
      for (const seed of [1, 2, 3]) {
        await using opened = await Opened.of(subject, { alignment: new AnyOrder(seed) });
        assertAll(subject, await opened.readAll());
      }
    },
  },
  {
    title: "a batch is of the source that was chosen, and has no more items than it may",
    async run(subject) {
      const alignment = new AnyOrder(4);
      await using opened = await Opened.of(subject, { alignment });
      const listOf = new Map<PartitionName, number>();
      await opened.readAll(undefined, (batch) => {
        const source = opened.reader.source!();
        assertEquals(source, alignment.chosen);
        assert(batch.length <= LIMIT, `${batch.length} items came, and ${LIMIT} were allowed`);
        for (const text of opened.textsOf(batch)) {
          const list = subject.items.findIndex((items) => items.includes(text));
          assertEquals(list, listOf.get(source) ?? list);
          listOf.set(source, list);
        }
      });
    },
  },
  {
    title: "a run continues after any batch, whichever source is chosen",
    async run(subject) {
      for (let cut = 0, ended = false; !ended; cut++) {
        await using first = await Opened.of(subject, { alignment: new AnyOrder(cut) });
        const texts = await first.readSome(cut);
        ended = first.ended;
        const resume = first.positions();
        await using second = await Opened.of(subject, { resume, alignment: new AnyOrder(~cut) });
        assertAll(subject, [...texts, ...await second.readAll()]);
      }
    },
  },
  {
    title: "a source that has ended does not come back, and at the end all have",
    async run(subject) {
      await using opened = await Opened.of(subject, { alignment: new AnyOrder(5) });
      const { reader } = opened;
      const ended = new Set<PartitionName>();
      let before = new Set(reader.sources!().keys());
      assert(before.size > 0, "there is no source before anything has been read");
      const look = () => {
        const now = new Set(reader.sources!().keys());
        for (const name of before.difference(now)) ended.add(name);
        assertEquals(now.intersection(ended), new Set());
        before = now;
      };
      await opened.readAll(LIMIT, () => {
        const source = reader.source!();
        assert(before.has(source), `a batch is of "${source}", which is not a source`);
        look();
      }, look);
      assertEquals([...reader.sources!()], []);
    },
  },
  {
    title: "a source is not called current while it has more",
    async run(subject) {
      await using opened = await Opened.of(subject, { alignment: new AnyOrder(6) });
      const { reader } = opened;
      const current = new Set<PartitionName>();
      const look = () => {
        for (const [name, state] of reader.sources!()) if (state === "current") current.add(name);
      };
      look();
      await opened.readAll(LIMIT, () => {
        const source = reader.source!();
        assert(!current.has(source), `"${source}" was current, and has items`);
        look();
      }, look);
    },
  },
  {
    title: "an input that has to wait returns nothing, is not idle, and goes on when it may",
    async run(subject) {
      const alignment = new Gate();
      await using opened = await Opened.of(subject, { alignment });
      const { reader } = opened;
      for (let round = 0; round < 3; round++) {
        await untilHeld(opened, alignment);
        const ready = reader.ready();
        alignment.open(true);
        await opened.inTime(ready, "a ready() that was pending when nothing had to wait any more");
        const batch = reader.next(LIMIT);
        assert(batch !== null && batch.length > 0, "nothing came, though it need not wait");
        alignment.open(false);
      }
    },
  },
  {
    title: "a source can be read to its end while all others wait",
    async run(subject) {
      await using first = await Opened.of(subject, { alignment: new AnyOrder(7) });
      for (const source of first.reader.sources!().keys()) {
        await using opened = await Opened.of(subject, { alignment: new Only(source) });
        const { reader } = opened;
        while (reader.sources!().has(source)) {
          const batch = reader.next();
          if (batch!.length > 0) assertEquals(reader.source!(), source);
          else if (reader.sources!().has(source)) await opened.inTime(reader.ready(), "ready()");
        }
      }
    },
  },
];

/**
 * Registers the tests of an input whose readers have `sources`.
 *
 * @param name Which input it is.
 * @param make Makes what is tested, for each check.
 * @param skips The checks that it does not pass, each with the reason.
 */
export function testSources<T>(
  name: string,
  make: () => InputSubject<T> | Promise<InputSubject<T>>,
  skips?: Skips,
): void {
  register(name, sourceChecks, make as () => InputSubject | Promise<InputSubject>, skips);
}

/** Has an input return nothing, as all that it has is to wait. */
async function untilHeld(opened: Opened, alignment: Gate): Promise<void> {
  const reader: InputReader<unknown> = opened.reader;
  while (!alignment.wasAsked) {
    assertEquals(reader.next(LIMIT), []);
    if (!alignment.wasAsked) await opened.inTime(reader.ready(), "ready()");
  }
  assertEquals(reader.idle?.() ?? false, false);
}

/** Chooses in a random order, always something. */
class AnyOrder implements SourceAlignment {
  chosen: PartitionName | null = null;
  #random: number;

  constructor(seed: number) {
    this.#random = seed >>> 0;
  }

  choose(ready: readonly PartitionName[]) {
    assert(ready.length > 0, "choose() was asked with nothing to choose from");
    this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) >>> 0;
    const source = ready[(this.#random >>> 16) % ready.length];
    this.chosen = source;
    return { source, most: LIMIT };
  }

  changed(): Promise<void> {
    return Promise.resolve();
  }
}

/** Lets all sources be read, or none. */
class Gate implements SourceAlignment {
  /** Whether it was asked since it was closed. */
  wasAsked = false;
  #isOpen = false;
  #onChange: (() => void)[] = [];

  choose([source]: readonly PartitionName[]) {
    this.wasAsked = true;
    return this.#isOpen ? { source, most: LIMIT } : null;
  }

  changed(): Promise<void> {
    return new Promise((resolve) => this.#onChange.push(resolve));
  }

  open(isOpen: boolean): void {
    this.#isOpen = isOpen;
    this.wasAsked = false;
    for (const resolve of this.#onChange.splice(0)) resolve();
  }
}

/** Lets one source be read. */
class Only implements SourceAlignment {
  readonly #source: PartitionName;

  constructor(source: PartitionName) {
    this.#source = source;
  }

  choose(ready: readonly PartitionName[]) {
    return ready.includes(this.#source) ? { source: this.#source, most: LIMIT } : null;
  }

  changed(): Promise<void> {
    return new Promise(() => {});
  }
}
