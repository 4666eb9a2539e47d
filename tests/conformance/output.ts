/**
 * What each output has to do: `OutputConfig` and `OutputWriter` of `src/graph/contracts.ts`, as the
 * engine uses them.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { isUnfinished } from "../../src/core/unfinished.ts";
import type { OutputConfig, OutputWriter, Positions } from "../../src/graph/contracts.ts";
import { testPlace } from "../support/runtime/test_place.ts";
import { type Check, inTime, needed, register, type Skips } from "./suite.ts";

/** An output under test, to which numbers are written. */
export interface OutputSubject<T = unknown> extends AsyncDisposable {
  /** Returns another config of the same output each time. */
  config(): OutputConfig<T>;
  /** Returns the item that stands for a number. */
  itemOf(number: number): T;
  /** Returns the numbers that can be seen outside, those of one worker in their order. */
  visible(): Promise<number[]>;
  /** An item that it does not write, and a part of the error's message. */
  readonly refused?: { readonly item: T; readonly message: string };
  /** How long a call may take, in milliseconds. */
  readonly patienceMs?: number;
}

/** The checks, for {@linkcode testOutput} and for the test of this suite. */
export const outputChecks: readonly Check<OutputSubject>[] = [
  {
    title: "what was written is visible once its epoch is committed, in order",
    async run(subject) {
      await using opened = await Opened.of(subject);
      for (let epoch = 0; epoch < 3; epoch++) {
        for (let i = 0; i < 4; i++) await opened.write(epoch, numbers(epoch * 100 + i * 25, 25));
        await opened.end(epoch);
        assertEquals(await subject.visible(), numbers(0, (epoch + 1) * 100));
      }
    },
  },
  {
    title: "an epoch may be empty",
    async run(subject) {
      await using opened = await Opened.of(subject);
      await opened.end(0);
      await opened.write(1, [7]);
      await opened.end(1);
      await opened.end(2);
      assertEquals(await subject.visible(), [7]);
    },
  },
  {
    title: "an epoch may be written before the one before it is committed",
    async run(subject) {
      await using opened = await Opened.of(subject);
      await opened.write(0, numbers(0, 3));
      await opened.prepare(0);
      await opened.write(1, numbers(3, 3));
      await opened.commit(0);
      await opened.write(1, numbers(6, 3));
      await opened.end(1);
      assertEquals(await subject.visible(), numbers(0, 9));
    },
  },
  {
    title: "what is written while an epoch ends belongs to the next one",
    async run(subject) {
      await using opened = await Opened.of(subject);
      const { writesAhead = false } = opened.writer;
      /** Does both, at the same time if the output allows that. */
      const both = async (end: () => Promise<unknown>, write: () => Promise<unknown>) => {
        const ending = end();
        if (!writesAhead) await ending;
        await Promise.all([ending, write()]);
      };
      await opened.write(0, numbers(0, 3));
      await both(() => opened.prepare(0), () => opened.write(1, numbers(3, 3)));
      await both(() => opened.commit(0), () => opened.write(1, numbers(6, 3)));
      await opened.end(1);
      assertEquals(await subject.visible(), numbers(0, 9));
    },
  },
  {
    title: "the positions of an epoch hold all that is not visible yet",
    async run(subject) {
      const resume = await within(subject, {}, async (opened) => {
        await opened.write(0, numbers(0, 3));
        await opened.end(0);
        await opened.write(1, numbers(3, 3));
        const positions = await opened.prepare(1);
        await opened.write(2, numbers(6, 3));
        // The store has epoch 1. The run fails before the output is told.
        return positions;
      });
      await within(subject, { resume }, async (opened) => {
        await opened.write(2, numbers(6, 3));
        await opened.end(2);
      });
      assertHasAll(await subject.visible(), numbers(0, 9));
    },
  },
  {
    title: "a run continues after the end of another: nothing is missing, and nothing comes twice",
    async run(subject) {
      const resume = await within(subject, {}, async (opened) => {
        await opened.write(0, numbers(0, 3));
        return opened.settled(await opened.end(0));
      });
      await within(subject, { resume }, async (opened) => {
        await opened.write(1, numbers(3, 3));
        await opened.end(1);
      });
      assertEquals(await subject.visible(), numbers(0, 6));
    },
  },
  {
    title: "nothing is unfinished after the end of a run",
    async run(subject) {
      await using opened = await Opened.of(subject);
      await opened.write(0, numbers(0, 3));
      const positions = opened.settled(await opened.end(0));
      assertEquals([...positions.keys()].filter(isUnfinished), []);
    },
  },
  {
    title: "a run continues after the last committed epoch: nothing is missing",
    run: async (subject) => assertHasAll(await failOnce(subject, [1, 1]), numbers(0, 12)),
  },
  {
    title: "a run continues after the last committed epoch: nothing comes twice",
    run: async (subject) => assertEquals(await failOnce(subject, [1, 1]), numbers(0, 12)),
  },
  {
    title: "a run continues with another number of workers: nothing is missing",
    async run(subject) {
      assertHasAll(await failOnce(subject, [3, 1, 2]), numbers(0, 18));
    },
  },
  {
    title: "a run continues with another number of workers: nothing comes twice",
    async run(subject) {
      assertEquals((await failOnce(subject, [3, 1, 2])).toSorted(ascending), numbers(0, 18));
    },
  },
  {
    title: "several workers write at the same time",
    async run(subject) {
      await using opened = await Opened.of(subject, { workers: 3 });
      await opened.write(0, numbers(0, 60));
      await opened.end(0);
      const visible = await subject.visible();
      assertEquals(visible.toSorted(ascending), numbers(0, 60));
      for (let worker = 0; worker < 3; worker++) {
        const own = visible.filter((number) => number % 3 === worker);
        assertEquals(own, own.toSorted(ascending), "the items of a worker have changed places");
      }
    },
  },
  {
    title: "positions are plain data",
    async run(subject) {
      await using opened = await Opened.of(subject);
      for (const epoch of [0, 1]) {
        await opened.write(epoch, [epoch]);
        const positions = await opened.writer.prepare(epoch);
        for (const [partition, state] of positions) {
          assert(typeof partition === "string", `the name of a partition is ${typeof partition}`);
          assertEquals(structuredClone(state), state);
        }
        await opened.commit(epoch);
      }
    },
  },
  {
    title: "the positions to resume stay as they were",
    async run(subject) {
      const resume = await within(subject, {}, async (opened) => {
        await opened.write(0, [0]);
        return await opened.end(0);
      });
      const given = copyOf(resume);
      await within(subject, { resume: given }, async (opened) => {
        await opened.write(1, [1]);
        await opened.end(1);
      });
      assertEquals(given, resume);
    },
  },
  {
    title: "a batch stays as it was",
    async run(subject) {
      await using opened = await Opened.of(subject);
      const batch = numbers(0, 5).reverse().map((number) => subject.itemOf(number));
      const copy = [...batch];
      await opened.inTime(opened.writer.write(Object.freeze(batch), 0), "write()");
      await opened.prepare(0);
      assertEquals(batch, copy);
    },
  },
  {
    title: "an item that cannot be written is an error, and close follows",
    async run(subject) {
      const { item, message } = needed(subject.refused, "refused");
      await using opened = await Opened.of(subject);
      await opened.write(0, [1]);
      const write = async () => {
        await opened.inTime(opened.writer.write([item], 0), "write()");
        await opened.prepare(0);
      };
      await assertRejects(write, Error, message);
      await opened.close();
    },
  },
  {
    title: "waitingFor and openTransactions answer whenever they may be asked",
    async run(subject) {
      await using opened = await Opened.of(subject);
      const ask = () => {
        const answer = opened.writer.waitingFor?.() ?? null;
        assert(answer === null || typeof answer === "string", "waitingFor() returned no text");
        const { count, oldestMs } = opened.writer.openTransactions?.() ?? { count: 0, oldestMs: 0 };
        assert(count >= 0 && oldestMs >= 0, `openTransactions() returned ${count}, ${oldestMs}`);
      };
      ask();
      const written = opened.write(0, numbers(0, 10));
      ask();
      await written;
      ask();
      await opened.prepare(0);
      ask();
    },
  },
  {
    title: "close may come at any time",
    async run(subject) {
      const moments: ((opened: Opened) => Promise<unknown>)[] = [
        () => Promise.resolve(),
        (opened) => opened.write(0, numbers(0, 10)),
        async (opened) => {
          await opened.write(0, numbers(0, 10));
          await opened.prepare(0);
        },
      ];
      for (const until of moments) await within(subject, {}, until);
    },
  },
  {
    title: "a second close does nothing",
    async run(subject) {
      await using opened = await Opened.of(subject);
      await opened.write(0, [0]);
      await opened.close();
      await opened.inTime(opened.writer.close(), "a second close()");
    },
  },
];

/**
 * Registers the tests of an output.
 *
 * @param name Which output it is.
 * @param make Makes what is tested, for each check.
 * @param skips The checks that it does not pass, each with the reason.
 */
export function testOutput<T>(
  name: string,
  make: () => OutputSubject<T> | Promise<OutputSubject<T>>,
  skips?: Skips,
): void {
  register(name, outputChecks, make as () => OutputSubject | Promise<OutputSubject>, skips);
}

/** Numbers one after another. */
function numbers(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}

const ascending = (a: number, b: number) => a - b;

/** How an output is opened. */
interface OpenOptions {
  readonly resume?: Positions;
  readonly workers?: number;
}

/** The writers of all workers, used as the engine uses them. */
class Opened implements AsyncDisposable {
  readonly #subject: OutputSubject;
  readonly #writers: readonly OutputWriter<unknown>[];
  readonly #open: Set<OutputWriter<unknown>>;

  private constructor(subject: OutputSubject, writers: readonly OutputWriter<unknown>[]) {
    this.#subject = subject;
    this.#writers = writers;
    this.#open = new Set(writers);
  }

  static async of(
    subject: OutputSubject,
    { resume = new Map(), workers = 1 }: OpenOptions = {},
  ): Promise<Opened> {
    const config = subject.config();
    const recovery = { intervalMs: 1_000 };
    const opening = numbers(0, workers).map((workerIndex) =>
      config.open(testPlace({ workerIndex, workerCount: workers, recovery }), resume)
    );
    return new Opened(subject, await inTime(Promise.all(opening), "open()", subject.patienceMs));
  }

  /** The writer of the first worker. */
  get writer(): OutputWriter<unknown> {
    return this.#writers[0];
  }

  async inTime<R>(promise: R | Promise<R>, what: string): Promise<R> {
    return await inTime(Promise.resolve(promise), what, this.#subject.patienceMs);
  }

  /** Writes numbers, each on the worker that it belongs to. */
  async write(epoch: number, all: readonly number[]): Promise<void> {
    await this.#onAll("write()", (writer, worker) => {
      const own = all.filter((number) => number % this.#writers.length === worker);
      if (own.length > 0) return writer.write(own.map(this.#subject.itemOf), epoch);
    });
  }

  /** Ends an epoch. Resolves to the positions of all workers, as a store returns them. */
  async prepare(epoch: number): Promise<Positions> {
    const all = await this.#onAll("prepare()", (writer) => writer.prepare(epoch));
    return copyOf(new Map(all.flatMap((positions) => [...positions])));
  }

  /** Tells the writers that the epoch has been committed. */
  async commit(epoch: number): Promise<void> {
    await this.#onAll("commit()", (writer) => writer.commit?.(epoch));
  }

  /** Ends an epoch and commits it. Resolves to the positions of all workers. */
  async end(epoch: number): Promise<Positions> {
    const positions = await this.prepare(epoch);
    await this.commit(epoch);
    return positions;
  }

  /** The positions after the last epoch, which was prepared with others. */
  settled(prepared: Positions): Positions {
    const all = this.#writers.map((writer) => writer.settled?.() ?? null);
    if (all.includes(null)) return prepared;
    return copyOf(new Map(all.flatMap((positions) => [...positions!])));
  }

  /** Closes the writers that are not closed. */
  async close(): Promise<void> {
    for (const writer of this.#open) {
      this.#open.delete(writer);
      await this.inTime(writer.close(), "close()");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #onAll<R>(
    what: string,
    call: (writer: OutputWriter<unknown>, worker: number) => R | Promise<R>,
  ): Promise<R[]> {
    return await Promise.all(
      this.#writers.map((writer, worker) => this.inTime(call(writer, worker), what)),
    );
  }
}

/** Opens an output for a call. */
async function within<R>(
  subject: OutputSubject,
  options: OpenOptions,
  work: (opened: Opened) => Promise<R>,
): Promise<R> {
  await using opened = await Opened.of(subject, options);
  return await work(opened);
}

/**
 * Makes a run for each number of workers. Each continues after the epoch that the one before has
 * committed, and writes again what came after it. Each but the last fails within its second epoch.
 * Returns what is visible then.
 */
async function failOnce(subject: OutputSubject, workers: readonly number[]): Promise<number[]> {
  let resume: Positions = new Map();
  for (const [run, count] of workers.entries()) {
    resume = await within(subject, { resume, workers: count }, async (opened) => {
      const from = run * 6;
      await opened.write(run, numbers(from, 6));
      const positions = await opened.end(run);
      if (run < workers.length - 1) await opened.write(run + 1, numbers(from + 6, 4));
      return positions;
    });
  }
  return await subject.visible();
}

/** The positions as they come back from a store. */
function copyOf(positions: Positions): Positions {
  return structuredClone(new Map(positions));
}

function assertHasAll(visible: readonly number[], expected: readonly number[]): void {
  const seen = new Set(visible);
  assertEquals(expected.filter((number) => !seen.has(number)), []);
}
