/** How many items were read and not worked off, if a step is slow. The clock is the test's own. */
import { assert, assertEquals } from "@std/assert";
import { Dataflow, ManualInputConfig, ManualOutputConfig } from "../../mod.ts";
import { RecordingOutput } from "../support/runtime/recording_output.ts";
import { runWorkers } from "../support/runtime/workers.ts";

/** An item of a slow step takes this on the clock, in milliseconds. */
const ITEM_MS = 20;
const ITEMS = 600;

/** What a flow reads, and what of it is worked off. */
class Backlog {
  #ms = 0;
  #read = 0;
  #done = 0;
  /**
   * The most that was read and not worked off, since the first items. These are read to learn the
   * pace.
   */
  most = 0;
  readonly #inputs: number;
  readonly #each: number;

  /** Each input item becomes `each` items of the slow step. */
  constructor(inputs = ITEMS, each = 1) {
    this.#inputs = inputs;
    this.#each = each;
  }

  /** Runs a flow whose slow step calls `work`, while the monotonic clock shows what was worked. */
  async run(
    workers: number,
    build: (numbers: Dataflow<number>) => Dataflow<unknown>,
  ): Promise<void> {
    const original = performance.now;
    performance.now = () => this.#ms;
    try {
      const input = new ManualInputConfig<number>((worker) => this.#numbers(worker));
      await runWorkers(build(new Dataflow("slow").input("in", input)), workers);
    } finally {
      performance.now = original;
    }
    assertEquals(this.#done, this.#inputs * this.#each);
  }

  /** The slow step is done with an item. */
  readonly work = <T>(item: T): T => {
    this.#ms += ITEM_MS;
    this.#done++;
    const all = this.#inputs * this.#each;
    const waiting = this.#read * this.#each - this.#done;
    if (this.#done > all / 4) this.most = Math.max(this.most, waiting);
    return item;
  };

  /** The numbers are read on one worker. */
  *#numbers(worker: number): Generator<[null, number]> {
    for (; worker === 0 && this.#read < this.#inputs; this.#read++) yield [null, this.#read];
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

const flows: Record<string, (numbers: Dataflow<number>, backlog: Backlog) => Dataflow<unknown>> = {
  "a synchronous step": (numbers, { work }) =>
    numbers.redistribute().map(work).capture(new RecordingOutput()),
  "a stateful step": (numbers, { work }) =>
    numbers.keyOn((n) => `${n % 10}`).stateful<number, null, null>("slow", () => ({
      onItem: (n) => void work(n),
      snapshot: () => null,
    })).capture(new RecordingOutput()),
  "a synchronous output": (numbers, { work }) =>
    numbers.redistribute().capture(new ManualOutputConfig(() => (n) => void work(n))),
  "an output that is awaited": (numbers, { work }) =>
    numbers.redistribute().capture(
      new ManualOutputConfig(() => async (n) => {
        await turn();
        work(n);
      }),
    ),
  "mapAsync": (numbers, { work }) =>
    numbers.redistribute().mapAsync(async (n) => {
      await turn();
      return work(n);
    }, { concurrency: 1 }).capture(new RecordingOutput()),
};

for (const [name, build] of Object.entries(flows)) {
  for (const workers of [1, 2, 3]) {
    Deno.test(`${name} that takes 20 ms an item has less than a second before it, on ${workers} workers`, async () => {
      const backlog = new Backlog();
      await backlog.run(workers, (numbers) => build(numbers, backlog));
      assert(backlog.most * ITEM_MS < 1_000, `${backlog.most} items waited`);
    });
  }
}

const MANY = 100;

for (const [name, build] of Object.entries(flows)) {
  for (const workers of [1, 2]) {
    Deno.test(`${name} after a flatMap has an input item or two before it, on ${workers} workers`, async () => {
      const backlog = new Backlog(12, MANY);
      const many = (n: number) => Array.from({ length: MANY }, (_, i) => n * MANY + i);
      await backlog.run(workers, (numbers) => build(numbers.flatMap(many), backlog));
      assert(backlog.most <= 2 * MANY, `${backlog.most} items waited`);
    });
  }
}

Deno.test("mapAsync has a few times its concurrency before it when fast calls begin to take long", async () => {
  for (const concurrency of [1, 16]) {
    const fast = 40_000; // calls that take ten microseconds each
    const inputs = fast + 20 * concurrency;
    let read = 0;
    let done = 0;
    let most = 0;
    const numbers = new ManualInputConfig<number>(function* () {
      while (read < inputs) yield [null, read++];
    });
    const flow = new Dataflow("slows_down").input("in", numbers)
      .mapAsync(async (n) => {
        if (n >= fast) await turn();
        done++;
        if (n >= fast) most = Math.max(most, read - done);
        return n;
      }, { concurrency })
      .capture(new RecordingOutput());
    const original = performance.now;
    performance.now = () => Math.min(done, fast) / 100;
    try {
      await runWorkers(flow, 1);
    } finally {
      performance.now = original;
    }
    assertEquals(done, inputs);
    assert(most <= 10 * concurrency, `${most} items waited, of which ${concurrency} are called`);
  }
});
